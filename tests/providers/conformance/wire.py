"""A reverse proxy on loopback between a source and its server, which answers as a test says. Faults
go over real sockets: a cut is a connection that ends, a reset is a TCP reset.
"""

from __future__ import annotations

import http.client
import http.server
import socket
import struct
import threading
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})
"""Headers of one connection, which a proxy writes itself."""
SERVER_S = 60.0
NEVER_S = 60.0
"""An answer that never comes is given up after this."""


class Ends(Enum):
    """How the body of an answer ends."""

    WHOLE = "whole"
    CUT = "cut"
    """After half of it, as a server that stops."""
    REFUSED = "refused"
    """Before the first byte, as where nobody listens any more."""
    RESET = "reset"
    """After half of it, as a firewall that drops the connection."""
    STALLS = "stalls"
    """After half of it nothing comes, until `Wire.release`."""
    NEVER = "never"
    """Not even a head comes, until `Wire.release`; the whole answer comes then."""
    CONTINUES = "continues"
    """Before it `100 Continue` comes again and again."""
    HEAD_DRIPS = "head drips"
    """Its head does not end, and comes byte by byte."""
    SIZE_DRIPS = "size drips"
    """The line with the size of its first chunk does so."""
    TRAILS = "trails"
    """Headers come after it, and do not end."""


DRIPS = (Ends.CONTINUES, Ends.HEAD_DRIPS, Ends.SIZE_DRIPS, Ends.TRAILS)
"""Answers of which a little comes every DRIP_S, until `Wire.release` or the client hangs up."""
DRIP_S = 0.05
_DRIPPED = {
    Ends.CONTINUES: b"HTTP/1.1 100 Continue\r\n\r\n",
    Ends.HEAD_DRIPS: b"x",
    Ends.SIZE_DRIPS: b"0",
    Ends.TRAILS: b"X-Trailer: x\r\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that arrived. Header names are in lower case."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes

    def with_name(self, old: str, new: str) -> Asked:
        """The request as if it were for another secret."""
        body = self.body.replace(old.encode(), new.encode())
        return replace(self, target=self.target.replace(old, new), body=body)

    @property
    def words(self) -> tuple[str, str, bytes]:
        """The request without its headers."""
        return self.method, self.target, self.body

    def names(self, *words: str) -> bool:
        """Whether one of the words stands in path, query or body."""
        return any(word in self.target or word.encode() in self.body for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    """The phrase beside the status."""
    lines: tuple[bytes, ...] = ()
    """Further lines of the head, as they are."""
    ends: Ends = Ends.WHOLE
    chunked: bool = False
    """Whether the body is sent in chunks, as large answers are, and not with its length."""

    @property
    def framing(self) -> dict[str, str]:
        """The header that says where the body ends."""
        if self.chunked:
            return {"Transfer-Encoding": "chunked"}
        return {"Content-Length": str(len(self.body))}

    @property
    def framed(self) -> bytes:
        """The body as it is sent."""
        if not self.chunked:
            return self.body
        last = b"0\r\n\r\n"
        return b"%x\r\n%b\r\n%b" % (len(self.body), self.body, last) if self.body else last


def to_server(address: str) -> Callable[[Asked], Reply]:
    """Hands requests on to `host:port`, each on a connection of its own."""

    def forward(asked: Asked) -> Reply:
        connection = http.client.HTTPConnection(address, timeout=SERVER_S)
        try:
            headers = {name: text for name, text in asked.headers.items() if name not in HOP}
            connection.request(asked.method, asked.target, asked.body or None, headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        kept = {name: text for name, text in response.getheaders() if name.lower() not in HOP}
        return Reply(status=response.status, body=body, headers=kept, reason=response.reason)

    return forward


class Wire:
    """`forward` is the server: the real one, or a function that answers in its place. `fault`
    answers instead while it is set. `asked` is what arrived since the last `reset`.
    """

    def __init__(
        self, forward: Callable[[Asked], Reply], *, context: ssl.SSLContext | None = None
    ) -> None:
        self.forward = forward
        self.fault: Callable[[Asked], Reply] | None = None
        self.asked: list[Asked] = []
        self.connections: set[socket.socket] = set()
        """Those that are open."""
        self._released = threading.Event()
        self._server = _Server(self)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        reply = (self.fault or self.forward)(asked)
        if reply.ends is Ends.NEVER:
            self.wait()
        return reply

    def says(self, reply: Reply) -> None:
        """Answers everything so."""
        self.fault = lambda _: reply

    def edits(self, edit: Callable[[Reply], Reply]) -> None:
        """Answers what the server does, changed."""
        self.fault = lambda asked: edit(self.forward(asked))

    def renames(self, old: str, new: str) -> None:
        """Has the server answer for another secret."""
        self.fault = lambda asked: self.forward(asked.with_name(old, new))

    def wait(self) -> None:
        """Until `release`."""
        self._released.wait(NEVER_S)

    def drip(self, write: Callable[[], None]) -> None:
        """Writes again and again, until `release`. OSError: nobody listens any more."""
        for _ in range(int(NEVER_S / DRIP_S)):
            if self._released.wait(DRIP_S):
                return
            write()

    def release(self) -> None:
        """Lets answers go that were held up, and holds up no more."""
        self._released.set()

    def reset(self) -> None:
        """Answers as the server does, and counts from zero."""
        self._released.set()
        self._released = threading.Event()
        self.fault = None
        self.asked.clear()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.to_reset: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as its base
        self.wire.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as its base
        self.wire.connections.discard(request)
        if request in self.to_reset:
            self.to_reset.discard(request)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _Server  # type: ignore[mutable-override]  # ours serves no other

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # a client that hangs up is part of the tests
            self.close_connection = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): text for name, text in self.headers.items()}
        asked = Asked(method=self.command, target=self.path, headers=headers, body=body)
        self._send(self.server.wire.answer(asked))

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - names of the standard library

    def _send(self, reply: Reply) -> None:
        if reply.ends in {Ends.REFUSED, Ends.RESET}:
            self.close_connection = True
            self.server.to_reset.add(self.connection)
        if reply.ends is Ends.REFUSED:
            return
        if reply.ends in DRIPS:
            self._drip(reply)
            return
        self.send_response_only(reply.status, reply.reason or None)
        for name, text in {**reply.framing, **reply.headers}.items():
            self.send_header(name, text)
        self.flush_headers()
        whole = reply.ends in {Ends.WHOLE, Ends.NEVER}
        lines = b"".join(line + b"\r\n" for line in reply.lines)
        body = reply.framed if whole else reply.framed[: len(reply.framed) // 2]
        self.wfile.write(lines + b"\r\n" + body)
        self.wfile.flush()
        if whole:
            return
        self.close_connection = True
        if reply.ends is Ends.STALLS:
            self.server.wire.wait()

    def _drip(self, reply: Reply) -> None:
        self.close_connection = True
        begun = b"" if reply.ends is Ends.CONTINUES else b"HTTP/1.1 200 OK\r\n"
        if reply.ends is Ends.HEAD_DRIPS:
            begun += b"X-Header: "
        if reply.ends in {Ends.SIZE_DRIPS, Ends.TRAILS}:
            begun += b"Transfer-Encoding: chunked\r\n\r\n"
        if reply.ends is Ends.TRAILS:
            begun += replace(reply, chunked=True).framed.removesuffix(b"\r\n")
        piece = _DRIPPED[reply.ends]
        self.connection.sendall(begun)
        self.server.wire.drip(lambda: self.connection.sendall(piece))

    def log_message(self, *_: object) -> None: ...

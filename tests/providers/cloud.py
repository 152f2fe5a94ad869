"""A cloud on loopback, for the fakes of its services: one port that is HTTP, TLS, and an HTTPS
proxy. So a source asks for the cloud's real hosts, and its tests see which ones.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import http.server
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from certs.dev_ca import CA_FILE, CERT_FILE, KEY_FILE, write_pair
from providers.proxies import Proxies
from tests.providers.conformance.store import json_reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.providers.conformance.wire import Asked as WireAsked
    from tests.providers.conformance.wire import Reply as WireReply

_HANDSHAKE = b"\x16"
"""The first byte of a TLS connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    host: str
    """As the client named it, without its port."""
    secure: bool
    method: str
    path: str
    """Without its query."""
    query: dict[str, str]
    headers: dict[str, str]
    """By lower case."""
    body: bytes = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        """Of `application/x-www-form-urlencoded`."""
        return dict(parse_qsl(self.body.decode()))

    @property
    def bearer(self) -> str:
        """The token that it was sent with; empty: none."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: bytes, or anything else as JSON."""

    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Cloud:
    """A server in a thread. `answer` is called in threads of the server."""

    def __init__(self, folder: Path, hosts: list[str], answer: Callable[[Asked], Reply]) -> None:
        write_pair(folder, ["localhost", "127.0.0.1", *hosts], dt.datetime.now(dt.UTC))
        self.ca_file = folder / CA_FILE
        self.asked: list[Asked] = []
        self.faults: dict[str, Reply | None] = {}
        """What is said instead, by the start of `host/path`; None: the connection is closed."""
        self.at_end: list[Callable[[], None]] = []
        """Called before it stops, to close its clients."""
        self.before: Callable[[Asked], None] = lambda _: None
        """Called before a request is answered."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / CERT_FILE, folder / KEY_FILE)
        self._server = _serve(self, context, answer)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def proxies(self) -> Proxies:
        """By which a source reaches it under the cloud's names."""
        return Proxies(https=f"http://127.0.0.1:{self.port}")

    def hosts(self) -> list[str]:
        """Of the requests since the last time, each once, in order."""
        found = list(dict.fromkeys(item.host for item in self.asked))
        self.asked.clear()
        return found

    def stop(self) -> None:
        for close in self.at_end:
            close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fault(self, asked: Asked) -> tuple[bool, Reply | None]:
        """Whether there is one, and what it says."""
        name = asked.host + asked.path
        fit = [start for start in self.faults if name.startswith(start)]
        return (True, self.faults[max(fit, key=len)]) if fit else (False, None)


def _serve(  # noqa: C901 - a handler is one class
    cloud: Cloud, context: ssl.SSLContext, answer: Callable[[Asked], Reply]
) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        tunnel = ""
        secure = False

        def setup(self) -> None:
            if self.request.recv(1, socket.MSG_PEEK) == _HANDSHAKE:
                self.request = context.wrap_socket(self.request, server_side=True)
                self.secure = True
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def do_CONNECT(self) -> None:
            """Goes on in TLS on the same connection, whose host it was asked for."""
            self.send_response_only(200)
            self.end_headers()
            self.wfile.flush()
            self.tunnel = self.path.rpartition(":")[0]
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb", self.rbufsize)
            self.wfile = self.connection.makefile("wb", self.wbufsize)
            self.secure, self.close_connection = True, False

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(
                host=self.tunnel or self.headers.get("Host", "").rpartition(":")[0],
                secure=self.secure,
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): text for name, text in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length", "0"))),
            )
            cloud.asked.append(asked)
            cloud.before(asked)
            is_fault, said = cloud.fault(asked)
            reply = said if is_fault else answer(asked)
            if reply is None:
                self.close_connection = True
                return
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response_only(reply.status)
            usual = {"Content-Type": "application/json; charset=UTF-8"}
            usual |= {"Content-Length": str(len(raw)), "Date": self.date_time_string()}
            for name, text in {**usual, **reply.headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(raw)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is part of the tests."""

    return Server(("127.0.0.1", 0), Handler)


def later(seconds: float) -> str:
    """A moment of RFC 3339 from now."""
    return dt.datetime.fromtimestamp(time.time() + seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def on_wire(answer: Callable[[Asked], Reply]) -> Callable[[WireAsked], WireReply]:
    """The server of a fake, for the conformance suite's wire: all of its hosts are one there."""

    def forward(asked: WireAsked) -> WireReply:
        parts = urlsplit(asked.target)
        reply = answer(
            Asked(
                host="localhost",
                secure=True,
                method=asked.method,
                path=parts.path,
                query=dict(parse_qsl(parts.query)),
                headers=dict(asked.headers),
                body=asked.body,
            )
        )
        return to_wire(reply)

    return forward


def to_wire(reply: Reply) -> WireReply:
    """The same for the suite's wire."""
    date = {"Date": email.utils.formatdate(usegmt=True)}
    return json_reply(reply.status, reply.body, **date, **reply.headers)

"""/healthz and /metrics, answered between two turns of the agent's loop, so that an answer shows
that the loop turns.

HTTP/1.1 as far as a kubelet and a scraper need it: one request per connection, GET only, bounded in
size, number and time. `http.server` would double the agent's memory (docs/design/001).
"""

from __future__ import annotations

import select
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.clock import Clock

MOST_CLIENTS = 16
MOST_REQUEST_BYTES = 8192
CLIENT_S = 5.0
"""A client that has not asked by then is gone."""
REBIND_S = (1.0, 5.0, 30.0)


class Client:
    """A connection and what has come over it."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection = connection
        self.until = until
        self.request = b""


class Server:
    """Answers on one address. A port that can't be bound is tried again for ever, and counted."""

    def __init__(
        self, host: str, port: int, pages: Mapping[str, Callable[[], str]], clock: Clock
    ) -> None:
        self._address = (host, port)
        self._pages = pages
        self._clock = clock
        self._listener: socket.socket | None = None
        self._clients: dict[int, Client] = {}
        self._bind_at = 0.0
        self.bind_failures = 0
        self.last_error: OSError | None = None

    def wait(self, seconds: float) -> None:
        """Answer whoever asks within that time, and return when it is over. OSError only if the
        system can't poll.
        """
        until = self._clock.monotonic() + seconds
        self._bind()
        while (left := until - self._clock.monotonic()) > 0:
            poll = select.poll()
            if self._listener is not None:
                poll.register(self._listener, select.POLLIN)
            for fd in self._clients:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(left * 1000):
                self._ready(fd)
            self._drop_late()

    def close(self) -> None:
        """Close all sockets."""
        for fd in list(self._clients):
            self._drop(fd)
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _bind(self) -> None:
        if self._listener is not None or self._clock.monotonic() < self._bind_at:
            return
        listener = socket.socket(socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(self._address)
            listener.listen(MOST_CLIENTS)
        except OSError as error:
            listener.close()
            self._unbind(error)
            return
        self._listener, self.last_error = listener, None

    def _unbind(self, error: OSError) -> None:
        """Listen no more, and try again later: also when no connection can be accepted, so that the
        loop does not spin.
        """
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        delay_s = REBIND_S[min(self.bind_failures, len(REBIND_S) - 1)]
        self.bind_failures, self.last_error = self.bind_failures + 1, error
        self._bind_at = self._clock.monotonic() + delay_s

    def _ready(self, fd: int) -> None:
        client = self._clients.get(fd)
        try:
            if client is not None:
                self._read(fd, client)
            elif self._listener is not None:
                self._accept(self._listener)
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(fd)
            if client is None:
                self._unbind(error)

    def _accept(self, listener: socket.socket) -> None:
        """A new client; the one that has been silent for longest makes room for it."""
        if len(self._clients) == MOST_CLIENTS:
            self._drop(next(iter(self._clients)))
        connection, _ = listener.accept()
        connection.setblocking(False)
        until = self._clock.monotonic() + CLIENT_S
        self._clients[connection.fileno()] = Client(connection, until)

    def _read(self, fd: int, client: Client) -> None:
        part = client.connection.recv(MOST_REQUEST_BYTES)
        client.request += part
        if b"\r\n\r\n" in client.request:
            client.connection.send(self._answer(client.request))
            self._drop(fd)
        elif not part or len(client.request) >= MOST_REQUEST_BYTES:
            self._drop(fd)

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        page = self._pages.get(rest.split(b" ", 1)[0].split(b"?", 1)[0].decode("ascii", "replace"))
        if method != b"GET":
            status, body = "405 Method Not Allowed\r\nAllow: GET", ""
        elif page is None:
            status, body = "404 Not Found", ""
        else:
            status, body = "200 OK", page()
        content = body.encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + content

    def _drop_late(self) -> None:
        now = self._clock.monotonic()
        for fd in [fd for fd, client in self._clients.items() if now > client.until]:
            self._drop(fd)

    def _drop(self, fd: int) -> None:
        client = self._clients.pop(fd, None)
        if client is not None:
            client.connection.close()

"""/healthz and /metrics, answered between two steps of the agent's loop, so that an answer shows
that the loop runs.

HTTP/1.1 as far as a kubelet and a scraper need it: one request per connection, GET only, bounded in
size, number and time, because any pod may ask. `http.server` would double the agent's memory
(docs/design/001).
"""

from __future__ import annotations

import select
import socket

from agent import backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.clock import MachineClock

EVERY = "::"
"""Every address of both families."""
MOST_CLIENTS = 16
MOST_REQUEST_BYTES = 8192
CLIENT_S = 5.0
"""For a client to ask and to take its answer, in full."""
FRESH_S = 1.0
"""A page is made at most so often, however many ask for it."""
RETRY_FIRST_S = 1.0
RETRY_MOST_S = 30.0
"""Between two tries to bind the port."""


class ScrapeClient:
    """A connection, what has come over it, and what is still to be sent."""

    def __init__(self, connection: socket.socket, address: str, until: float) -> None:
        self.connection = connection
        self.address = address
        self.until = until
        self.request = b""
        self.answer = b""


class AgentMetricsServer:
    """Answers on one address, or on EVERY. A port that can't be bound is tried again for ever, and
    counted.
    """

    def __init__(
        self, host: str, port: int, pages: Mapping[str, Callable[[], str]], clock: MachineClock
    ) -> None:
        self._address = (host, port)
        self._pages = pages
        self._made: dict[str, tuple[float, str]] = {}
        self._clock = clock
        self._listener: socket.socket | None = None
        self._clients: dict[int, ScrapeClient] = {}
        self._bind_at = 0.0
        self.bind_failures = 0
        self.last_error: OSError | None = None

    def wait(self, seconds: float) -> None:
        """Answer anyone who asks within that time, and return when it is over. OSError only if the
        system can't poll.
        """
        until = self._clock.monotonic() + seconds
        self._bind()
        while (left := until - self._clock.monotonic()) > 0:
            poll = select.poll()
            if self._listener is not None:
                poll.register(self._listener, select.POLLIN)
            for fd, client in self._clients.items():
                poll.register(fd, select.POLLOUT if client.answer else select.POLLIN)
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
        host, port = self._address
        both = host == EVERY and socket.has_dualstack_ipv6()
        if host == EVERY and not both:
            host = "0.0.0.0"  # noqa: S104 - what was asked for, on a machine without IPv6
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            if both:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((host, port))
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
        self.bind_failures, self.last_error = self.bind_failures + 1, error
        delay_s = backoff.delay_s(self.bind_failures, first_s=RETRY_FIRST_S, most_s=RETRY_MOST_S)
        self._bind_at = self._clock.monotonic() + delay_s

    def _ready(self, fd: int) -> None:
        client = self._clients.get(fd)
        try:
            if client is not None and client.answer:
                self._write(fd, client)
            elif client is not None:
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
        """A new client. Of the address that has the most, the one that has waited for longest makes
        room for it: a flood from one address keeps no other out.
        """
        if len(self._clients) == MOST_CLIENTS:
            self._drop(self._heaviest())
        connection, peer = listener.accept()
        connection.setblocking(False)
        until = self._clock.monotonic() + CLIENT_S
        self._clients[connection.fileno()] = ScrapeClient(connection, peer[0], until)

    def _heaviest(self) -> int:
        """The client to close."""
        addresses = [client.address for client in self._clients.values()]
        return max(self._clients, key=lambda fd: addresses.count(self._clients[fd].address))

    def _read(self, fd: int, client: ScrapeClient) -> None:
        part = client.connection.recv(MOST_REQUEST_BYTES)
        client.request += part
        if b"\r\n\r\n" in client.request:
            client.answer = self._answer(client.request)
            self._write(fd, client)
        elif not part or len(client.request) >= MOST_REQUEST_BYTES:
            self._drop(fd)

    def _write(self, fd: int, client: ScrapeClient) -> None:
        client.answer = client.answer[client.connection.send(client.answer) :]
        if not client.answer:
            self._drop(fd)

    def _page(self, path: str, make: Callable[[], str]) -> str:
        now = self._clock.monotonic()
        made_at, page = self._made.get(path, (-FRESH_S, ""))
        if now - made_at >= FRESH_S or not page:
            page = make()
            self._made[path] = (now, page)
        return page

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0].decode("ascii", "replace")
        page = self._pages.get(path)
        if method != b"GET":
            status, body = "405 Method Not Allowed\r\nAllow: GET", ""
        elif page is None:
            status, body = "404 Not Found", ""
        else:
            status, body = "200 OK", self._page(path, page)
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

"""The two pages, as a kubelet, a scraper and a nuisance ask for them."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from agent.clock import MachineClock
from agent.metrics_server import MOST_CLIENTS, AgentMetricsServer
from tests.agent.pod import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def port() -> Iterator[int]:
    """A server that turns until the test is over."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    server = AgentMetricsServer("127.0.0.1", found, {"/healthz": lambda: "ok\n"}, MachineClock())
    over = threading.Event()

    def turn() -> None:
        while not over.is_set():
            server.wait(0.05)

    thread = threading.Thread(target=turn)
    thread.start()
    yield found
    over.set()
    thread.join()
    server.close()


@pytest.mark.parametrize("both", [True, False], ids=["IPv6 and IPv4", "IPv4 alone"])
def test_every_address_is_of_the_families_that_the_node_has(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, *, both: bool
) -> None:
    """A cluster may have IPv4 alone, IPv6 alone, or both; a kernel may have no IPv6."""
    if both:
        request.getfixturevalue("ipv6")
    else:
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = AgentMetricsServer("::", port, {}, MachineClock())
    server.wait(0)
    assert server.last_error is None
    for loopback in ("127.0.0.1", "::1") if both else ("127.0.0.1",):
        socket.create_connection((loopback, port), timeout=10).close()
    server.close()


def ask(port: int, request: bytes) -> bytes:
    """All that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(4096):
            answer += part
        return answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK"),
        (b"GET /healthz?probe=1 HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK"),
        (b"GET /secrets HTTP/1.1\r\nHost: x\r\n\r\n", b"404 Not Found"),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"404 Not Found"),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"405 Method Not Allowed"),
        (b"\r\n\r\n", b"405 Method Not Allowed"),
    ],
)
def test_a_request_is_answered_and_the_connection_closed(
    port: int, request_: bytes, status: bytes
) -> None:
    """GET of a known page, and an error for all else."""
    answer = until(lambda: ask(port, request_))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


def test_clients_that_say_nothing_keep_nobody_out(port: int) -> None:
    """When there are many, the one that has been silent for longest makes room."""
    until(lambda: ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"))
    idle = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    try:
        assert ask(port, b"GET /healthz HTTP/1.1\r\n\r\n").endswith(b"ok\n")
    finally:
        for each in idle:
            each.close()


def test_a_flood_from_one_address_keeps_no_other_out(port: int) -> None:
    """The address with the most connections makes room: a kubelet that has connected and has yet
    to ask is not the one to go.
    """
    until(lambda: ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"))
    address = ("127.0.0.1", port)
    with socket.create_connection(address, timeout=10) as kubelet:
        flood = [
            socket.create_connection(address, timeout=10, source_address=("127.0.1.1", 0))
            for _ in range(3 * MOST_CLIENTS)
        ]
        try:
            assert ask(port, b"GET /healthz HTTP/1.1\r\n\r\n").endswith(b"ok\n")
            kubelet.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert kubelet.recv(4096).startswith(b"HTTP/1.1 200 ")
        finally:
            for each in flood:
                each.close()


def test_a_page_is_made_once_a_second_and_comes_whole() -> None:
    """However many ask; also one that does not fit a socket's buffers."""
    made: list[str] = []

    def page() -> str:
        made.append("x" * 8_000_000)
        return made[-1]

    clock = Stopped()
    server = AgentMetricsServer("127.0.0.1", 0, {"/": page}, clock)
    server._bind()
    assert server._listener is not None
    port = server._listener.getsockname()[1]
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(ask, port, b"GET / HTTP/1.1\r\n\r\n") for _ in range(4)]
        while not all(answer.done() for answer in answers):
            clock.turn(server)
    assert {len(answer.result().partition(b"\r\n\r\n")[2]) for answer in answers} == {8_000_000}
    assert len(made) == 1
    server.close()


class Stopped(MachineClock):
    """A clock that goes on within one `turn` only, and by less than a page is fresh."""

    def __init__(self) -> None:
        self._steps = 0

    def monotonic(self) -> float:
        """Every reading of a turn is a little later, so that `wait` comes to its end."""
        self._steps += 1
        return 100.0 + self._steps * 1e-6

    def turn(self, server: AgentMetricsServer) -> None:
        """One short wait."""
        self._steps = 0
        server.wait(1e-4)


def test_a_request_without_end_is_dropped(port: int) -> None:
    """No client makes the agent hold more than a few KiB for it."""
    until(lambda: ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        until(lambda: _refused(connection))


def _refused(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x" * 4096)
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False

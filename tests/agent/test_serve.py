"""The two pages, as a kubelet, a scraper and a nuisance ask for them."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from agent.clock import Clock
from agent.serve import Server
from tests.agent.pod import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def port() -> Iterator[int]:
    """A server that turns until the test is over."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    server = Server("127.0.0.1", found, {"/healthz": lambda: "ok\n"}, Clock())
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

"""The controller's pages, as strangers ask for them."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from controller.metrics_server import LIMITS, serve
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from controller.metrics_server import MetricsServer


class Counted:
    """A collector that counts how often it was asked. Its page does not fit a socket's buffers."""

    def __init__(self) -> None:
        self.times = 0

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """A page of some MB."""
        self.times += 1
        yield GaugeMetricFamily("times", "x" * 3_000_000, value=self.times)


class World:
    """A server."""

    def __init__(self) -> None:
        self.counted = Counted()
        self.now = 0.0
        self.well = True
        registry = CollectorRegistry()
        registry.register(self.counted)
        self.before = self.counted.times
        self.server: MetricsServer = serve(
            "127.0.0.1", 0, registry, lambda: self.well, lambda: self.now
        )

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection."""
        address = ("127.0.0.1", self.server.port)
        return socket.create_connection(address, timeout=60, source_address=(source, 0))

    def ask(self, request: bytes = b"GET /metrics HTTP/1.1\r\n\r\n") -> bytes:
        """The whole answer."""
        with self.connect() as connection:
            connection.sendall(request)
            found = b""
            while part := connection.recv(1 << 20):
                found += part
        return found


@pytest.fixture
def world() -> Iterator[World]:
    """A server, until the test is over."""
    made = World()
    yield made
    made.server.close()
    assert not [each for each in threading.enumerate() if each.name == "metrics"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET /healthz?x HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET /secrets HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"\r\n\r\n", b"405 Method Not Allowed"),
        (b"x" * 9000, b""),
    ],
)
def test_a_request_is_answered_and_the_connection_closed(
    world: World, request_: bytes, status: bytes
) -> None:
    """GET of a known page, an error for all else, and nothing for a request without end."""
    with contextlib.suppress(ConnectionError):
        found = world.ask(request_)
        assert found.startswith(b"HTTP/1.1 " + status if status else b"")


def test_unhealthy_is_a_503(world: World) -> None:
    """The kubelet's probe fails."""
    world.well = False
    assert b" 503 " in world.ask(b"GET /healthz HTTP/1.1\r\n\r\n").partition(b"\r\n")[0]


def test_the_page_is_made_once_a_second_whoever_asks(world: World) -> None:
    """And whole, though it does not fit a socket's buffers."""
    pages = {world.ask() for _ in range(20)}
    assert len(pages) == 1
    (page,) = pages
    assert len(page) > 3_000_000
    assert world.counted.times == world.before + 1
    world.now += 1.0
    assert world.ask() not in pages


def test_clients_that_ask_for_nothing_keep_no_other_out(world: World) -> None:
    """More than there is room for, from one address and from many; and no thread for each."""
    threads = threading.active_count()
    sources = ["127.0.2.1"] * 100 + [f"127.0.3.{number}" for number in range(1, 101)]
    idle = [world.connect(source) for source in sources]
    try:
        until("the last to be taken", lambda: world.ask().startswith(b"HTTP/1.1 200 "))
        assert threading.active_count() == threads
        closed = 0
        for each in idle:
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                closed += each.recv(1) == b""
        assert closed >= len(sources) - LIMITS.connections
    finally:
        for each in idle:
            each.close()


def test_who_goes_away_before_the_answer_leaves_no_trace(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """No traceback, no line."""
    for _ in range(20):
        with world.connect() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert world.ask().startswith(b"HTTP/1.1 200 ")
    assert capfd.readouterr() == ("", "")

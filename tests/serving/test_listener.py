"""A listener over real sockets of loopback, in the loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from serving.limits import ClientLimits
from serving.listener import AT_ONCE, Listener, bind
from serving.register import Phase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from serving.client_connection import Connection

LIMITS = ClientLimits(connections=8, per_address=4, held_bytes=1 << 20, head_s=1e6, body_s=1e6)


@pytest.mark.usefixtures("ipv6")
@pytest.mark.parametrize("host", ["::", ""])
def test_every_address_is_of_both_families(host: str) -> None:
    """A cluster may have IPv4 alone, IPv6 alone, or both."""
    with bind(host, 0) as bound:
        port = bound.getsockname()[1]
        for loopback in ("127.0.0.1", "::1"):
            socket.create_connection((loopback, port), timeout=10).close()


@pytest.mark.usefixtures("ipv6")
def test_one_address_is_that_one_alone() -> None:
    """`::1` is not reached by IPv4, nor 127.0.0.1 by IPv6."""
    for host, other in (("::1", "127.0.0.1"), ("127.0.0.1", "::1")):
        with bind(host, 0) as bound, pytest.raises(ConnectionRefusedError):
            socket.create_connection((other, bound.getsockname()[1]), timeout=10)


def test_without_ipv6_it_is_every_address_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a node whose kernel has IPv6 switched off."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with bind("::", 0) as bound:
        assert bound.family is socket.AF_INET
        socket.create_connection(("127.0.0.1", bound.getsockname()[1]), timeout=10).close()


class CacheReason(asyncio.Protocol):
    """Keeps what comes, and is at work from a newline on, until it is told."""

    def __init__(self) -> None:
        self.came = b""
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A `Connection`."""
        self.connection: Connection = transport  # type: ignore[assignment]  # the listener's own

    def data_received(self, data: bytes) -> None:
        self.came += data
        self.connection.holds(len(data))
        if data.endswith(b"\n"):
            self.connection.moves(Phase.WORK)

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True


class World:
    """What is connected, and why what was is over."""

    def __init__(self, limits: ClientLimits) -> None:
        self.protocols: list[CacheReason] = []
        self.ended: list[str] = []
        self.bound = bind("127.0.0.1", 0)
        self.listener = Listener(
            self.bound,
            limits,
            self._protocol,
            loop=asyncio.get_running_loop(),
            ended=self.ended.append,
        )

    def _protocol(self) -> CacheReason:
        self.protocols.append(CacheReason())
        return self.protocols[-1]

    async def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A client that does not block; the listener has it."""
        count = len(self.protocols)
        client = socket.create_connection(self.bound.getsockname(), source_address=(source, 0))
        client.setblocking(False)
        await self.until(lambda: len(self.protocols) > count)
        return client

    @staticmethod
    async def until(true: Callable[[], bool]) -> None:
        """Turns the loop."""
        async with asyncio.timeout(60):
            while not true():  # noqa: ASYNC110 - what sockets do has no event
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def world(limits: ClientLimits = LIMITS) -> AsyncIterator[World]:
    """A listener that accepts."""
    made = World(limits)
    made.listener.start()
    try:
        yield made
    finally:
        made.listener.close()
        made.listener.end()
        await asyncio.sleep(0)


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """In a loop of its own."""
    asyncio.run(scenario())


def test_what_is_at_work_is_counted_though_its_client_is_gone() -> None:
    """Else a client could send, leave, and send again, and its requests would pile up uncounted."""

    async def scenario() -> None:
        async with world() as made:
            client = await made.connect()
            client.send(b"x" * 9999 + b"\n")
            await made.until(lambda: made.protocols[0].came.endswith(b"\n"))
            client.close()
            for _ in range(100):
                await asyncio.sleep(0.001)
            assert (len(made.listener), made.listener.held_bytes) == (1, 10_000)
            assert not made.protocols[0].lost
            made.protocols[0].connection.moves(Phase.IDLE)
            await made.until(lambda: made.protocols[0].lost)
            assert (len(made.listener), made.listener.held_bytes) == (0, 0)

    run(scenario)


def test_an_answer_that_is_not_taken_is_counted_and_ends_in_time() -> None:
    """It is in memory as a request is."""

    async def scenario() -> None:
        limits = ClientLimits(connections=8, per_address=4, held_bytes=1 << 30, answer_s=0.0)
        async with world(limits) as made:
            client = await made.connect()
            client.send(b"x\n")
            await made.until(lambda: made.protocols[0].came == b"x\n")
            made.protocols[0].connection.write(b"y" * (16 << 20))
            made.protocols[0].connection.moves(Phase.IDLE)
            # The kernel has taken some of it.
            assert made.listener.held_bytes >= 8 << 20
            await made.until(lambda: made.ended == ["answer"])
            assert made.listener.held_bytes == 0
            client.close()

    run(scenario)


def test_a_new_client_is_taken_and_the_longest_wait_of_its_address_is_closed() -> None:
    """The one that is closed sees the end."""

    async def scenario() -> None:
        async with world() as made:
            clients = [await made.connect() for _ in range(5)]
            await made.until(lambda: made.ended == ["full"])
            assert clients[0].recv(1) == b""
            assert len(made.listener) == 4
            other = await made.connect("127.0.1.1")
            assert made.ended == ["full"]
            for client in (*clients, other):
                client.close()

    run(scenario)


def test_new_connections_may_be_taken_in_batches() -> None:
    """Between two there is a pause, here an endless one."""

    async def scenario() -> None:
        limits = ClientLimits(connections=99, per_address=99, held_bytes=1, accept_pause_s=1e6)
        async with world(limits) as made:
            address = made.bound.getsockname()
            clients = [socket.create_connection(address) for _ in range(AT_ONCE + 1)]
            await made.until(lambda: len(made.listener) == AT_ONCE)
            for _ in range(100):
                await asyncio.sleep(0.001)
            assert len(made.listener) == AT_ONCE
            for client in clients:
                client.close()

    run(scenario)


def test_what_is_said_before_the_end_arrives_though_more_was_sent() -> None:
    """An answer to a request that is still coming is not taken away by a reset."""

    async def scenario() -> None:
        async with world() as made:
            client = await made.connect()
            client.send(b"x" * 1000)
            await made.until(lambda: made.protocols[0].came == b"x" * 1000)
            made.protocols[0].connection.write(b"enough")
            made.protocols[0].connection.close()
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, b"x" * 200_000)
            found = b""
            while part := await loop.sock_recv(client, 100):
                found += part
            assert found == b"enough"
            assert made.protocols[0].came == b"x" * 1000
            client.close()
            await made.until(lambda: len(made.listener) == 0)

    run(scenario)


def test_a_closed_listener_takes_nobody_and_keeps_nobody() -> None:
    """Its port is free again."""

    async def scenario() -> None:
        async with world() as made:
            client = await made.connect()
            address = made.bound.getsockname()
            made.listener.close()
            await made.listener.wait_closed()
            await made.until(lambda: made.protocols[0].lost)
            assert len(made.listener) == 0
            client.close()
            bind("127.0.0.1", address[1]).close()

    run(scenario)

"""A listening socket whose clients stay within limits."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from serving.address_queue import AddressQueue
from serving.client_connection import Connection
from serving.register import Phase, Register

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable

    from serving.limits import ClientLimits

BACKLOG = 512
"""Connections that the kernel keeps for us, each with a part of its buffers."""
EVERY = ("", "::")
BUFFER_BYTES = 64 * 1024
"""The kernel's for each connection and direction; it counts with the process's memory."""
AT_ONCE = 16
"""Connections that are accepted in one turn of the loop."""
CLOSE_LATE_S = 0.25
"""How often late connections are looked for."""
PAUSE_S = 0.25
"""Before the next try when the system gives no more sockets."""


def bind(host: str, port: int) -> socket.socket:
    """Listens. `::` is every address of both families; IPv4's alone where the machine has no IPv6.
    OSError: the address can't be had.
    """
    both = host in EVERY
    if both and not socket.has_dualstack_ipv6():
        both, host = False, "0.0.0.0"  # noqa: S104 - what was asked for
    family = socket.AF_INET6 if both or ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        bound.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    bound.setblocking(False)
    return bound


class Listener:
    """Lives in one loop."""

    def __init__(
        self,
        bound: socket.socket,
        limits: ClientLimits,
        protocol: Callable[[], asyncio.Protocol],
        *,
        loop: asyncio.AbstractEventLoop,
        context: Callable[[], ssl.SSLContext] | None = None,
        ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`bound` as `bind` makes it. `context` gives what the next connection is served with;
        None: without TLS. `ended` hears of each connection why it is over.
        """
        self._bound = bound
        self._limits = limits
        self._protocol = protocol
        self._context = context
        self._ended = ended
        self._register = Register(limits)
        self._turns = AddressQueue(loop)
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._register)

    @property
    def held_bytes(self) -> int:
        """Requests and answers in memory."""
        return self._register.held_bytes

    def start(self) -> None:
        """Accepts from now on."""
        self._accept_again()
        self._close_late()

    def close(self) -> None:
        """Accepts no more. Connections with a handshake behind them are the protocols' to close."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        self._loop.remove_reader(self._bound)
        self._bound.close()
        for visit in self._register.all():
            if visit.phase is Phase.HANDSHAKE:
                visit.end("stop")

    def end(self) -> None:
        """Ends what is still connected."""
        for visit in self._register.all():
            visit.end("stop")

    async def wait_closed(self) -> None:
        """As `end`: uvicorn's shutdown waits for the end of what it asked to close before."""
        self.end()

    def _accept_again(self) -> None:
        self._loop.add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connected, peer = self._bound.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno != errno.ECONNABORTED:
                    # No file descriptors or memory for more: without a pause the loop would spin.
                    self._pause(PAUSE_S)
                    return
                continue
            self._take(connected, peer)
        if self._limits.accept_pause_s:
            self._pause(self._limits.accept_pause_s)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._bound)
        self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if self._timer is not None:
            self._accept_again()

    def _take(self, connected: socket.socket, peer: tuple[str, int]) -> None:
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            connected.close()
            return
        connection = Connection(
            self._loop,
            connected,
            (peer[0], peer[1]),
            protocol=self._protocol(),
            context=self._context,
            register=self._register,
            turns=self._turns,
            ended=self._ended,
        )
        phase = Phase.HEAD if self._context is None else Phase.HANDSHAKE
        closed = self._register.enter(connection.visit, phase, self._loop.time())
        if closed is not None:
            closed.end("full")
        if closed is not connection.visit:
            connection.start()

    def _close_late(self) -> None:
        for visit in self._register.late(self._loop.time()):
            visit.end(visit.phase.value)
        self._timer = self._loop.call_later(CLOSE_LATE_S, self._close_late)

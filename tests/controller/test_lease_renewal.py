"""The Lease does not depend on what strangers send: a real process, whose election runs against a
Lease behind real HTTP. What is counted is whether leadership was lost, never a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from controller.lease import LeaseTimes
from tests.controller.strained import LOST
from tests.controller.test_lead import LeaseServer
from tests.kube.server import serving
from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

pytestmark = [pytest.mark.slow]

BLOCKED_S = LeaseTimes().duration_s + 3.0
"""A stall of the work's loop that would lose a Lease which that loop renews."""
CONNECTIONS = 1282
"""As many as the attack had, released at once."""


class Strained:
    """The process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def event(self, name: str) -> dict[str, Any]:
        """The next of this name."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == name:
                return self.lines[-1]
        raise AssertionError(f"it ended before {name}")

    async def end(self) -> int:
        """The exit code, after SIGTERM."""
        self.process.terminate()
        await self.event("ended")
        return await self.process.wait()


@contextlib.asynccontextmanager
async def strained(still_s: float, block_s: float) -> AsyncIterator[tuple[LeaseServer, Strained]]:
    """A process that leads."""
    async with serving() as server:
        lease = LeaseServer()
        server.instead = lease.answer
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.controller.strained"),
            *(server.url, str(still_s), str(block_s)),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield lease, Strained(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Within two minutes."""

    async def bounded() -> None:
        async with asyncio.timeout(110):
            await scenario()

    asyncio.run(bounded())


def test_a_loop_that_stands_still_for_longer_than_a_lease_keeps_it() -> None:
    """And gives it back when it is told to end."""

    async def scenario() -> None:
        async with strained(60.0, BLOCKED_S) as (lease, one):
            await one.event("leads")
            version = lease.version
            assert (await one.event("turned"))["remaining_s"] > 0
            assert lease.version > version
            assert lease.holder == "one"
            assert await one.end() == 0
            assert lease.holder == ""

    run(scenario)


def test_a_loop_that_stands_still_for_too_long_leads_no_longer() -> None:
    """Its Lease is renewed no more, so another one takes it; its own writes are fenced before."""

    async def scenario() -> None:
        async with strained(3.0, 25.0) as (lease, one):
            await one.event("leads")
            assert (await one.event("turned"))["remaining_s"] == 0.0
            assert await one.process.wait() == LOST
            assert lease.holder == "one"

    run(scenario)


async def _ask(port: int, released: asyncio.Event) -> bytes:
    """One connection that asks when all do."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await released.wait()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        writer.transport.abort()
    except OSError:
        return b""
    return answer


def test_1282_requests_released_at_once_lose_no_lease() -> None:
    """And leave no traceback; one that asks afterwards gets its page."""

    async def scenario() -> None:
        async with strained(60.0, 0.2) as (lease, one):
            port = (await one.event("leads"))["port"]
            released = asyncio.Event()
            asking = [asyncio.create_task(_ask(port, released)) for _ in range(CONNECTIONS)]
            await asyncio.sleep(1.0)
            released.set()
            answers = await asyncio.gather(*asking)
            assert any(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
            for _ in range(10):
                assert (await one.event("turned"))["remaining_s"] > 0
            released.set()
            assert (await _ask(port, released)).startswith(b"HTTP/1.1 200 ")
            assert lease.holder == "one"
            assert await one.end() == 0
            assert one.process.stderr is not None
            assert b"Traceback" not in await one.process.stderr.read()

    run(scenario)

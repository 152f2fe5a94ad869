"""Work that an event ends."""

from __future__ import annotations

import asyncio

import pytest

from kube.race import unless


class Work:
    """Tells how it ended."""

    def __init__(self, lasts_s: float = 0.0) -> None:
        self._lasts_s = lasts_s
        self.ended = ""

    async def run(self) -> None:
        try:
            await asyncio.sleep(self._lasts_s)
            self.ended = "done"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise


def test_work_that_ends_first_has_ended() -> None:
    """The event may be set at the same time."""
    work = Work()

    async def race() -> bool:
        return await unless(asyncio.Event(), work.run())

    assert asyncio.run(race())
    assert work.ended == "done"


def test_the_event_cancels_what_is_under_way() -> None:
    """And waits until it has ended."""
    work = Work(60)

    async def race() -> bool:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, stop.set)
        return await unless(stop, work.run())

    assert not asyncio.run(race())
    assert work.ended == "cancelled"


def test_the_works_error_is_raised() -> None:
    """As it is."""

    async def fails() -> None:
        raise LookupError

    async def race() -> None:
        await unless(asyncio.Event(), fails())

    with pytest.raises(LookupError):
        asyncio.run(race())


def test_who_is_cancelled_leaves_nothing_running() -> None:
    """And is cancelled itself."""
    work = Work(60)

    async def race() -> None:
        racing = asyncio.create_task(unless(asyncio.Event(), work.run()))
        await asyncio.sleep(0.01)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing

    asyncio.run(race())
    assert work.ended == "cancelled"

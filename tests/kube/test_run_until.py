"""Work that an event ends."""

from __future__ import annotations

import asyncio

import pytest

from kube.run_until import unless


class Work:
    """Tells how it ended."""

    def __init__(self, lasts_s: float = 0.0, *, ends_in_s: float = 0.0) -> None:
        self._lasts_s = lasts_s
        self._ends_in_s = ends_in_s
        self.ended = ""

    async def run(self) -> None:
        try:
            await asyncio.sleep(self._lasts_s)
            self.ended = "done"
        except asyncio.CancelledError:
            await asyncio.sleep(self._ends_in_s)
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


def test_the_works_error_is_raised_and_leaves_nothing_running() -> None:
    """As it is."""

    async def fails() -> None:
        raise LookupError

    async def race() -> None:
        with pytest.raises(LookupError):
            await unless(asyncio.Event(), fails())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(race())


def test_an_error_of_work_that_is_being_cancelled_is_raised_too() -> None:
    """It may have left something half done."""

    async def fails() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise LookupError

    async def race() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, stop.set)
        await unless(stop, fails())

    with pytest.raises(LookupError):
        asyncio.run(race())


@pytest.mark.parametrize("stopped", [False, True], ids=["at work", "while the work ends"])
def test_who_is_cancelled_leaves_nothing_running(*, stopped: bool) -> None:
    """And is cancelled itself."""
    work = Work(60, ends_in_s=0.05)

    async def race() -> None:
        stop = asyncio.Event()
        racing = asyncio.create_task(unless(stop, work.run()))
        await asyncio.sleep(0.01)
        if stopped:
            stop.set()
            await asyncio.sleep(0.01)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(race())

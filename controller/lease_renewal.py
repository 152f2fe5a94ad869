"""A candidate in a thread of its own, with a loop and connections of its own: the Lease is renewed
while the work's loop is busy, for example with what tenants write into their pods.

The work's loop shows that it runs. One that stands still for STILL_S leads no longer: the thread
stops renewing, the fence of its writes closes at the renew deadline, and another one leads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from threading import Thread
from typing import TYPE_CHECKING

from controller.telemetry import say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.leader import Leader
    from kube.api import Api

BEAT_S = 1.0
STILL_S = 30.0
"""Longer than any work of one step, restoring included, and less than the minute after which the
kubelet ends a container whose /healthz fails.
"""
RELEASE_S = 10.0


class Renewal:
    """What `lead` needs of a candidate. Takes part at most once.

    `remaining_s` may be called by any thread, everything else in the work's loop.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Api]],
        candidate: Callable[[Api], Leader],
        monotonic: Callable[[], float],
        *,
        still_s: float = STILL_S,
    ) -> None:
        """`connect` and `candidate` are called in the thread's loop. `monotonic` gives seconds of a
        clock that never goes back.
        """
        self._connect = connect
        self._candidate = candidate
        self._monotonic = monotonic
        self._still_s = still_s
        self._leader: Leader | None = None
        self._beat_at = monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self._over = asyncio.Event()
        self.elected = asyncio.Event()
        """Set once this process leads; stays set."""

    def remaining_s(self) -> float:
        """For how long this process may still write; 0: not now. Reads one immutable state."""
        leader = self._leader
        return 0.0 if leader is None else leader.remaining_s()

    def loop_runs(self) -> bool:
        """Whether the work's loop does not stand still."""
        return self._monotonic() - self._beat_at < self._still_s

    async def run(self) -> None:
        """Until leadership is lost. What the thread raises is raised. Cancelling it does not end
        the renewal: that is `release`.
        """
        work_loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = work_loop.create_future()
        self._beat_at = self._monotonic()
        self._loop = asyncio.new_event_loop()
        arguments = (self._loop, work_loop, lost)
        Thread(target=self._live, args=arguments, name="lease", daemon=True).start()
        while not lost.done():
            self._beat_at = self._monotonic()
            await asyncio.wait({lost}, timeout=BEAT_S)
        lost.result()

    async def release(self) -> None:
        """After the work has ended: renews no more, and the next one need not wait, where that can
        be done. The thread has ended then.
        """
        if self._loop is None:
            return
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._ending.set)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), RELEASE_S)

    def _live(
        self,
        loop: asyncio.AbstractEventLoop,
        work_loop: asyncio.AbstractEventLoop,
        lost: asyncio.Future[None],
    ) -> None:
        """The thread."""
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._take_part(work_loop, lost))
        except BaseException as raised:  # noqa: BLE001 - raised again, in the work's loop
            error = raised
        with contextlib.suppress(RuntimeError):  # the work's loop is closed: nobody waits
            work_loop.call_soon_threadsafe(_end, lost, error)
            work_loop.call_soon_threadsafe(self._over.set)

    async def _take_part(
        self, work_loop: asyncio.AbstractEventLoop, lost: asyncio.Future[None]
    ) -> None:
        async with await self._connect() as api:
            self._leader = leader = self._candidate(api)
            running = asyncio.create_task(leader.run())
            electing = asyncio.create_task(self._tell_elected(leader, work_loop))
            ending = asyncio.create_task(self._ending.wait())
            watching = asyncio.create_task(self._while_loop_runs())
            tasks = (running, electing, ending, watching)
            await asyncio.wait({running, ending, watching}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks[:2]:
                task.cancel()
            await asyncio.wait(tasks[:2])
            if not running.cancelled():
                running.result()
            work_loop.call_soon_threadsafe(_end, lost, None)
            # Not before the work has ended, which may still be sending a write.
            await ending
            watching.cancel()
            await leader.release()

    async def _tell_elected(self, leader: Leader, work_loop: asyncio.AbstractEventLoop) -> None:
        await leader.elected.wait()
        work_loop.call_soon_threadsafe(self.elected.set)

    async def _while_loop_runs(self) -> None:
        while self.loop_runs():  # noqa: ASYNC110 - a loop that stands still sets no event
            await asyncio.sleep(BEAT_S)  # noqa: TID251 - a fixed interval
        decision = "the Lease is renewed no more"
        say(logging.ERROR, "leader.stands_still", still_s=self._still_s, decision=decision)


def _end(lost: asyncio.Future[None], error: BaseException | None) -> None:
    if lost.done():
        return
    if error is None:
        lost.set_result(None)
    else:
        lost.set_exception(error)

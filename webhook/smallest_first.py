"""Whose review is next: one large review at a time, the smallest first, and time for all others
between two of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST_WAITING = 16
"""Large reviews that wait. One more ends the wait of the largest."""
PAUSE_S = 0.005
"""From the end of one turn to the next: what came meanwhile is read, and answered if small."""


class SmallestFirst:
    """Gives large reviews their turns. A review holds the loop while it has its turn."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._waiting: list[tuple[int, int, asyncio.Future[bool]]] = []
        """A heap: size, number, and what wakes it: True: its turn came."""
        self._numbers = itertools.count()
        self._taken = False

    @contextlib.asynccontextmanager
    async def turn(self, size_bytes: int) -> AsyncIterator[bool]:
        """Waits for its turn and has it for the block; False: it did not come, others are smaller.

        The caller must not wait for anything in the block.
        """
        loop = asyncio.get_running_loop()
        came = await self._wait(size_bytes, loop)
        try:
            yield came
        finally:
            if came:
                loop.call_later(self._pause_s, self._next)

    async def _wait(self, size_bytes: int, loop: asyncio.AbstractEventLoop) -> bool:
        if not self._taken:
            self._taken = True
            return True
        mine: asyncio.Future[bool] = loop.create_future()
        heapq.heappush(self._waiting, (size_bytes, next(self._numbers), mine))
        if len(self._waiting) > MOST_WAITING:
            largest = max(self._waiting, key=lambda item: item[:2])
            self._waiting.remove(largest)
            heapq.heapify(self._waiting)
            _wake(largest[2], came=False)
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.result():
                self._next()
            raise

    def _next(self) -> None:
        """The smallest's turn; or the turn is free."""
        while self._waiting:
            if _wake(heapq.heappop(self._waiting)[2], came=True):
                return
        self._taken = False


def _wake(waiting: asyncio.Future[bool], *, came: bool) -> bool:
    """Whether it was still waiting."""
    if waiting.done():
        return False
    waiting.set_result(came)
    return True

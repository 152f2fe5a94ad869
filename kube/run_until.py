"""Work that an event ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """True: `work` came to its end. False: `stop` was set first, and `work` was cancelled and has
    ended. What it raises is raised, also while it is being cancelled.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        ended = working.done()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
    if not working.cancelled():
        working.result()
    return ended

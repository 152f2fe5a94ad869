"""Waiting for what the API server shows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kube.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.api import Api

POLL_S = 0.2


async def until(holds: Callable[[], Awaitable[bool]], within_s: float) -> None:
    """TimeoutError when it does not come to hold."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 - the API server sets no event here
            await asyncio.sleep(POLL_S)


async def is_gone(api: Api, path: str) -> bool:
    """Whether there is no such object."""
    try:
        await api.get(path)
    except NotFoundError:
        return True
    return False

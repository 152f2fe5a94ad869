"""Costly work of a loop in turns by address: one piece in each turn of the loop, so that reading
and writing go on between two, and no address waits for all the work of another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class AddressQueue:
    """Not safe across threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """`loop` None: the one that runs when it is used."""
        self._loop = loop
        self._waiting: dict[str, dict[Callable[[], None], None]] = {}
        """By address; the address whose turn is next comes first."""
        self._scheduled = False

    def add(self, address: str, act: Callable[[], None]) -> None:
        """Calls `act`, which raises nothing: now where nothing was done in this turn of the loop,
        else in a later one.
        """
        if self._is_free():
            act()
        else:
            self._waiting.setdefault(address, {})[act] = None

    def drop(self, address: str, act: Callable[[], None]) -> None:
        """It is not wanted any more. Nothing when it was called already."""
        acts = self._waiting.get(address, {})
        acts.pop(act, None)
        if not acts:
            self._waiting.pop(address, None)

    async def turn(self, address: str) -> None:
        """Waits until it is this address's turn."""
        if self._is_free():
            return
        came = asyncio.get_running_loop().create_future()

        def come() -> None:
            if not came.done():
                came.set_result(None)

        self.add(address, come)
        try:
            await came
        finally:
            self.drop(address, come)

    def _is_free(self) -> bool:
        """True: this turn was nobody's, and is taken now."""
        if self._scheduled:
            return False
        self._schedule()
        return True

    def _schedule(self) -> None:
        self._scheduled = True
        (self._loop or asyncio.get_running_loop()).call_soon(self._next)

    def _next(self) -> None:
        self._scheduled = False
        if not self._waiting:
            return
        address = next(iter(self._waiting))
        acts = self._waiting.pop(address)
        act = next(iter(acts))
        del acts[act]
        if acts:
            self._waiting[address] = acts
        self._schedule()
        act()

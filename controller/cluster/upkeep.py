"""Checks that what pods mount is as the records say, and removes records whose namespace is gone:
slowly, beside all else, for as long as this process leads.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from controller.telemetry import say
from kube.errors import ApiError, FencedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.cluster.records import Records
    from kube.clock import Clock
    from refresh.engine import Engine
    from refresh.model import SnapshotKey, SnapshotState

TURN_S = 0.1
"""One request of each kind in a turn: ten a second, whatever the fleet's size."""
ROUND_S = 6 * 3600.0
"""After the first round, each snapshot is checked so often."""
RETRY_S = 10.0
"""After a removal that failed."""


class Upkeep:
    """A check is a PUT of what should be there, by the engine. One that finds it so is no write."""

    def __init__(self, records: Records, engine: Engine, clock: Clock) -> None:
        self._records = records
        self._engine = engine
        self._clock = clock
        self._queue: deque[SnapshotKey] = deque()
        self._gap_s = 0.0
        self._next_at = self._sweep_at = clock.monotonic()
        self._began_at = clock.now()

    async def run(self, ready: Callable[[], bool]) -> None:
        """Until cancelled, from the moment on that `ready` says so."""
        while not ready():  # noqa: ASYNC110 - looked at ten times a second, which needs no event
            await asyncio.sleep(TURN_S)  # noqa: TID251 - a fixed turn
        states = self._engine.states()
        for key in begun(self._records, states):
            self._engine.republish(key)
        doubtful = {key for key in states if _is_restored(self._records, key)}
        self._queue.extend(states)
        while True:
            await asyncio.sleep(TURN_S)  # noqa: TID251 - a fixed turn
            mono = self._clock.monotonic()
            for key in confirmed(doubtful, self._engine.states(), self._began_at):
                doubtful.discard(key)
                self._records.trust(key)
                self._engine.republish(key)
            if mono >= self._next_at:
                self._check(mono)
            if self._records.has_orphans and mono >= self._sweep_at:
                await self._sweep(mono)

    def _check(self, mono: float) -> None:
        """The next snapshot of the round."""
        self._next_at = mono + self._gap_s
        if not self._queue:
            states = self._engine.states()
            self._queue.extend(states)
            self._gap_s = ROUND_S / (len(states) or 1)
            return
        key = self._queue.popleft()
        state = self._engine.state(key)
        if state is not None and is_settled(state) and not _is_restored(self._records, key):
            self._engine.republish(key)

    async def _sweep(self, mono: float) -> None:
        try:
            await self._records.remove_orphan()
        except (ApiError, FencedError) as error:
            self._sweep_at = mono + RETRY_S
            say(logging.INFO, "controller.record_not_removed", why=str(error))


def begun(records: Records, states: Mapping[SnapshotKey, SnapshotState]) -> list[SnapshotKey]:
    """The snapshots whose Secret the last process began to write, and may not have written."""
    return [
        key
        for key in states
        if (held := records.get(key)) is not None and not held.restored and held.unfinished
    ]


def confirmed(
    keys: set[SnapshotKey], states: Mapping[SnapshotKey, SnapshotState], since: float
) -> list[SnapshotKey]:
    """Those of which the provider has told since then, in seconds since the epoch, which version is
    current: what a backup brought back is known to be right, or was corrected.
    """
    answers = ((key, states[key].answered_at) for key in keys if key in states)
    return [key for key, at in answers if at is not None and at >= since]


def is_settled(state: SnapshotState) -> bool:
    """Whether it is known what pods should be given: not of another cluster's backup."""
    return state.serving is not None and state.restored is None


def _is_restored(records: Records, key: SnapshotKey) -> bool:
    held = records.get(key)
    return held is not None and held.restored

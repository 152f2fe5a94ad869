"""Checks that what pods mount is as the records say, and removes records whose namespace is gone:
slowly, beside all else, for as long as this process leads.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from controller.record_store import UntakenRecordError
from controller.telemetry import say
from kube.errors import ApiError, FencedError
from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.namespace_ages import FreshnessMaps
    from controller.record_store import Records
    from refresh.engine import Engine
    from refresh.model import SnapshotKey, SnapshotState
    from workqueue.clock import Clock

INTERVAL_S = 0.1
"""One request of each kind each time: ten a second, however many snapshots there are."""
ROUND_S = 6 * 3600.0
"""After the first round, each snapshot is checked so often."""
MOST_GAP_S = 600.0
"""So that a snapshot does not wait for hours where there were only a few a moment ago."""
SCAN_S = 1.0


class _CheckWork(Enum):
    """What is done, each at its own due times."""

    SCAN = auto()
    """Of all snapshots, for what a loss or a backup has left."""
    CHECK = auto()
    """Of one snapshot."""
    REMOVE_ORPHAN = auto()
    """Of one record."""


class RecordChecks:
    """A check is a PUT of what should be there, by the engine. One that finds it so is no write."""

    def __init__(
        self,
        records: Records,
        engine: Engine,
        freshness: FreshnessMaps,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        """`draw` gives a random number in [0, 1)."""
        self._records = records
        self._freshness = freshness
        self._engine = engine
        self._clock = clock
        self._draw = draw
        self._round: deque[SnapshotKey] = deque()
        """The snapshots that are still to be checked in this round."""
        self._gap_s = 0.0
        self._queue: WorkQueue[_CheckWork] = WorkQueue()
        for work in _CheckWork:
            self._queue.add(work, clock.monotonic())
        self._lost: list[SnapshotKey] = []
        self._began_at = clock.now()

    async def run(self, ready: Callable[[], bool]) -> None:
        """Until cancelled, from the moment on that `ready` says so. UntakenRecordError: this
        process does not know a record that it should know.
        """
        while not ready():  # noqa: ASYNC110 - asked ten times a second, which needs no event
            await asyncio.sleep(INTERVAL_S)  # noqa: TID251 - a fixed interval
        states = self._engine.states()
        for key in begun(self._records, states):
            self._engine.republish(key)
        self._round.extend(states)
        while True:
            await asyncio.sleep(INTERVAL_S)  # noqa: TID251 - a fixed interval
            mono = self._clock.monotonic()
            for work in self._due(mono):
                await self._do(work, mono)

    def _due(self, mono: float) -> list[_CheckWork]:
        """Each kind at most once, so that one that is due again at once leaves time for others."""
        found = []
        while (work := self._queue.get(mono)) is not None:
            found.append(work)
        return found

    async def _do(self, work: _CheckWork, mono: float) -> None:
        pause_s = INTERVAL_S
        try:
            if work is _CheckWork.SCAN:
                self._scan()
                pause_s = SCAN_S
            elif work is _CheckWork.CHECK:
                pause_s = self._check()
            elif self._records.has_orphans:
                await self._records.remove_orphan()
        except (ApiError, FencedError) as error:
            self._queue.retry(work, mono, self._draw(), asked_s=error.delay_s)
            say(logging.INFO, "controller.record_not_removed", why=str(error))
        else:
            self._queue.done(work)
            self._queue.add(work, mono + pause_s)

    def _scan(self) -> None:
        """What a loss or a backup has left, over all snapshots."""
        if self._records.untaken is not None:
            raise UntakenRecordError(f"record {self._records.untaken} was not taken over")
        for key, state in self._engine.states().items():
            if _is_restored(self._records, key):
                if is_confirmed(state, self._began_at):
                    self._records.trust(key)
                    self._engine.republish(key)
            elif state.serving is None and state.revoked and self._has_revoked(key, state):
                self._lost.append(key)
        while self._lost:
            self._engine.tombstone(self._lost.pop())

    def _has_revoked(self, key: SnapshotKey, state: SnapshotState) -> bool:
        """Whether pods were given a revoked version by a record that was lost, as the ages tell."""
        entry = self._freshness.entry(key.namespace, key.source.snapshot)
        given = () if entry is None else (entry.served, entry.prior)
        return any(it is not None and it.version in state.revoked for it in given)

    def _check(self) -> float:
        """Checks the next snapshot of the round. Seconds until the one after it."""
        if not self._round:
            states = self._engine.states()
            self._round.extend(states)
            self._gap_s = min(ROUND_S / (len(states) or 1), MOST_GAP_S)
        if not self._round:
            return self._gap_s
        key = self._round.popleft()
        state = self._engine.state(key)
        if state is not None and is_settled(state) and not _is_restored(self._records, key):
            self._engine.republish(key)
        return self._gap_s


def begun(records: Records, states: Mapping[SnapshotKey, SnapshotState]) -> list[SnapshotKey]:
    """The snapshots whose Secret the last process began to write, and may not have written."""
    return [
        key
        for key in states
        if (recorded := records.get(key)) is not None
        and not recorded.restored
        and recorded.unfinished
    ]


def is_confirmed(state: SnapshotState, since: float) -> bool:
    """Whether the provider has confirmed since then, in seconds since the epoch, that what is
    served is right: so is what a backup brought back, or it was corrected.
    """
    return state.last_success is not None and state.last_success >= since


def is_settled(state: SnapshotState) -> bool:
    """Whether it is known what pods should be given: not of another cluster's backup."""
    return state.serving is not None and state.restored is None


def _is_restored(records: Records, key: SnapshotKey) -> bool:
    recorded = records.get(key)
    return recorded is not None and recorded.restored

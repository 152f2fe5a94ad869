"""What is known of each snapshot, and what is to be written of it.

Every method takes the time. Pure.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from refresh import arrivals, snapshot_data
from refresh.model import SnapshotState
from refresh.step import step
from refresh.step_events import (
    Alarm,
    AlarmKind,
    Publish,
    Report,
    RetentionEnded,
    Rewound,
    Tombstoned,
    Withdrawn,
)
from refresh.write_queue import WriteQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contract.ages import Entry
    from refresh.model import Demanded, Moment, SnapshotKey
    from refresh.observer import Observer
    from refresh.sink import Publication
    from refresh.step_events import StepEvent

FORGOTTEN_S = 10.0
"""An age that nobody needs any more is removed within so long."""


class States:
    """The state of every snapshot. `demanded` is the manager's. It is only read here."""

    def __init__(
        self,
        *,
        cluster: str,
        observer: Observer,
        demanded: Mapping[SnapshotKey, Demanded],
        stepped: Callable[[SnapshotKey, Moment], None],
    ) -> None:
        """`stepped` is called after each event of a demanded snapshot."""
        self.writes = WriteQueue()
        self._cluster = cluster
        self._observer = observer
        self._demanded = demanded
        self._stepped = stepped
        self._states: dict[SnapshotKey, SnapshotState] = {}
        self.all: Mapping[SnapshotKey, SnapshotState] = MappingProxyType(self._states)
        """All that is known, live."""
        self._names: dict[str, dict[str, SnapshotKey]] = {}
        self._held: set[SnapshotKey] = set()
        """Where a version is held for what it lacks."""

    def copied(self) -> dict[SnapshotKey, SnapshotState]:
        """All that is known, as of now. In any thread: a dict is copied in one step of the
        interpreter, while an iteration, or a copy of `all`, calls `__hash__` in between.
        """
        return self._states.copy()

    def get(self, key: SnapshotKey) -> SnapshotState | None:
        """What is known of a snapshot; None: nothing."""
        return self._states.get(key)

    def restore(
        self, key: SnapshotKey, written: Publication, entry: Entry | None, at: Moment
    ) -> None:
        """Takes over what was published before a restart, before it is demanded; or a WireError."""
        state = snapshot_data.restored(key, written, entry, cluster=self._cluster, now=at.wall)
        self.remember(key, state)
        if state.restored is not None:
            version = None if state.served is None else state.served.version
            self._observer.alarmed(key, Alarm(AlarmKind.RESTORED, version))

    def forget(self, key: SnapshotKey, at: Moment) -> bool:
        """Drops the state of a snapshot that is not demanded, after its objects were deleted. Its
        age goes with the next report. Whether there was one.
        """
        if key in self._demanded or self._states.pop(key, None) is None:
            return False
        self._held.discard(key)
        self._names[key.namespace].pop(key.source.snapshot)
        self.writes.report(key.namespace, at.mono, within_s=FORGOTTEN_S)
        return True

    def withdraw(self, key: SnapshotKey, at: Moment) -> None:
        """Removes the value of a snapshot that policy no longer allows, after its grace time."""
        if key in self._states:
            self.apply(key, Withdrawn(), at)

    def tombstone(self, key: SnapshotKey, at: Moment) -> None:
        """Publishes that nothing is served, where nothing was by this process."""
        if key in self._states:
            self.apply(key, Tombstoned(), at)

    def retire(self, key: SnapshotKey, at: Moment) -> None:
        """Removes all values of a snapshot that is kept only to know revoked ones again."""
        if key in self._states:
            self.apply(key, RetentionEnded(), at)

    def republish(self, key: SnapshotKey, at: Moment) -> None:
        """Asks for the snapshot's keys to be written again as they should be."""
        if key in self._states:
            self.writes.write(key, at.mono, publish=True, status=False)

    def rewind(self, seconds: float, at: Moment) -> None:
        """The wall clock was set back: no age shrinks by it."""
        for key in self._states:
            self.apply(key, Rewound(seconds), at)

    def tick(self, at: Moment) -> None:
        """Serves what was held long enough."""
        for key in [key for key in self._held if self._held_until(key) <= at.wall]:
            self.weigh(key, at)

    def ticks_at(self, at: Moment) -> float:
        """When to tick next, in monotonic seconds; infinity: not before something happens."""
        until = min(map(self._held_until, self._held), default=float("inf"))
        return at.mono + max(0.0, until - at.wall)

    def publication(self, key: SnapshotKey) -> Publication | None:
        """The snapshot as it should be written; None: never synced."""
        state = self._states.get(key)
        if state is None or state.serving is None:
            return None
        item = self._demanded.get(key)
        properties = frozenset[str]() if item is None else item.properties
        return snapshot_data.publication(key, state, properties, self._cluster)

    def entries(self, namespace: str) -> dict[str, Entry]:
        """The freshness entries of a namespace, by the snapshot's name."""
        return {
            name: snapshot_data.entry(self._states[key])
            for name, key in self._names.get(namespace, {}).items()
        }

    def apply(self, key: SnapshotKey, event: StepEvent, at: Moment) -> None:
        """Steps the state, and asks for what is to be written of it."""
        before = self._states.get(key) or SnapshotState()
        state, effects = step(before, event, at.wall)
        self.remember(key, state)
        for effect in effects:
            if isinstance(effect, Alarm):
                self._observer.alarmed(key, effect)
            elif isinstance(effect, Publish):
                self.writes.write(key, at.mono, publish=True, status=True)
            elif isinstance(effect, Report):
                self.writes.write(key, at.mono, publish=False, status=True)
                self.writes.report(key.namespace, at.mono, within_s=0.0)
        if state.last_success != before.last_success:
            self.aged(key.namespace, at)
        if key in self._demanded:
            self._stepped(key, at)

    def weigh(self, key: SnapshotKey, at: Moment) -> None:
        """Compares a held version again, with who uses what it lacks now."""
        event = arrivals.weighed(self._states[key], self._demanded[key])
        if event is not None:
            self.apply(key, event, at)

    def aged(self, namespace: str, at: Moment) -> None:
        """An age moved: it is written with the next report, within a quarter of the budget."""
        if self.writes.has_report(namespace):
            return
        budgets_s = [
            self._demanded[key].rules.budget_s
            for key in self._names[namespace].values()
            if key in self._demanded
        ]
        self.writes.report(namespace, at.mono, within_s=min(budgets_s, default=0.0) / 4)

    def remember(self, key: SnapshotKey, state: SnapshotState) -> None:
        """Takes a state as it is."""
        if key not in self._states:
            self._names.setdefault(key.namespace, {})[key.source.snapshot] = key
        self._states[key] = state
        (self._held.discard if state.held_until is None else self._held.add)(key)

    def _held_until(self, key: SnapshotKey) -> float:
        until = self._states[key].held_until
        return float("inf") if until is None or key not in self._demanded else until

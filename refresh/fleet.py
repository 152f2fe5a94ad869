"""All snapshots and what is asked for them, without I/O: the engine's decisions as plain calls.

Every method takes the time; nothing blocks, sleeps or draws by itself. The engine, the simulation
in bench and the tests drive this in the same way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contract.freshness import age_s
from contract.reasons import FetchFailure
from providers.protocol import Again, Alone, Failed, FetchRequest, Material, NotModified
from refresh import interval, judge, snapshot_data, versions
from refresh.asks import Asked, Asks
from refresh.events import (
    Alarm,
    AlarmKind,
    FetchFailed,
    Operated,
    Publish,
    Rechecked,
    Report,
    Rewound,
    Tombstoned,
    Unchanged,
    Withdrawn,
)
from refresh.model import SnapshotState, Task
from refresh.step import known_version, step
from refresh.write_queue import WriteQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contract.ages import Entry
    from providers.protocol import Fetched, FetchResult
    from refresh.asks import Sources
    from refresh.budget import Budget
    from refresh.events import Event
    from refresh.model import Demanded, Identity, Moment, SnapshotKey, Wanted
    from refresh.observer import Observer
    from refresh.schedule import Work
    from refresh.sink import Publication

FORGOTTEN_S = 10.0
"""An age that nobody needs any more is removed within so long."""


class Fleet:
    """The snapshots of all namespaces."""

    def __init__(
        self, *, cluster: str, sources: Sources, draw: Callable[[], float], observer: Observer
    ) -> None:
        self.writes = WriteQueue()
        self._cluster = cluster
        self._draw = draw
        self._observer = observer
        self._states: dict[SnapshotKey, SnapshotState] = {}
        self._names: dict[str, dict[str, SnapshotKey]] = {}
        self._received: dict[SnapshotKey, Identity] = {}
        """The version whose bytes came from the provider to this process, or were compared with
        those. What was only restored is not in it: a Secret can be changed while nothing of ours
        guards it, and its namespace's bytes must not become another's."""
        self._demanded: dict[SnapshotKey, Demanded] = {}
        self._wishes: dict[SnapshotKey, Wanted] = {}
        self._pins: dict[SnapshotKey, Task] = {}
        self._held: set[SnapshotKey] = set()
        """Where a version is held for what it lacks."""
        self._asks = Asks(
            sources=sources,
            request=self._request,
            states=self._states,
            demanded=self._demanded,
            draw=draw,
        )

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a budget."""
        return self._asks.accounts

    def state(self, key: SnapshotKey) -> SnapshotState | None:
        """What is known of a snapshot; None: nothing."""
        return self._states.get(key)

    def states(self) -> Mapping[SnapshotKey, SnapshotState]:
        """All that is known; not to be changed."""
        return self._states

    def govern(self, budgets: Mapping[str, Budget], at: Moment) -> None:
        """Sets which accounts may be called, and how much. The whole; what is not in it rests."""
        self._asks.govern(budgets, at)

    def restore(
        self, key: SnapshotKey, written: Publication, entry: Entry | None, at: Moment
    ) -> None:
        """Takes over what was published before a restart, before it is demanded; or a WireError."""
        state = snapshot_data.restored(key, written, entry, cluster=self._cluster, now=at.wall)
        self._received.pop(key, None)
        self._remember(key, state)
        if state.restored is not None:
            version = None if state.served is None else state.served.version
            self._observer.alarmed(key, Alarm(AlarmKind.RESTORED, version))

    def demand(self, demanded: Iterable[Demanded], at: Moment) -> None:
        """Sets what is to be kept fresh. The whole; what is not in it is kept, not refreshed."""
        wanted = {item.key: item for item in demanded}
        for key in [key for key in self._demanded if key not in wanted]:
            self._unpin(key)
            self._asks.drop(Task(key.source), key)
            del self._demanded[key]
        for key, item in wanted.items():
            before = self._demanded.get(key)
            self._demanded[key] = item
            if before is None:
                self._newly_demanded(key, item, at)
            elif before != item:
                self._demanded_otherwise(key, before, item, at)

    def operate(self, key: SnapshotKey, wanted: Wanted, at: Moment) -> None:
        """Applies what operators want of a snapshot, demanded or not."""
        before = self._wishes.get(key)
        if before == wanted:
            return
        self._wishes[key] = wanted
        self._apply(key, Operated(wanted), at)
        asked = wanted.refresh_requested
        if wanted.refresh_done:
            self._handled(key)
        elif asked not in {None, self._states[key].refresh_handled, _asked(before)}:
            self._asks.hurry(Task(key.source), at)
        self.writes.write(key, at.mono, publish=False, status=True)

    def withdraw(self, key: SnapshotKey, at: Moment) -> None:
        """Removes the value of a snapshot that policy no longer allows, after its grace time."""
        if key in self._states:
            self._apply(key, Withdrawn(), at)

    def tombstone(self, key: SnapshotKey, at: Moment) -> None:
        """Publishes that nothing is served, where nothing was by this process."""
        if key in self._states:
            self._apply(key, Tombstoned(), at)

    def republish(self, key: SnapshotKey, at: Moment) -> None:
        """Asks for the snapshot's keys to be written again as they should be."""
        if key in self._states:
            self.writes.write(key, at.mono, publish=True, status=False)

    def forget(self, key: SnapshotKey, at: Moment) -> None:
        """Drops the state of a snapshot that is not demanded, after its objects were deleted. Its
        age goes with the next report.
        """
        if key in self._demanded or self._states.pop(key, None) is None:
            return
        self._held.discard(key)
        self._wishes.pop(key, None)
        self._received.pop(key, None)
        self._names[key.namespace].pop(key.source.snapshot)
        self.writes.report(key.namespace, at.mono, within_s=FORGOTTEN_S)

    def rewind(self, seconds: float, at: Moment) -> None:
        """The wall clock was set back: no age shrinks by it."""
        for key in self._states:
            self._apply(key, Rewound(seconds), at)

    def tick(self, at: Moment) -> None:
        """Serves what was held long enough."""
        for key in [key for key in self._held if self._held_until(key) <= at.wall]:
            self._weigh(key, at)

    def ticks_at(self, at: Moment) -> float:
        """When to tick next, in monotonic seconds; infinity: not before something happens."""
        until = min(map(self._held_until, self._held), default=float("inf"))
        return at.mono + max(0.0, until - at.wall)

    def pick(self, account: str, at: Moment) -> Work | None:
        """The next fetch of an account, already paid; None: nothing is due, or the budget is."""
        schedule = self._asks.schedule(account)
        if schedule is None:
            return None
        work = schedule.pick(at.mono, at.wall)
        for task in schedule.take_put_off():
            self._unaffordable(task, at)
        if work is not None:
            self._asks.begun(work)
        elif schedule.waits_for_budget(at.mono):
            self._observer.exhausted(account)
        return work

    def smallest_bursts(self) -> dict[str, int]:
        """By account whose burst is too small for some source: one that is enough for all."""
        return self._asks.smallest_bursts()

    def next_at(self, account: str, at: Moment) -> float:
        """When to pick next, in monotonic seconds; infinity: not before something happens."""
        schedule = self._asks.schedule(account)
        return float("inf") if schedule is None else schedule.next_at(at.mono)

    def requests(self, work: Work) -> list[FetchRequest]:
        """What to ask for this work."""
        return [self._request(task) for task in work.tasks]

    def finish(self, account: str, work: Work, fetched: Fetched, at: Moment) -> None:
        """Takes the results of one fetch, in the order of the work's tasks."""
        results = self._asks.settle(account, work, fetched, at)
        for task, result in zip(work.tasks, results, strict=True):
            self._finish(task, result, at)

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

    def _newly_demanded(self, key: SnapshotKey, item: Demanded, at: Moment) -> None:
        if key not in self._states:
            self._remember(key, SnapshotState())
        task = Task(key.source)
        known_before = self._asks.get(task)
        known = self._asks.add(task, key, Asked(due_at=at.mono))
        if item.wanted is not None:
            self.operate(key, item.wanted, at)
        self._pin(key, at)
        self._weigh(key, at)
        if known_before is None or not self._share(key, item, at):
            due_at = at.mono + self._first_wait_s(key, item, at)
            due_at = max(at.mono, interval.on_slot(due_at, item.rules.refresh_s))
            if known_before is None and not known.urgent:
                known.due_at = due_at
            known.due_at = min(known.due_at, due_at)
        self._asks.put(task)
        if self._states[key].serving is not None:
            self._aged(key.namespace, at)

    def _first_wait_s(self, key: SnapshotKey, item: Demanded, at: Moment) -> float:
        state, rules = self._states[key], item.rules
        age = age_s(state.last_success, at.wall)
        if state.restored is not None or state.served is None:
            age = None
        return interval.spread_s(rules.refresh_s, rules.budget_s, age, self._draw())

    def _demanded_otherwise(
        self, key: SnapshotKey, before: Demanded, item: Demanded, at: Moment
    ) -> None:
        task = Task(key.source)
        if item.wanted is not None:
            self.operate(key, item.wanted, at)
        if before.properties != item.properties:
            self.writes.write(key, at.mono, publish=True, status=False)
        if (before.checks, before.whole) != (item.checks, item.whole):
            self._apply(key, Rechecked(), at)
            self._asks.hurry(task, at)
        self._weigh(key, at)
        known = self._asks.get(task)
        if known is not None and item.rules.refresh_s < before.rules.refresh_s:
            soonest_s = interval.interval_s(item.rules.refresh_s, self._draw())
            soonest_at = interval.on_slot(at.mono + soonest_s, item.rules.refresh_s)
            known.due_at = min(known.due_at, soonest_at)
        self._asks.put(task)

    def _share(self, key: SnapshotKey, item: Demanded, at: Moment) -> bool:
        """Gives a newly demanding namespace what another was given by the provider, if that is
        fresh by its rules.
        """
        known = self._asks.get(Task(key.source))
        if known is None or self._states[key].served is not None:
            return False
        for other in known.keys.values():
            state = self._states[other]
            age = age_s(state.answered_at, at.wall)
            if age is None or age > item.rules.budget_s or state.current is None:
                continue
            kept = versions.held(state, state.current)
            if kept is None or versions.is_rejected(state, kept.identity):
                continue
            if self._received.get(other) != kept.identity:
                continue
            material = Material(
                version=kept.version, value=kept.value, incarnation=kept.incarnation
            )
            event = judge.arrived(self._states[key], item, material, answered_at=state.answered_at)
            self._apply(key, event, at)
            self._receive(key, material)
            return self._states[key].served is not None
        return False

    def _finish(self, task: Task, result: FetchResult, at: Moment) -> None:
        known = self._asks.get(task)
        if known is None:
            return
        asked = known.urgent
        self._asks.replan(task, known, result, at)
        if not isinstance(result, Alone | Again):
            self._observe(task, result)
            for key in list(known.keys.values()):
                self._apply(key, self._event(key, task, result), at)
                if isinstance(result, Material) and not task.by_name:
                    self._receive(key, result)
                if not known.urgent and not task.by_name:
                    self._handled(key)
                if asked:  # what somebody removed from the sink comes back
                    self.writes.write(key, at.mono, publish=True, status=True)
        if self._asks.get(task) is known:
            self._asks.put(task)

    def _unaffordable(self, task: Task, at: Moment) -> None:
        reason = FetchFailure.BUDGET_TOO_SMALL
        self._observer.refreshed(task, reason, "burst")
        known = self._asks.get(task)
        for key in [] if known is None else list(known.keys.values()):
            self._apply(key, FetchFailed(reason=reason, current=not task.by_name), at)

    def _handled(self, key: SnapshotKey) -> None:
        """Notes that what operators asked for, as known so far, has been answered."""
        wanted = self._wishes.get(key)
        if wanted is not None and wanted.refresh_requested is not None:
            state = replace(self._states[key], refresh_handled=wanted.refresh_requested)
            self._states[key] = state

    def _receive(self, key: SnapshotKey, material: Material) -> None:
        """Notes whether what is held under this version is what came."""
        kept = versions.same(self._states[key], material)
        if kept is not None and kept.value == material.value:
            self._received[key] = kept.identity
        else:
            self._received.pop(key, None)

    def _observe(self, task: Task, result: Material | NotModified | Failed) -> None:
        if isinstance(result, Failed):
            self._observer.refreshed(task, result.reason, result.code)
        else:
            code = "fetched" if isinstance(result, Material) else "unchanged"
            self._observer.refreshed(task, None, code)

    def _event(
        self, key: SnapshotKey, task: Task, result: Material | NotModified | Failed
    ) -> Event:
        if isinstance(result, Failed):
            return FetchFailed(reason=result.reason, current=not task.by_name)
        if isinstance(result, NotModified):
            return Unchanged(result.version, result.incarnation)
        return judge.arrived(
            self._states[key], self._demanded[key], result, current=not task.by_name
        )

    def _apply(self, key: SnapshotKey, event: Event, at: Moment) -> None:
        before = self._states.get(key) or SnapshotState()
        state, effects = step(before, event, at.wall)
        self._remember(key, state)
        for effect in effects:
            if isinstance(effect, Alarm):
                self._observer.alarmed(key, effect)
            elif isinstance(effect, Publish):
                self.writes.write(key, at.mono, publish=True, status=True)
            elif isinstance(effect, Report):
                self.writes.write(key, at.mono, publish=False, status=True)
                self.writes.report(key.namespace, at.mono, within_s=0.0)
        if state.last_success != before.last_success:
            self._aged(key.namespace, at)
        if key in self._demanded:
            self._pin(key, at)

    def _weigh(self, key: SnapshotKey, at: Moment) -> None:
        """Compares a held version again, with who uses what it lacks now."""
        event = judge.weighed(self._states[key], self._demanded[key])
        if event is not None:
            self._apply(key, event, at)

    def _held_until(self, key: SnapshotKey) -> float:
        until = self._states[key].held_until
        return float("inf") if until is None or key not in self._demanded else until

    def _aged(self, namespace: str, at: Moment) -> None:
        """An age moved: it is written with the next report, within a quarter of the budget."""
        if self.writes.has_report(namespace):
            return
        budgets_s = [
            self._demanded[key].rules.budget_s
            for key in self._names[namespace].values()
            if key in self._demanded
        ]
        self.writes.report(namespace, at.mono, within_s=min(budgets_s, default=0.0) / 4)

    def _remember(self, key: SnapshotKey, state: SnapshotState) -> None:
        if key not in self._states:
            self._names.setdefault(key.namespace, {})[key.source.snapshot] = key
        self._states[key] = state
        (self._held.discard if state.held_until is None else self._held.add)(key)

    def _pin(self, key: SnapshotKey, at: Moment) -> None:
        """Asks for a pinned version by name while it is missing, and no longer."""
        version = versions.missing_pin(self._states[key])
        task = None if version is None else Task(key.source, version)
        if task == self._pins.get(key):
            return
        self._unpin(key)
        if task is not None:
            self._pins[key] = task
            self._asks.add(task, key, Asked(urgent=True, alone=True, due_at=at.mono))
            self._asks.put(task)

    def _unpin(self, key: SnapshotKey) -> None:
        task = self._pins.pop(key, None)
        if task is not None:
            self._asks.drop(task, key)

    def _request(self, task: Task) -> FetchRequest:
        reference = task.source.reference
        if task.by_name:
            return FetchRequest(reference=reference, version=task.version)
        known = self._asks.get(task)
        keys = () if known is None else known.keys.values()
        held = {known_version(self._states[key]) for key in keys}
        version = held.pop() if len(held) == 1 else None
        if version is None:
            return FetchRequest(reference=reference)
        return FetchRequest(
            reference=reference,
            known_version=version.version,
            known_incarnation=version.incarnation,
        )


def _asked(wanted: Wanted | None) -> float | None:
    return None if wanted is None else wanted.refresh_requested

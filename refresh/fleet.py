"""All snapshots and what is asked for them, without I/O: the engine's decisions as plain calls.

Every method takes the time; nothing blocks, sleeps or draws by itself. The engine, the simulation
in bench and the tests drive this in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from contract.freshness import age_s
from contract.reasons import FetchFailure
from refresh import backoff, snapshot_data, validate, versions
from refresh.model import SnapshotState, Task
from refresh.outbox import Outbox
from refresh.schedule import FIRST, Plan, Schedule
from refresh.sources.protocol import Alone, Failed, FetchRequest, Material, NotModified
from refresh.step import (
    Alarm,
    Arrived,
    FetchFailed,
    Operated,
    Publish,
    Rechecked,
    Report,
    Rewound,
    Unchanged,
    Withdrawn,
    known_version,
    step,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contract.ages import Entry
    from contract.secret_bytes import SecretBytes
    from refresh.budget import Budget
    from refresh.lane import Kind
    from refresh.model import Demanded, Kept, SnapshotKey, SourceKey, Wanted
    from refresh.observer import Observer
    from refresh.schedule import Work
    from refresh.sources.protocol import Fetched, FetchResult, Source
    from refresh.step import Event

    Sources = Callable[[str, str, str], Source]
    """The source for an account, an identity and a provider, opened once and kept."""

REFUSALS = frozenset({FetchFailure.ABSENT, FetchFailure.DENIED})
"""After one of these a source leaves the lane of those never synced."""


class Moment(NamedTuple):
    """Now, on both clocks."""

    wall: float
    """Seconds since the epoch: ages."""
    mono: float
    """Monotonic seconds: waits and budgets."""


@dataclass(slots=True)
class _Task:
    """What is known of one thing to ask, beyond its plan."""

    keys: dict[str, SnapshotKey] = field(default_factory=dict)
    """Who demands it, by namespace."""
    failures: int = 0
    refused: bool = False
    """Whether it was absent or denied since it last answered."""
    alone: bool = False
    urgent: bool = False
    due_at: float = 0.0


class Fleet:
    """The snapshots of all namespaces."""

    def __init__(
        self, *, cluster: str, sources: Sources, draw: Callable[[], float], observer: Observer
    ) -> None:
        self.outbox = Outbox()
        self._cluster = cluster
        self._sources = sources
        self._draw = draw
        self._observer = observer
        self._states: dict[SnapshotKey, SnapshotState] = {}
        self._names: dict[str, dict[str, SnapshotKey]] = {}
        self._demanded: dict[SnapshotKey, Demanded] = {}
        self._wishes: dict[SnapshotKey, Wanted] = {}
        self._pins: dict[SnapshotKey, Task] = {}
        self._tasks: dict[Task, _Task] = {}
        self._schedules: dict[str, Schedule] = {}

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a budget."""
        return tuple(self._schedules)

    def state(self, key: SnapshotKey) -> SnapshotState | None:
        """What is known of a snapshot; None: nothing was ever."""
        return self._states.get(key)

    def states(self) -> Mapping[SnapshotKey, SnapshotState]:
        """All that is known; not to be changed."""
        return self._states

    def govern(self, budgets: Mapping[str, Budget], at: Moment) -> None:
        """Sets which accounts may be called, and how much. The whole; what is not in it rests."""
        for account in set(self._schedules) - set(budgets):
            del self._schedules[account]
        for account, budget in budgets.items():
            schedule = self._schedules.get(account)
            if schedule is None:
                self._schedules[account] = Schedule(
                    budget,
                    at.mono,
                    most_calls=self._most_calls(account),
                    batch_limit=self._limit(account),
                )
                for task in self._tasks:
                    if task.source.account == account:
                        self._put(task)
            elif schedule.bucket.budget != budget:
                schedule.bucket.change(budget, at.mono)

    def restore(
        self,
        key: SnapshotKey,
        snapshot: Mapping[str, bytes],
        history: Mapping[str, bytes],
        entry: Entry | None,
        at: Moment,
    ) -> None:
        """Takes over what was published before a restart, before it is demanded; or a WireError."""
        state = snapshot_data.restored(
            key, snapshot, history, entry, cluster=self._cluster, now=at.wall
        )
        self._remember(key, state)

    def demand(self, demanded: Iterable[Demanded], at: Moment) -> None:
        """Sets what is to be kept fresh. The whole; what is not in it is kept, not refreshed."""
        wanted = {item.key: item for item in demanded}
        for key in [key for key in self._demanded if key not in wanted]:
            del self._demanded[key]
            self._unpin(key)
            self._undemand(Task(key.source), key)
        for key, item in wanted.items():
            before = self._demanded.get(key)
            if before == item:
                continue
            self._demanded[key] = item
            if before is None:
                self._newly_demanded(key, item, at)
            else:
                self._demanded_otherwise(key, before, item, at)

    def operate(self, key: SnapshotKey, wanted: Wanted, at: Moment) -> None:
        """Applies what operators want of a snapshot, demanded or not."""
        before = self._wishes.get(key)
        if before == wanted:
            return
        self._wishes[key] = wanted
        self._apply(key, Operated(wanted), at)
        asked = wanted.refresh_requested
        if asked is not None and (before is None or asked != before.refresh_requested):
            last = self._states[key].last_attempt
            if last is None or last < asked:
                self._hurry(Task(key.source), at)
        self.outbox.write(key, at.mono, publish=False, status=True)

    def withdraw(self, key: SnapshotKey, at: Moment) -> None:
        """Removes the value of a snapshot that policy no longer allows, after its grace time."""
        if key in self._states:
            self._apply(key, Withdrawn(), at)

    def forget(self, key: SnapshotKey) -> None:
        """Drops the state of a snapshot that is not demanded, after its objects were deleted."""
        if key not in self._demanded:
            self._states.pop(key, None)
            self._wishes.pop(key, None)
            self._names.get(key.namespace, {}).pop(key.source.snapshot, None)

    def rewind(self, seconds: float, at: Moment) -> None:
        """The wall clock was set back: no age shrinks by it."""
        for key in self._states:
            self._apply(key, Rewound(seconds), at)

    def pick(self, account: str, at: Moment) -> Work | None:
        """The next fetch of an account, already paid; None: nothing is due, or the budget is."""
        schedule = self._schedules.get(account)
        return None if schedule is None else schedule.pick(at.mono, at.wall)

    def next_at(self, account: str, at: Moment) -> float:
        """When to pick next, in monotonic seconds; infinity: not before something happens."""
        schedule = self._schedules.get(account)
        return float("inf") if schedule is None else schedule.next_at(at.mono)

    def requests(self, work: Work) -> list[FetchRequest]:
        """What to ask for this work."""
        return [self._request(task) for task in work.tasks]

    def finish(self, account: str, work: Work, fetched: Fetched, at: Moment) -> None:
        """Takes the results of one fetch, in the order of the work's tasks."""
        results = [_alone_no_more(result, work) for result in fetched.results]
        schedule = self._schedules.get(account)
        if schedule is not None:
            schedule.done(
                work,
                fetched.calls,
                [_outcome(result) for result in results if not isinstance(result, Alone)],
                at.mono,
                self._draw(),
                asked_s=_asked_s(results),
            )
        for task, result in zip(work.tasks, results, strict=True):
            self._finish(task, result, at)

    def publication(
        self, key: SnapshotKey
    ) -> tuple[dict[str, bytes | SecretBytes], dict[str, bytes | SecretBytes]] | None:
        """The keys of the snapshot and of its history as they should be; None: never synced."""
        state = self._states[key]
        if state.serving is None:
            return None
        item = self._demanded.get(key)
        properties = frozenset[str]() if item is None else item.properties
        return (
            snapshot_data.data(key, state, properties, self._cluster),
            snapshot_data.history_data(state),
        )

    def entries(self, namespace: str) -> dict[str, Entry]:
        """The freshness entries of a namespace, by the snapshot's name."""
        return {
            name: snapshot_data.entry(self._states[key])
            for name, key in self._names.get(namespace, {}).items()
        }

    def _newly_demanded(self, key: SnapshotKey, item: Demanded, at: Moment) -> None:
        state = self._states.get(key)
        known = self._tasks.get(Task(key.source))
        if state is None:
            state = self._remember(key, SnapshotState())
        if item.wanted is not None:
            self.operate(key, item.wanted, at)
        task = self._tasks.setdefault(Task(key.source), _Task(due_at=at.mono))
        task.keys[key.namespace] = key
        if known is not None and self._share(key, item, at):
            self._put(Task(key.source))
            return
        state = self._states[key]
        age = age_s(state.last_success, at.wall)
        if state.restored is not None or state.served is None:
            age = None
        rules = item.rules
        wait_s = backoff.spread_s(rules.refresh_s, rules.budget_s, age, self._draw())
        due_at = at.mono + wait_s
        task.due_at = due_at if known is None else min(task.due_at, due_at)
        self._put(Task(key.source))
        self._pin(key, at)
        if state.serving is not None:
            self._aged(key.namespace, at)

    def _demanded_otherwise(
        self, key: SnapshotKey, before: Demanded, item: Demanded, at: Moment
    ) -> None:
        if item.wanted is not None:
            self.operate(key, item.wanted, at)
        if before.properties != item.properties:
            self.outbox.write(key, at.mono, publish=True, status=False)
        if (before.checks, before.whole) != (item.checks, item.whole):
            self._apply(key, Rechecked(), at)
            self._hurry(Task(key.source), at)
        task = self._tasks[Task(key.source)]
        if item.rules.refresh_s < before.rules.refresh_s:
            soonest = backoff.interval_s(item.rules.refresh_s, self._draw())
            task.due_at = min(task.due_at, at.mono + soonest)
        self._put(Task(key.source))

    def _share(self, key: SnapshotKey, item: Demanded, at: Moment) -> bool:
        """Gives a newly demanding namespace what another holds, if that is fresh by its rules."""
        if self._states[key].served is not None:
            return False
        for other in self._tasks[Task(key.source)].keys.values():
            state = self._states[other]
            age = age_s(state.answered_at, at.wall)
            if other == key or age is None or age > item.rules.budget_s or state.restored:
                continue
            kept = None if state.latest is None else versions.held(state, state.latest)
            if kept is not None and not versions.is_rejected(state, kept.version):
                self._apply(key, self._shared(key, kept, state.answered_at), at)
                return self._states[key].served is not None
        return False

    def _shared(self, key: SnapshotKey, kept: Kept, answered_at: float | None) -> Event:
        material = Material(version=kept.version, value=kept.value)
        return self._checked(key, material, current=True, answered_at=answered_at)

    def _finish(self, task: Task, result: FetchResult, at: Moment) -> None:
        known = self._tasks.get(task)
        if known is None:
            return
        if isinstance(result, Alone):
            known.alone, known.due_at = True, at.mono
            self._put(task)
            return
        self._observe(task, result)
        asked = known.urgent
        self._replan(task, known, result, at)
        for key in list(known.keys.values()):
            self._apply(key, self._event(key, task, result), at)
            if asked:
                self.outbox.write(key, at.mono, publish=False, status=True)
        if task in self._tasks:
            self._put(task)

    def _replan(self, task: Task, known: _Task, result: FetchResult, at: Moment) -> None:
        known.urgent = False
        refresh_s = min(self._demanded[key].rules.refresh_s for key in known.keys.values())
        if isinstance(result, Failed):
            known.failures += 1
            known.refused |= result.reason in REFUSALS
            cap_s = min(backoff.CAP_S, refresh_s)
            wait_s = backoff.delay_s(
                known.failures, self._draw(), cap_s=cap_s, asked_s=result.delay_s
            )
        else:
            known.failures, known.refused, known.alone = 0, False, False
            wait_s = backoff.interval_s(refresh_s, self._draw())
        known.due_at = at.mono + wait_s

    def _observe(self, task: Task, result: FetchResult) -> None:
        if isinstance(result, Failed):
            self._observer.refreshed(task, result.reason, result.code)
        else:
            code = "fetched" if isinstance(result, Material) else "unchanged"
            self._observer.refreshed(task, None, code)

    def _event(self, key: SnapshotKey, task: Task, result: FetchResult) -> Event:
        current = not task.by_name
        if isinstance(result, Material):
            return self._checked(key, result, current=current)
        if isinstance(result, NotModified):
            return Unchanged(result.version)
        if isinstance(result, Failed):
            return FetchFailed(reason=result.reason, current=current)
        raise AssertionError("unreachable")

    def _checked(
        self,
        key: SnapshotKey,
        material: Material,
        *,
        current: bool,
        answered_at: float | None = None,
    ) -> Arrived:
        """The event of a value, with the verdict of this snapshot's own checks."""
        item, state = self._demanded[key], self._states[key]
        served = state.served
        if (
            served is not None
            and (served.version, served.value)
            == (
                material.version,
                material.value,
            )
            and not versions.is_rejected(state, served.version)
            and state.latest is not None
        ):
            return Arrived(material=material, current=current, answered_at=answered_at)
        if served is None:
            object_needed = bool(item.properties) and not item.whole
        else:
            object_needed = bool(item.properties) and validate.is_object(served.value)
        return Arrived(
            material=material,
            rejection=validate.check(
                material.value, item.checks, item.properties, object_needed=object_needed
            ),
            suspicion=None if served is None else validate.suspicion(served.value, material.value),
            current=current,
            answered_at=answered_at,
        )

    def _apply(self, key: SnapshotKey, event: Event, at: Moment) -> None:
        before = self._states.get(key) or SnapshotState()
        state, effects = step(before, event, at.wall)
        self._remember(key, state)
        for effect in effects:
            if isinstance(effect, Alarm):
                self._observer.alarmed(key, effect)
            elif isinstance(effect, Publish):
                self.outbox.write(key, at.mono, publish=True, status=True)
            elif isinstance(effect, Report):
                self.outbox.write(key, at.mono, publish=False, status=True)
                self.outbox.report(key.namespace, at.mono, within_s=0.0)
        if state.last_success != before.last_success:
            self._aged(key.namespace, at)
        self._pin(key, at)

    def _aged(self, namespace: str, at: Moment) -> None:
        smallest = min(
            self._demanded[key].rules.budget_s
            for key in self._names[namespace].values()
            if key in self._demanded
        )
        self.outbox.report(namespace, at.mono, within_s=smallest / 4)

    def _remember(self, key: SnapshotKey, state: SnapshotState) -> SnapshotState:
        if key not in self._states:
            self._names.setdefault(key.namespace, {})[key.source.snapshot] = key
        self._states[key] = state
        return state

    def _hurry(self, task: Task, at: Moment) -> None:
        known = self._tasks.get(task)
        if known is not None:
            known.urgent, known.due_at = True, at.mono
            self._put(task)

    def _pin(self, key: SnapshotKey, at: Moment) -> None:
        """Asks for a pinned version by name while it is missing, and no longer."""
        version = versions.missing_pin(self._states[key]) if key in self._demanded else None
        task = None if version is None else Task(key.source, version)
        if task == self._pins.get(key):
            return
        self._unpin(key)
        if task is not None:
            self._pins[key] = task
            known = self._tasks.setdefault(task, _Task(urgent=True, alone=True, due_at=at.mono))
            known.keys[key.namespace] = key
            self._put(task)

    def _unpin(self, key: SnapshotKey) -> None:
        task = self._pins.pop(key, None)
        if task is not None:
            self._undemand(task, key)

    def _undemand(self, task: Task, key: SnapshotKey) -> None:
        known = self._tasks[task]
        del known.keys[key.namespace]
        if known.keys:
            self._put(task)
            return
        del self._tasks[task]
        schedule = self._schedules.get(task.source.account)
        if schedule is not None:
            schedule.remove(task)

    def _put(self, task: Task) -> None:
        schedule = self._schedules.get(task.source.account)
        if schedule is None:
            return
        known = self._tasks[task]
        states = [self._states[key] for key in known.keys.values()]
        synced = any(state.serving is not None for state in states)
        plan = Plan(
            due_at=known.due_at,
            namespaces={
                namespace: self._demanded[key].rules.budget_s
                for namespace, key in known.keys.items()
            },
            since=FIRST if known.urgent else min(map(_since, states)),
            new=not (synced or known.refused or known.urgent or task.by_name),
            alone=known.alone,
        )
        schedule.put(task, plan)

    def _request(self, task: Task) -> FetchRequest:
        if task.by_name:
            return FetchRequest(reference=task.source.reference, version=task.version)
        known = self._tasks.get(task)
        keys = () if known is None else known.keys.values()
        held = {known_version(self._states[key]) for key in keys}
        version = held.pop() if len(held) == 1 else None
        return FetchRequest(reference=task.source.reference, known_version=version)

    def _most_calls(self, account: str) -> Callable[[Kind, tuple[Task, ...]], int]:
        def most_calls(kind: Kind, tasks: tuple[Task, ...]) -> int:
            source = self._sources(account, kind.identity, kind.provider)
            return source.most_calls([self._request(task) for task in tasks])

        return most_calls

    def _limit(self, account: str) -> Callable[[Kind], int]:
        def limit(kind: Kind) -> int:
            return self._sources(account, kind.identity, kind.provider).batch_limit

        return limit


def _since(state: SnapshotState) -> float:
    """The last success that orders a task; one that was never served waits from its last try."""
    if state.served is None:
        return state.last_attempt or 0.0
    if state.restored is not None or state.last_success is None:
        return FIRST
    return state.last_success


def _alone_no_more(result: FetchResult, work: Work) -> FetchResult:
    """A source that was asked singly can't be asked more singly than that."""
    if isinstance(result, Alone) and len(work.tasks) == 1:
        return Failed(reason=FetchFailure.UNAVAILABLE, code="no-answer")
    return result


def _outcome(result: FetchResult) -> FetchFailure | None:
    return result.reason if isinstance(result, Failed) else None


def _asked_s(results: Iterable[FetchResult]) -> float | None:
    """The longest rest that the provider asked for, if all items of the fetch were refused."""
    delays = [result.delay_s if isinstance(result, Failed) else None for result in results]
    known = [delay for delay in delays if delay is not None]
    return max(known) if known and len(known) == len(delays) else None

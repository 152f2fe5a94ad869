"""What is asked of providers for all snapshots, and when, without I/O: the engine's decisions as
plain calls. What is known of each snapshot is in `states`.

Every method takes the time; nothing blocks, sleeps or draws by itself. The engine, the simulation
in bench and the tests drive this in the same way. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contract.freshness import age_s
from contract.reasons import FetchFailure
from providers.protocol import Again, Alone, Failed, FetchRequest, Material, NotModified
from refresh import arrivals, interval, naming, versions
from refresh.fetch_tasks import FetchTask, FetchTasks
from refresh.model import SnapshotState, Task
from refresh.snapshot_states import States
from refresh.step import known_version
from refresh.step_events import (
    FetchFailed,
    Operated,
    Rechecked,
    Unchanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contract.ages import Entry
    from providers.protocol import Fetched, FetchResult
    from refresh.account_queue import Work
    from refresh.budget import RateLimit
    from refresh.fetch_tasks import OpenSource
    from refresh.model import Demanded, Identity, Moment, OperatorSpec, SnapshotKey
    from refresh.observer import Observer
    from refresh.sink import Publication
    from refresh.step_events import StepEvent


class SnapshotManager:
    """The snapshots of all namespaces."""

    def __init__(
        self, *, cluster: str, sources: OpenSource, draw: Callable[[], float], observer: Observer
    ) -> None:
        self._draw = draw
        self._observer = observer
        self._demanded: dict[SnapshotKey, Demanded] = {}
        self.states = States(
            cluster=cluster, observer=observer, demanded=self._demanded, stepped=self._pin
        )
        self._received: dict[SnapshotKey, Identity] = {}
        """The version whose bytes came from the provider to this process, or were compared with
        those. What was only restored is not in it: a Secret can be changed while nothing of ours
        guards it, and its namespace's bytes must not become another's."""
        self._operator_specs: dict[SnapshotKey, OperatorSpec] = {}
        self._pins: dict[SnapshotKey, Task] = {}
        self._fetch_tasks = FetchTasks(
            sources=sources,
            request=self._request,
            states=self.states.all,
            demanded=self._demanded,
            draw=draw,
        )

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a budget."""
        return self._fetch_tasks.accounts

    def govern(self, budgets: Mapping[str, RateLimit], at: Moment) -> None:
        """Sets which accounts may be called, and how much. The whole; what is not in it rests."""
        self._fetch_tasks.govern(budgets, at)

    def restore(
        self, key: SnapshotKey, written: Publication, entry: Entry | None, at: Moment
    ) -> None:
        """Takes over what was published before a restart, before it is demanded; or a WireError."""
        self._received.pop(key, None)
        self.states.restore(key, written, entry, at)

    def forget(self, key: SnapshotKey, at: Moment) -> None:
        """Drops the state of a snapshot that is not demanded, after its objects were deleted."""
        if self.states.forget(key, at):
            self._operator_specs.pop(key, None)
            self._received.pop(key, None)

    def demand(self, demanded: Iterable[Demanded], at: Moment) -> None:
        """Sets what is to be kept fresh. The whole; what is not in it is kept, not refreshed."""
        wanted = {item.key: item for item in demanded}
        for key in [key for key in self._demanded if key not in wanted]:
            self._unpin(key)
            self._fetch_tasks.drop(Task(key.source), key)
            del self._demanded[key]
        for key, item in wanted.items():
            before = self._demanded.get(key)
            self._demanded[key] = item
            if before is None:
                self._newly_demanded(key, item, at)
            elif before != item:
                self._demanded_otherwise(key, before, item, at)

    def operate(self, key: SnapshotKey, wanted: OperatorSpec, at: Moment) -> None:
        """Applies what operators want of a snapshot, demanded or not."""
        before = self._operator_specs.get(key)
        if before == wanted:
            return
        self._operator_specs[key] = wanted
        self.states.apply(key, Operated(wanted), at)
        asked = wanted.refresh_requested
        if wanted.refresh_done:
            self._handled(key)
        elif asked not in {None, self.states.all[key].refresh_handled, _asked(before)}:
            self._fetch_tasks.hurry(Task(key.source), at)
        self.states.writes.write(key, at.mono, publish=False, status=True)

    def changed(self, scheme: str, reference: str, at: Moment) -> None:
        """Fetches a source soon, because something about it changed."""
        self._fetch_tasks.soon(scheme, reference, at)

    def pick(self, account: str, at: Moment) -> Work | None:
        """The next fetch of an account, already paid; None: nothing is due, or the budget is."""
        account_queue = self._fetch_tasks.account_queue(account)
        if account_queue is None:
            return None
        work = account_queue.pick(at.mono, at.wall)
        for task in account_queue.take_put_off():
            self._unaffordable(task, at)
        if work is not None:
            self._fetch_tasks.begun(work, at)
        elif account_queue.waits_for_budget(at.mono):
            self._observer.exhausted(account)
        return work

    def smallest_bursts(self) -> dict[str, int]:
        """By account whose burst is too small for some source: one that is enough for all."""
        return self._fetch_tasks.smallest_bursts()

    def open_breakers(self) -> frozenset[str]:
        """The accounts whose breaker is open."""
        return self._fetch_tasks.open_breakers()

    def next_at(self, account: str, at: Moment) -> float:
        """When to pick next, in monotonic seconds; infinity: not before something happens."""
        account_queue = self._fetch_tasks.account_queue(account)
        return float("inf") if account_queue is None else account_queue.next_at(at.mono)

    def requests(self, work: Work) -> list[FetchRequest]:
        """What to ask for this work."""
        return [self._request(task) for task in work.tasks]

    def finish(self, account: str, work: Work, fetched: Fetched, at: Moment) -> None:
        """Takes the results of one fetch, in the order of the work's tasks."""
        results = self._fetch_tasks.settle(account, work, fetched, at)
        for task, result in zip(work.tasks, results, strict=True):
            self._finish(task, result, min(work.asked_at, at.wall), at)

    def _newly_demanded(self, key: SnapshotKey, item: Demanded, at: Moment) -> None:
        if key not in self.states.all:
            self.states.remember(key, SnapshotState())
        task = Task(key.source)
        known_before = self._fetch_tasks.get(task)
        known = self._fetch_tasks.add(task, key, FetchTask(due_at=at.mono))
        if item.wanted is not None:
            self.operate(key, item.wanted, at)
        self._pin(key, at)
        self.states.weigh(key, at)
        if known_before is None or not self._share(key, item, at):
            due_at = at.mono + self._first_wait_s(key, item, at)
            due_at = max(at.mono, interval.on_slot(due_at, item.rules.refresh_s))
            if known_before is None and not known.urgent:
                known.due_at = due_at
            known.due_at = min(known.due_at, due_at)
        self._fetch_tasks.put(task)
        if self.states.all[key].serving is not None:
            self.states.aged(key.namespace, at)

    def _first_wait_s(self, key: SnapshotKey, item: Demanded, at: Moment) -> float:
        state, rules = self.states.all[key], item.rules
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
            self.states.writes.write(key, at.mono, publish=True, status=False)
        if (before.checks, before.whole) != (item.checks, item.whole):
            self.states.apply(key, Rechecked(), at)
            self._fetch_tasks.hurry(task, at)
        self.states.weigh(key, at)
        known = self._fetch_tasks.get(task)
        if known is not None and item.rules.refresh_s < before.rules.refresh_s:
            soonest_s = interval.interval_s(item.rules.refresh_s, self._draw())
            soonest_at = interval.on_slot(at.mono + soonest_s, item.rules.refresh_s)
            known.due_at = min(known.due_at, soonest_at)
        self._fetch_tasks.put(task)

    def _share(self, key: SnapshotKey, item: Demanded, at: Moment) -> bool:
        """Gives a newly demanding namespace what another was given by the provider, if that is
        fresh by its rules.
        """
        known = self._fetch_tasks.get(Task(key.source))
        if known is None or self.states.all[key].served is not None:
            return False
        for other in known.keys.values():
            state = self.states.all[other]
            age = age_s(state.answered_at, at.wall)
            if age is None or age > item.rules.budget_s or state.current is None:
                continue
            kept = versions.stored(state, state.current)
            if kept is None or versions.is_rejected(state, kept.identity):
                continue
            if self._received.get(other) != kept.identity:
                continue
            material = Material(
                version=kept.version, value=kept.value, incarnation=kept.incarnation
            )
            event = arrivals.arrived(
                self.states.all[key], item, material, answered_at=state.answered_at
            )
            self.states.apply(key, event, at)
            self._receive(key, material)
            return self.states.all[key].served is not None
        return False

    def _finish(self, task: Task, result: FetchResult, asked_at: float, at: Moment) -> None:
        known = self._fetch_tasks.get(task)
        if known is None:
            return
        asked = known.urgent
        self._fetch_tasks.replan(task, known, result, at)
        if not isinstance(result, Alone | Again):
            keys = list(known.keys.values())
            for number, key in enumerate(keys):
                others = (self.states.all[other] for other in keys)
                told = naming.told(self.states.all[key], others, result, at.wall)
                if number == 0:
                    self._observe(task, told)
                self.states.apply(key, self._event(key, task, told, asked_at), at)
                if isinstance(told, Material) and not task.by_name:
                    self._receive(key, told)
                if not known.urgent and not task.by_name:
                    self._handled(key)
                if asked:  # what somebody removed from the sink comes back
                    self.states.writes.write(key, at.mono, publish=True, status=True)
        if self._fetch_tasks.get(task) is known:
            self._fetch_tasks.put(task)

    def _unaffordable(self, task: Task, at: Moment) -> None:
        reason = FetchFailure.BUDGET_TOO_SMALL
        self._observer.refreshed(task, reason, "burst")
        known = self._fetch_tasks.get(task)
        for key in [] if known is None else list(known.keys.values()):
            self.states.apply(key, FetchFailed(reason=reason, current=not task.by_name), at)

    def _handled(self, key: SnapshotKey) -> None:
        """Notes that what operators asked for, as known so far, has been answered."""
        wanted = self._operator_specs.get(key)
        if wanted is not None and wanted.refresh_requested is not None:
            state = self.states.all[key]
            handled = replace(state, refresh_handled=wanted.refresh_requested)
            self.states.remember(key, handled)

    def _receive(self, key: SnapshotKey, material: Material) -> None:
        """Notes whether what is held under this version is what came."""
        kept = versions.same(self.states.all[key], material)
        if kept is not None and kept.value == material.value:
            self._received[key] = kept.identity
        else:
            self._received.pop(key, None)

    def _observe(self, task: Task, result: Material | NotModified | Failed) -> None:
        if isinstance(result, Failed):
            self._observer.refreshed(task, result.reason, result.code)
        elif result.evidence is not None and result.evidence.doubt is not None:
            doubt = result.evidence.doubt
            self._observer.refreshed(task, doubt.reason, doubt.code)
        else:
            code = "fetched" if isinstance(result, Material) else "unchanged"
            self._observer.refreshed(task, None, code)

    def _event(
        self, key: SnapshotKey, task: Task, result: Material | NotModified | Failed, asked_at: float
    ) -> StepEvent:
        if isinstance(result, Failed):
            return FetchFailed(
                reason=result.reason,
                current=not task.by_name,
                code=result.code,
                what_to_do=result.what_to_do,
            )
        if isinstance(result, NotModified):
            return Unchanged(
                result.version, result.incarnation, result.evidence, result.warning, asked_at
            )
        return arrivals.arrived(
            self.states.all[key],
            self._demanded[key],
            result,
            current=not task.by_name,
            answered_at=asked_at,
        )

    def _pin(self, key: SnapshotKey, at: Moment) -> None:
        """Asks for a pinned version by name while it is missing, and no longer."""
        version = versions.missing_pin(self.states.all[key])
        task = None if version is None else Task(key.source, version)
        if task == self._pins.get(key):
            return
        self._unpin(key)
        if task is not None:
            self._pins[key] = task
            self._fetch_tasks.add(task, key, FetchTask(urgent=True, alone=True, due_at=at.mono))
            self._fetch_tasks.put(task)

    def _unpin(self, key: SnapshotKey) -> None:
        task = self._pins.pop(key, None)
        if task is not None:
            self._fetch_tasks.drop(task, key)

    def _request(self, task: Task) -> FetchRequest:
        reference = task.source.reference
        if task.by_name:
            return FetchRequest(reference=reference, version=task.version)
        known = self._fetch_tasks.get(task)
        keys = () if known is None else known.keys.values()
        identities = {known_version(self.states.all[key]) for key in keys}
        version = identities.pop() if len(identities) == 1 else None
        if version is None:
            return FetchRequest(reference=reference)
        return FetchRequest(
            reference=reference,
            known_version=version.version,
            known_incarnation=version.incarnation,
        )


def _asked(wanted: OperatorSpec | None) -> float | None:
    return None if wanted is None else wanted.refresh_requested

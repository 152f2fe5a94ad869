"""What one account is asked next: due sources, in fair turns, in batches, within the budget. Pure.

Times are monotonic seconds but for last successes, which are seconds since the epoch. The caller
draws randomness and keeps states; here is only order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from refresh.breaker import Breaker
from refresh.budget import Bucket
from refresh.fair_queue import FairQueue, Ready, WorkKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contract.reasons import FetchFailure
    from refresh.budget import RateLimit
    from refresh.model import Task

UNAFFORDABLE_S = 60.0
"""After so long a task that the burst can't pay for is looked at again."""


class Share(IntEnum):
    """The groups of tasks, each with its weight: while all have work, they share calls in
    proportion; what one does not need the others get.
    """

    REFUSED = 1
    """Never synced, and absent or denied when last asked: it costs others next to nothing."""
    NEW = 4
    """Never synced: at most a quarter beside those that are kept fresh."""
    KEPT = 12
    """Stored, to be kept fresh."""


FIRST = float("-inf")
"""As a last success: goes before all else of its namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """When and how a task is to be fetched next."""

    due_at: float
    namespaces: Mapping[str, float]
    """Who demands it, and each one's freshness budget in seconds (> 0)."""
    since: float
    """Its oldest last success; FIRST: before others."""
    share: Share = Share.KEPT
    alone: bool = False
    """Whether it is asked in a fetch of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One fetch to make now, already paid from the budget."""

    kind: WorkKind
    tasks: tuple[Task, ...]
    payers: tuple[tuple[str, Share], ...]
    """Per task: the namespace in whose turn it was picked, and its share."""
    reserved: int
    """Provider calls paid."""
    asked_at: float
    """When it was begun, in seconds since the epoch: what it answers was true then or later."""


@dataclass(slots=True)
class _Planned:
    plan: QueueEntry
    kind: WorkKind
    generation: int
    in_flight: bool = False


class _Picked(NamedTuple):
    namespace: str
    task: Task
    kind: WorkKind
    share: Share
    """The share it came from."""
    charged: float
    """Calls charged to the namespace so far."""


class AccountQueue:
    """All tasks of one account.

    `most_calls(kind, tasks)` is the largest number of provider calls that one fetch of them can
    make; `batch_limit(kind)` how many tasks one fetch takes.
    """

    def __init__(
        self,
        budget: RateLimit,
        now: float,
        *,
        most_calls: Callable[[WorkKind, tuple[Task, ...]], int],
        batch_limit: Callable[[WorkKind], int],
    ) -> None:
        self.bucket = Bucket(budget, now)
        self.breaker = Breaker()
        self._most_calls = most_calls
        self._batch_limit = batch_limit
        self._items: dict[Task, _Planned] = {}
        self._timers: list[tuple[float, int, Task]] = []
        self._generation = 0
        self._fair_queues = {share: FairQueue(self._is_live) for share in Share}
        self._passed = dict.fromkeys(Share, 0.0)
        """Calls by weight that each share has had; the least goes next (stride scheduling)."""
        self._in_flight = 0
        self._short_of = 1
        self._dear: dict[Task, int] = {}
        """What one fetch of those can take that the whole burst does not pay for."""
        self._put_off: list[Task] = []

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, task: Task) -> bool:
        return task in self._items

    @property
    def smallest_burst(self) -> int | None:
        """The burst that every task would need, where the account's is less; None: it is enough."""
        return max(self._dear.values(), default=None)

    def take_put_off(self) -> list[Task]:
        """The tasks that were put off since the last call, for the burst does not pay for them."""
        taken, self._put_off = self._put_off, []
        return taken

    def change(self, budget: RateLimit, now: float) -> None:
        """Applies another budget; what the burst did not pay for is looked at again."""
        self.bucket.change(budget, now)
        for task in self._dear.keys() & self._items.keys():
            self.put(task, self._items[task].plan)
        self._dear.clear()

    def put(self, task: Task, plan: QueueEntry) -> None:
        """Plans a task, in the place of its former plan; one in flight waits for its `done`."""
        self._generation += 1
        kind = WorkKind(task.source.identity, task.source.scheme, plan.alone or task.by_name)
        item = self._items.get(task)
        if item is None:
            item = self._items[task] = _Planned(plan, kind, self._generation)
        item.plan, item.kind, item.generation = plan, kind, self._generation
        if not item.in_flight:
            heappush(self._timers, (plan.due_at, self._generation, task))

    def remove(self, task: Task) -> None:
        """Forgets a task. A fetch that is in progress is still settled with `done`."""
        self._items.pop(task, None)
        self._dear.pop(task, None)

    def plan(self, task: Task) -> QueueEntry | None:
        """The plan of a task; None: there is no such task."""
        item = self._items.get(task)
        return None if item is None else item.plan

    def pick(self, now: float, wall_now: float) -> Work | None:
        """The next fetch that may be made now, reserved and marked as in progress; None: none."""
        self._ripen(now)
        allowed = self.breaker.allows(now, self._in_flight)
        if allowed == 0 or self.bucket.ready_at(self._short_of, now) > now:
            return None
        picked = self._gather(wall_now, allowed)
        if not picked:
            self._short_of = 1
            return None
        kind = picked[0].kind
        count, reserved = self._fitting(kind, [one.task for one in picked])
        for one in picked[count:]:
            self._put_back(one, now)
        picked = picked[:count]
        if reserved > self.bucket.budget.burst:
            self._put_back(picked[0], now + UNAFFORDABLE_S)
            self._dear[picked[0].task] = reserved
            self._put_off.append(picked[0].task)
            return None
        if not self.bucket.take(reserved, now):
            self._short_of = reserved
            for one in picked:
                self._put_back(one, now)
            return None
        return self._begin(kind, picked, reserved, wall_now)

    def done(
        self,
        work: Work,
        calls: int,
        outcomes: Iterable[FetchFailure | None],
        now: float,
        draw: float,
        *,
        asked_s: float | None = None,
    ) -> None:
        """Settles a fetch that made `calls` provider calls. Its tasks stay as planned until `put`.

        `asked_s`: how long the provider asked to be left alone; None: it did not.
        """
        self.bucket.settle(work.reserved, calls, now)
        self.breaker = self.breaker.after(outcomes, now, draw, asked_s=asked_s)
        self._in_flight -= 1
        excess = (calls - work.reserved) / len(work.tasks)
        for namespace, share in work.payers:
            self._fair_queues[share].charge(namespace, excess)
        for task in work.tasks:
            item = self._items.get(task)
            if item is not None:
                item.in_flight = False
                heappush(self._timers, (item.plan.due_at, item.generation, task))

    def waits_for_budget(self, now: float) -> bool:
        """Whether something is ready that only the budget holds."""
        self._ripen(now)
        return (
            any(self._fair_queues.values())
            and self.breaker.until is None
            and self.bucket.ready_at(self._short_of, now) > now
        )

    def next_at(self, now: float) -> float:
        """When `pick` may next answer; infinity: not before something else happens."""
        self._ripen(now)
        if not any(self._fair_queues.values()):
            return self._timers[0][0] if self._timers else float("inf")
        if self.breaker.until is not None:
            if self._in_flight:
                return float("inf")
            return max(self.breaker.until, self.bucket.ready_at(self._short_of, now))
        return self.bucket.ready_at(self._short_of, now)

    def _ripen(self, now: float) -> None:
        """Moves what is due from the timers to the shares."""
        while self._timers:
            due_at, generation, task = self._timers[0]
            item = self._items.get(task)
            if item is None or item.generation != generation or item.in_flight:
                heappop(self._timers)
            elif due_at <= now:
                heappop(self._timers)
                self._make_ready(task, item)
            else:
                return

    def _make_ready(self, task: Task, item: _Planned) -> None:
        plan = item.plan
        for namespace, budget_s in plan.namespaces.items():
            self._fair_queues[plan.share].add(
                namespace,
                task,
                kind=item.kind,
                budget_s=budget_s,
                since=plan.since,
                generation=item.generation,
            )

    def _put_back(self, one: _Picked, due_at: float) -> None:
        """Undoes a pick: the task is ready again in all its namespaces, and nobody pays."""
        self._fair_queues[one.share].charge(one.namespace, -one.charged)
        self._generation += 1
        item = self._items[one.task]
        item.generation, item.in_flight = self._generation, False
        heappush(self._timers, (due_at, self._generation, one.task))

    def _is_live(self, entry: Ready) -> bool:
        item = self._items.get(entry.task)
        return item is not None and item.generation == entry.generation and not item.in_flight

    def _gather(self, wall_now: float, allowed: int | None) -> list[_Picked]:
        """Up to a batch of tasks, in turn; the share whose turn it is first, then the others."""
        turns = self._turns()
        first = self._next(turns[0], wall_now, None, 1.0) if turns else None
        if first is None:
            return []
        limit = 1 if first.kind.alone else self._batch_limit(first.kind)
        if allowed is not None:
            limit = min(limit, allowed)
        picked = [first]
        for share in turns:
            while len(picked) < limit:
                found = self._next(share, wall_now, first.kind, 1 / limit)
                if found is None:
                    break
                picked.append(found)
        return picked

    def _next(
        self, share: Share, wall_now: float, kind: WorkKind | None, calls: float
    ) -> _Picked | None:
        """Pops a task, and marks it so that another of its namespaces does not pick it as well."""
        found = self._fair_queues[share].pop(wall_now, kind)
        if found is None:
            return None
        namespace, task, kind = found
        self._items[task].in_flight = True
        self._fair_queues[share].charge(namespace, calls)
        return _Picked(namespace, task, kind, share, calls)

    def _turns(self) -> list[Share]:
        """The shares with work, the one whose turn it is first."""
        return sorted(
            (share for share, fair_queue in self._fair_queues.items() if fair_queue),
            key=lambda share: (self._passed[share], -share),
        )

    def _fitting(self, kind: WorkKind, tasks: list[Task]) -> tuple[int, int]:
        """How many of the tasks fit into the burst, and the calls to reserve for them."""
        count = len(tasks)
        calls = self._most_calls(kind, tuple(tasks))
        while count > 1 and calls > self.bucket.budget.burst:
            count //= 2
            calls = self._most_calls(kind, tuple(tasks[:count]))
        return count, calls

    def _begin(self, kind: WorkKind, picked: list[_Picked], reserved: int, wall_now: float) -> Work:
        self._short_of = 1
        self._in_flight += 1
        for one in picked:
            self._dear.pop(one.task, None)
        self._pass(picked[0].share, reserved)
        for one in picked:
            self._fair_queues[one.share].charge(one.namespace, reserved / len(picked) - one.charged)
        return Work(
            kind=kind,
            tasks=tuple(one.task for one in picked),
            payers=tuple((one.namespace, one.share) for one in picked),
            reserved=reserved,
            asked_at=wall_now,
        )

    def _pass(self, share: Share, calls: int) -> None:
        """Notes what a share had. One without work saves nothing up: it comes back level."""
        self._passed[share] += calls / share
        level = self._passed[share]
        for other, fair_queue in self._fair_queues.items():
            if not fair_queue:
                self._passed[other] = max(self._passed[other], level)

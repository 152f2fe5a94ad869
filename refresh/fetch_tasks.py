"""What is asked of the providers, and for whom: tasks, and one schedule per account.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.protocol import Again, Alone, Failed
from refresh import interval
from refresh.account_queue import FIRST, AccountQueue, QueueEntry, Share
from refresh.breaker import PROBE_CAP_S
from workqueue import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from providers.protocol import Fetched, FetchRequest, FetchResult, Source
    from refresh.account_queue import Work
    from refresh.budget import RateLimit
    from refresh.fair_queue import WorkKind
    from refresh.model import Demanded, Moment, SnapshotKey, SnapshotState, Task

    OpenSource = Callable[[str, str, str], Source]
    """The source for an account, an identity and a provider, opened once and kept."""

REFUSALS = frozenset({FetchFailure.ABSENT, FetchFailure.DENIED})
"""After one of these a source that was never synced leaves the share of the new."""
SOON_S = 5.0
"""Between two fetches of a source that somebody changes again and again."""


@dataclass(slots=True)
class FetchTask:
    """What is known of one task beyond its plan."""

    keys: dict[str, SnapshotKey] = field(default_factory=dict)
    """Who demands it, by namespace."""
    due_at: float = 0.0
    failures: int = 0
    refused: bool = False
    """Whether it was absent or denied since it last answered."""
    alone: bool = False
    """Whether it is asked singly until it answers."""
    urgent: bool = False
    going: bool = False
    """Whether a fetch of it has begun and not ended."""
    again: bool = False
    """Whether it was hurried since that began: its answer may be older than what hurried it."""
    changed: bool = False
    """The same, of a change that was heard of."""
    begun_at: float = float("-inf")
    """When the last fetch of it began, in monotonic seconds."""


class FetchTasks:
    """Tasks by account. States and demands are the manager's. They are only read here."""

    def __init__(
        self,
        *,
        sources: OpenSource,
        request: Callable[[Task], FetchRequest],
        states: Mapping[SnapshotKey, SnapshotState],
        demanded: Mapping[SnapshotKey, Demanded],
        draw: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._request = request
        self._states = states
        self._demanded = demanded
        self._draw = draw
        self._tasks: dict[Task, FetchTask] = {}
        self._named: dict[tuple[str, str], set[Task]] = {}
        """By provider and reference."""
        self._account_queues: dict[str, AccountQueue] = {}

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a budget."""
        return tuple(self._account_queues)

    def account_queue(self, account: str) -> AccountQueue | None:
        """The account's schedule; None: it has no budget."""
        return self._account_queues.get(account)

    def smallest_bursts(self) -> dict[str, int]:
        """By account whose burst is too small for some source: one that is enough for all."""
        found = (
            (name, account_queue.smallest_burst)
            for name, account_queue in self._account_queues.items()
        )
        return {name: burst for name, burst in found if burst is not None}

    def open_breakers(self) -> frozenset[str]:
        """The accounts whose breaker is open."""
        queues = self._account_queues.items()
        return frozenset(name for name, queue in queues if queue.breaker.until is not None)

    def get(self, task: Task) -> FetchTask | None:
        """What is known of a task; None: nobody demands it."""
        return self._tasks.get(task)

    def govern(self, budgets: Mapping[str, RateLimit], at: Moment) -> None:
        """Sets which accounts may be called, and how much. The whole; what is not in it rests."""
        for account in set(self._account_queues) - set(budgets):
            del self._account_queues[account]
        for account, budget in budgets.items():
            account_queue = self._account_queues.get(account)
            if account_queue is None:
                self._open(account, budget, at)
            elif account_queue.bucket.budget != budget:
                account_queue.change(budget, at.mono)

    def add(self, task: Task, key: SnapshotKey, asked: FetchTask) -> FetchTask:
        """Notes that `key` demands the task; `asked` is what is known of it if it is new."""
        known = self._tasks.setdefault(task, asked)
        known.keys[key.namespace] = key
        self._named.setdefault(_name(task), set()).add(task)
        return known

    def drop(self, task: Task, key: SnapshotKey) -> None:
        """Notes that `key` demands the task no more."""
        known = self._tasks[task]
        del known.keys[key.namespace]
        if known.keys:
            self.put(task)
            return
        del self._tasks[task]
        named = self._named[_name(task)]
        named.discard(task)
        if not named:
            del self._named[_name(task)]
        account_queue = self._account_queues.get(task.source.account)
        if account_queue is not None:
            account_queue.remove(task)

    def hurry(self, task: Task, at: Moment) -> None:
        """Asks as soon as turn and budget allow."""
        known = self._tasks.get(task)
        if known is not None:
            known.urgent, known.due_at, known.again = True, at.mono, known.going
            self.put(task)

    def soon(self, scheme: str, reference: str, at: Moment) -> None:
        """Asks for a source in its turn, but not within SOON_S of the last time: a change that
        somebody makes many times a second costs others nothing.
        """
        for task in self._named.get((scheme, reference), ()):
            known = self._tasks[task]
            known.changed = known.going
            known.due_at = min(known.due_at, max(at.mono, known.begun_at + SOON_S))
            self.put(task)

    def begun(self, work: Work, at: Moment) -> None:
        """Notes that a fetch begins."""
        for task in work.tasks:
            if task in self._tasks:
                self._tasks[task].going = True
                self._tasks[task].begun_at = at.mono

    def put(self, task: Task) -> None:
        """Plans a task by what is known now."""
        account_queue = self._account_queues.get(task.source.account)
        if account_queue is None:
            return
        known = self._tasks[task]
        states = [self._states[key] for key in known.keys.values()]
        plan = QueueEntry(
            due_at=known.due_at,
            namespaces={
                namespace: self._demanded[key].rules.budget_s
                for namespace, key in known.keys.items()
            },
            since=FIRST if known.urgent else min(map(_since, states)),
            share=_share(task, known, states),
            alone=known.alone,
        )
        account_queue.put(task, plan)

    def settle(self, account: str, work: Work, fetched: Fetched, at: Moment) -> list[FetchResult]:
        """Settles the account for one fetch; the results as they are to be taken."""
        results = [_no_more_alone(result, work) for result in fetched.results]
        account_queue = self._account_queues.get(account)
        if account_queue is not None:
            account_queue.done(
                work,
                fetched.calls,
                [_outcome(result) for result in results if not isinstance(result, Alone | Again)],
                at.mono,
                self._draw(),
                asked_s=_asked_s(results),
            )
        return results

    def replan(self, task: Task, known: FetchTask, result: FetchResult, at: Moment) -> None:
        """Sets when the task is due after this result; `put` follows. While the breaker is open it
        alone paces the account, so that all are ready when the provider is back. What was hurried
        during the fetch is asked once more.
        """
        known.going = False
        if isinstance(result, Alone | Again):
            known.alone |= isinstance(result, Alone)
            known.due_at = at.mono
            return
        known.urgent, known.again = known.again, False
        refresh_s = min(self._demanded[key].rules.refresh_s for key in known.keys.values())
        if isinstance(result, Failed):
            known.failures += 1
            known.refused |= result.reason in REFUSALS
            account_queue = self._account_queues.get(task.source.account)
            down = account_queue is not None and account_queue.breaker.until is not None
            cap_s = min(PROBE_CAP_S if down else retry.CAP_S, refresh_s)
            asked_s, draw = result.delay_s, self._draw()
            wait_s = retry.delay_s(known.failures, draw, cap_s=cap_s, asked_s=asked_s)
        else:
            known.failures, known.refused, known.alone = 0, False, False
            wait_s = interval.interval_s(refresh_s, self._draw())
            known.due_at = interval.on_slot(at.mono + wait_s, refresh_s)
            wait_s = known.due_at - at.mono
        known.due_at = at.mono + (0.0 if known.urgent else wait_s)
        if known.changed:
            known.due_at = min(known.due_at, max(at.mono, known.begun_at + SOON_S))
            known.changed = False

    def _open(self, account: str, budget: RateLimit, at: Moment) -> None:
        def most_calls(kind: WorkKind, tasks: tuple[Task, ...]) -> int:
            source = self._sources(account, kind.identity, kind.scheme)
            return source.most_calls([self._request(task) for task in tasks])

        def batch_limit(kind: WorkKind) -> int:
            return self._sources(account, kind.identity, kind.scheme).batch_limit

        self._account_queues[account] = AccountQueue(
            budget, at.mono, most_calls=most_calls, batch_limit=batch_limit
        )
        for task in self._tasks:
            if task.source.account == account:
                self.put(task)


def _name(task: Task) -> tuple[str, str]:
    return task.source.scheme, task.source.reference


def _share(task: Task, known: FetchTask, states: list[SnapshotState]) -> Share:
    if task.by_name or any(state.serving is not None for state in states):
        return Share.KEPT
    return Share.REFUSED if known.refused else Share.NEW


def _since(state: SnapshotState) -> float:
    """The last success that orders a task; one that was never served waits from its last try."""
    if state.served is None:
        return state.last_attempt or 0.0
    if state.restored is not None or state.last_success is None:
        return FIRST
    return state.last_success


def _no_more_alone(result: FetchResult, work: Work) -> FetchResult:
    """A source that was asked singly can't be asked more singly than that."""
    if isinstance(result, Alone) and len(work.tasks) == 1:
        return Failed(reason=FetchFailure.UNAVAILABLE, code="no-answer")
    return result


def _outcome(result: FetchResult) -> FetchFailure | None:
    return result.reason if isinstance(result, Failed) else None


def _asked_s(results: Iterable[FetchResult]) -> float | None:
    """The longest rest that the provider asked for, if it refused all items of the fetch."""
    delays = [result.delay_s if isinstance(result, Failed) else None for result in results]
    known = [delay for delay in delays if delay is not None]
    return max(known) if known and len(known) == len(delays) else None

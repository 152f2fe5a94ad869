"""Writes that are to be made: which, and when. What is written is read from the state then. Pure.

Times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from refresh import backoff

if TYPE_CHECKING:
    from refresh.model import SnapshotKey

LEAST_REPORT_GAP_S = 1.0
"""A namespace's freshness is not written more often than this, however often states change."""
RETRY_CAP_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One snapshot to write, or one namespace's freshness."""

    key: SnapshotKey | None = None
    namespace: str | None = None


@dataclass(slots=True)
class _Pending:
    due_at: float
    order: int
    publish: bool = False
    status: bool = False
    failures: int = 0


class Outbox:
    """Jobs by due time; one that is under way is not given out again until it is done."""

    def __init__(self) -> None:
        self._pending: dict[Job, _Pending] = {}
        self._heap: list[tuple[float, int, Job]] = []
        self._running: dict[Job, _Pending] = {}
        self._reported_at: dict[str, float] = {}
        self._order = 0

    def write(self, key: SnapshotKey, now: float, *, publish: bool, status: bool) -> None:
        """Asks for the snapshot's keys, its status, or both, to be written as soon as may be."""
        pending = self._ask(Job(key=key), now)
        pending.publish |= publish
        pending.status |= status

    def report(self, namespace: str, now: float, *, within_s: float) -> None:
        """Asks for the namespace's freshness to be written, at most `within_s` after the last."""
        last = self._reported_at.get(namespace)
        gap_s = max(LEAST_REPORT_GAP_S, within_s)
        self._ask(Job(namespace=namespace), now if last is None else max(now, last + gap_s))

    def take(self, now: float) -> tuple[Job, bool, bool] | None:
        """The next due job, with whether to publish and to show the status; None: none is due."""
        self._prune()
        if not self._heap or self._heap[0][0] > now:
            return None
        _, _, job = heappop(self._heap)
        pending = self._running[job] = self._pending.pop(job)
        return job, pending.publish, pending.status

    def done(self, job: Job, now: float) -> None:
        """The job was written."""
        del self._running[job]
        if job.namespace is not None:
            self._reported_at[job.namespace] = now
        self._wake(job)

    def failed(self, job: Job, now: float, draw: float) -> None:
        """The job may not have been written: it comes again after a while."""
        was = self._running.pop(job)
        failures = was.failures + 1
        pending = self._pending.get(job)
        due_at = now + backoff.delay_s(failures, draw, cap_s=RETRY_CAP_S)
        if pending is None:
            pending = self._ask(job, due_at)
        pending.publish |= was.publish
        pending.status |= was.status
        pending.failures = failures
        self._push(job, pending, due_at)

    def next_at(self) -> float:
        """When the next job is due; infinity: never."""
        self._prune()
        return self._heap[0][0] if self._heap else float("inf")

    def has_report(self, namespace: str) -> bool:
        """Whether the namespace's freshness is to be written anyway."""
        return Job(namespace=namespace) in self._pending

    def __len__(self) -> int:
        return len(self._pending) + len(self._running)

    def _prune(self) -> None:
        """Takes off what was replaced, done, or waits for its own former write."""
        while self._heap:
            _, order, job = self._heap[0]
            pending = self._pending.get(job)
            if pending is not None and pending.order == order and job not in self._running:
                return
            heappop(self._heap)

    def _ask(self, job: Job, due_at: float) -> _Pending:
        pending = self._pending.get(job)
        if pending is None:
            pending = self._pending[job] = _Pending(due_at, -1)
            self._push(job, pending, due_at)
        elif due_at < pending.due_at and not pending.failures:
            self._push(job, pending, due_at)
        return pending

    def _push(self, job: Job, pending: _Pending, due_at: float) -> None:
        self._order += 1
        pending.due_at, pending.order = due_at, self._order
        heappush(self._heap, (due_at, self._order, job))

    def _wake(self, job: Job) -> None:
        pending = self._pending.get(job)
        if pending is not None:
            self._push(job, pending, pending.due_at)

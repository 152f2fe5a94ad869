"""Writes that are to be made: which, and when. What is written is read from the state then. Pure.

Times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    from refresh.model import SnapshotKey

LEAST_REPORT_GAP_S = 1.0
"""A namespace's freshness is not written more often than this, however often states change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One snapshot to write, or one namespace's freshness."""

    key: SnapshotKey | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParts:
    """What of a snapshot is to be written."""

    publish: bool = False
    """Its keys."""
    status: bool = False

    def __or__(self, other: WriteParts) -> WriteParts:
        return WriteParts(publish=self.publish or other.publish, status=self.status or other.status)


NOTHING = WriteParts()


class WriteQueue:
    """Jobs by due time, and what of each snapshot they are about."""

    def __init__(self) -> None:
        self._queue: WorkQueue[Job] = WorkQueue()
        self._parts: dict[Job, WriteParts] = {}
        """Of the snapshots that wait."""
        self._taken: dict[Job, WriteParts] = {}
        """Of those that are being written."""
        self._reported_at: dict[str, float] = {}

    def write(self, key: SnapshotKey, now: float, *, publish: bool, status: bool) -> None:
        """Asks for the snapshot's keys, its status, or both, to be written as soon as may be."""
        job = Job(key=key)
        parts = WriteParts(publish=publish, status=status)
        self._parts[job] = self._parts.get(job, NOTHING) | parts
        self._queue.add(job, now)

    def report(self, namespace: str, now: float, *, within_s: float) -> None:
        """Asks for the namespace's freshness to be written, at most `within_s` after the last."""
        last = self._reported_at.get(namespace)
        gap_s = max(LEAST_REPORT_GAP_S, within_s)
        due_at = now if last is None else max(now, last + gap_s)
        self._queue.add(Job(namespace=namespace), due_at)

    def take(self, now: float) -> tuple[Job, WriteParts] | None:
        """The next due job, and what of its snapshot is to be written; None: none is due."""
        job = self._queue.get(now)
        if job is None:
            return None
        parts = self._taken[job] = self._parts.pop(job, NOTHING)
        return job, parts

    def done(self, job: Job, now: float) -> None:
        """The job was written."""
        del self._taken[job]
        if job.namespace is not None:
            self._reported_at[job.namespace] = now
        self._queue.done(job)

    def failed(self, job: Job, now: float, draw: float, *, asked_s: float | None = None) -> None:
        """The job may not have been written: it comes again after a while. `asked_s`: what the
        server asked for, in seconds; None: nothing.
        """
        parts = self._taken.pop(job) | self._parts.get(job, NOTHING)
        if job.key is not None:
            self._parts[job] = parts
        self._queue.retry(job, now, draw, asked_s=asked_s)

    def next_at(self) -> float:
        """When the next job is due; infinity: never."""
        return self._queue.next_at()

    def has_report(self, namespace: str) -> bool:
        """Whether the namespace's freshness is to be written anyway."""
        return Job(namespace=namespace) in self._queue

    def __len__(self) -> int:
        return len(self._queue)

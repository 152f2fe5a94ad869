"""Work that is ready, shared fairly among namespaces: deficit round robin, unit one provider call.

A namespace in debt is passed over once per call that it owes, so one whose fetches cost more gets
fewer of them. Within a namespace goes first what is stalest relative to its budget. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from refresh.model import Task

QUANTUM_CALLS = 1.0
"""What a namespace may spend each time its turn comes."""
MOST_DEBT_CALLS = 8.0
"""No namespace is passed over more often than this in a row."""


class WorkKind(NamedTuple):
    """Tasks of one kind can share a batch, unless they are `alone`."""

    identity: str
    scheme: str
    alone: bool


class Ready(NamedTuple):
    """One entry of a queue."""

    since: float
    """Last success in seconds since the epoch; minus infinity goes first."""
    order: int
    """Of arrival, so that entries always compare."""
    generation: int
    """Of the task; an entry of another generation is passed over."""
    task: Task


@dataclass(slots=True)
class _NamespaceQueue:
    """One namespace's ready work."""

    heaps: dict[tuple[WorkKind, float], list[Ready]] = field(default_factory=dict)
    """By kind and freshness budget in seconds."""


class FairQueue:
    """Namespaces in turn, each with its ready work. `is_live` tells entries that still count."""

    __slots__ = ("_deficits", "_is_live", "_order", "_queues", "_ring")

    def __init__(self, is_live: Callable[[Ready], bool]) -> None:
        self._is_live = is_live
        self._queues: dict[str, _NamespaceQueue] = {}
        self._ring: deque[str] = deque()
        self._deficits: dict[str, float] = {}
        self._order = 0

    def __bool__(self) -> bool:
        """Whether any live entry is ready."""
        while self._ring:
            if self._stalest(self._ring[0], 0.0, None) is not None:
                return True
            self._leave()
        return False

    def add(
        self,
        namespace: str,
        task: Task,
        *,
        kind: WorkKind,
        budget_s: float,
        since: float,
        generation: int,
    ) -> None:
        """Makes a task ready in a namespace, whose freshness budget for it is `budget_s`."""
        queue = self._queues.get(namespace)
        if queue is None:
            queue = self._queues[namespace] = _NamespaceQueue()
            self._ring.append(namespace)
        heap = queue.heaps.setdefault((kind, budget_s), [])
        self._order += 1
        heappush(heap, Ready(since, self._order, generation, task))

    def pop(self, now: float, kind: WorkKind | None = None) -> tuple[str, Task, WorkKind] | None:
        """The next task in turn and the namespace that pays for it; with `kind` only of that kind.

        Costs nothing by itself: `charge` follows.
        """
        passed = 0
        while self._ring and passed < len(self._ring):
            namespace = self._ring[0]
            found = self._stalest(namespace, now, kind)
            if found is None:
                if self._is_empty(namespace):
                    self._leave()
                    continue
                self._ring.rotate(-1)
                passed += 1
                continue
            if self._deficits.get(namespace, 0.0) <= 0:
                self._deficits[namespace] = self._deficits.get(namespace, 0.0) + QUANTUM_CALLS
                self._ring.rotate(-1)
                continue
            entry = heappop(self._queues[namespace].heaps[found])
            return namespace, entry.task, found[0]
        return None

    def charge(self, namespace: str, calls: float) -> None:
        """Takes `calls` from the namespace's share; a negative number gives back."""
        left = self._deficits.get(namespace, 0.0) - calls
        self._deficits[namespace] = min(QUANTUM_CALLS, max(-MOST_DEBT_CALLS, left))

    def _stalest(
        self, namespace: str, now: float, kind: WorkKind | None
    ) -> tuple[WorkKind, float] | None:
        """The namespace's heap whose first entry is stalest relative to its budget."""
        best: tuple[float, tuple[WorkKind, float]] | None = None
        heaps = self._queues[namespace].heaps
        for name in list(heaps):
            heap = heaps[name]
            while heap and not self._is_live(heap[0]):
                heappop(heap)
            if not heap:
                del heaps[name]
            elif kind is None or name[0] == kind:
                age = (now - heap[0].since) / name[1]
                if best is None or age > best[0]:
                    best = (age, name)
        return None if best is None else best[1]

    def _is_empty(self, namespace: str) -> bool:
        return not self._queues[namespace].heaps

    def _leave(self) -> None:
        """Takes the namespace in turn off the ring; it keeps a debt, and no savings."""
        namespace = self._ring.popleft()
        del self._queues[namespace]
        if self._deficits.get(namespace, 0.0) >= 0:
            self._deficits.pop(namespace, None)

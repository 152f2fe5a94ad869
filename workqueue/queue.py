"""A queue of keys with due times, as `workqueue` of Kubernetes' client-go has it. Pure: every call
takes the time, in seconds of one clock, and the random number that it needs.

What is to be done for a key is read from elsewhere when the key is due, so that any number of
reasons cost one piece of work. A key is given to one worker at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Generic, TypeVar

from workqueue import retry

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")

RETRY_CAP_S = 30.0
"""The longest delay before a key that fails is given again, where a queue names no other."""
_NEVER = float("inf")
_SPARE = 64
"""Entries of the heap that may be out of date, beside as many as there are keys."""


@dataclass(slots=True)
class _Item:
    """A key that was added or is in flight."""

    due_at: float = _NEVER
    """The earliest time that was asked for; infinity: none was since the key was given."""
    not_before: float = -_NEVER
    """The end of its backoff."""
    failures: int = 0
    """In a row; 0 after a success."""
    in_flight: bool = False
    order: int = 0
    """Of its entry in the heap; older entries count no more."""


class WorkQueue(Generic[K]):
    """Gives each key when it is due, the earliest first, and of equal ones the first added. A key
    that is added again keeps the earlier due time. One that is added while it is in flight is given
    again after that.
    """

    def __init__(self, *, base_s: float = retry.BASE_S, cap_s: float = RETRY_CAP_S) -> None:
        """`base_s` and `cap_s` are the retry policy's."""
        self._base_s = base_s
        self._cap_s = cap_s
        self._items: dict[K, _Item] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0

    def add(self, key: K, due_at: float) -> None:
        """Asks for the key at that time; infinity: not at all. A key that failed is not given
        before its backoff ends, so that many changes do not cost many requests while a server is
        down.
        """
        item = self._items.get(key) or _Item()
        if due_at < item.due_at:
            self._items[key], item.due_at = item, due_at
            if not item.in_flight:
                self._push(key, item)

    def get(self, now: float) -> K | None:
        """The next key that is due, which is in flight from now on; None: none is due. `done` or
        `retry` must follow. `now` infinity: whatever its due time.
        """
        if self.next_at() > now or not self._heap:
            return None
        _, _, key = heappop(self._heap)
        item = self._items[key]
        item.in_flight, item.due_at = True, _NEVER
        return key

    def done(self, key: K) -> None:
        """The work for the key was done. Its failures are forgotten."""
        item = self._items[key]
        item.in_flight, item.failures, item.not_before = False, 0, -_NEVER
        if item.due_at < _NEVER:
            self._push(key, item)
        else:
            del self._items[key]

    def retry(self, key: K, now: float, draw: float, *, asked_s: float | None = None) -> float:
        """The work for the key failed: it is given again after a delay. The delay in seconds.
        `draw` and `asked_s` as in `workqueue.retry.delay_s`.
        """
        item = self._items[key]
        item.in_flight = False
        item.failures += 1
        wait_s = retry.delay_s(
            item.failures, draw, base_s=self._base_s, cap_s=self._cap_s, asked_s=asked_s
        )
        item.due_at, item.not_before = min(item.due_at, now), now + wait_s
        self._push(key, item)
        return wait_s

    def discard(self, key: K) -> None:
        """The key is not asked for any more, and its failures are forgotten. If it is in flight,
        that work goes on, and ends with `done` or `retry`.
        """
        item = self._items.get(key)
        if item is None:
            return
        if item.in_flight:
            item.due_at, item.failures = _NEVER, 0
        else:
            del self._items[key]

    def next_at(self) -> float:
        """When a key is due next; infinity: none is, but for those in flight."""
        while self._heap:
            due_at, order, key = self._heap[0]
            if self._counts(order, key):
                return due_at
            heappop(self._heap)
        return _NEVER

    def __contains__(self, key: K) -> bool:
        """Whether the key was added, and was not given since."""
        item = self._items.get(key)
        return item is not None and item.due_at < _NEVER

    def __len__(self) -> int:
        """How many keys were added or are in flight."""
        return len(self._items)

    def _push(self, key: K, item: _Item) -> None:
        self._order += 1
        item.order = self._order
        heappush(self._heap, (max(item.due_at, item.not_before), self._order, key))
        if len(self._heap) > _SPARE + 2 * len(self._items):
            self._heap = [entry for entry in self._heap if self._counts(entry[1], entry[2])]
            heapify(self._heap)

    def _counts(self, order: int, key: K) -> bool:
        """Whether an entry of the heap is its key's last one, and the key waits."""
        item = self._items.get(key)
        return item is not None and item.order == order and not item.in_flight

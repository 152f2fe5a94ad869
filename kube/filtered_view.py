"""A part of what a Reflector keeps, with changes and a revision of its own."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kube.reflector import Change, Key, Reflector

T = TypeVar("T")
P = TypeVar("P")


class View(Generic[P]):
    """`part(item)` of each item. So that one list and one watch serve readers of which each is
    interested in something else of an object: `revision` grows only when a part changes.
    """

    def __init__(self, source: Reflector[T], part: Callable[[T], P]) -> None:
        """`part` does not raise."""
        self._is_synced: Callable[[], bool] = lambda: source.synced
        self._items: dict[Key, P] = {}
        self.revision = 0
        """Equal numbers mean equal items."""
        self.items: Mapping[Key, P] = MappingProxyType(self._items)
        """Live, as the Reflector's own; don't await while you iterate over it."""

        def changed(change: Change[T]) -> None:
            self._put(change.key, None if change.after is None else part(change.after))

        source.subscribe(changed)

    @property
    def synced(self) -> bool:
        """Whether a whole list was seen once. Stays true."""
        return self._is_synced()

    def _put(self, key: Key, item: P | None) -> None:
        if item == self._items.get(key):
            return
        if item is None:
            del self._items[key]
        else:
            self._items[key] = item
        self.revision += 1

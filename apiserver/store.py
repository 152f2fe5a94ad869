"""Objects with their resource versions, and the changes that watches are told. Pure.

Objects are never changed in place: anyone who reads one may keep it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from apiserver.refusal import Json, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[str, str]
"""Namespace, "" for what is cluster-scoped, and name."""
_KEPT = 20_000
"""Changes that a watch may continue from."""


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One write."""

    version: int
    kind: str
    """The store's name of the kind."""
    key: Key
    before: Json | None
    after: Json | None


class Store:
    """All objects, and the newest changes."""

    def __init__(self) -> None:
        self.version = 1
        """Of the last write. One counter for all kinds, as in etcd."""
        self._objects: dict[str, dict[Key, Json]] = {}
        self._changes: deque[StoredChange] = deque()
        self._compacted = 0
        """The newest change that is forgotten."""

    def get(self, kind: str, key: Key) -> Json | None:
        """None: there is none."""
        return self._objects.get(kind, {}).get(key)

    def put(self, kind: str, key: Key, content: Json) -> Json:
        """Writes one object. It is answered with its new resource version."""
        objects = self._objects.setdefault(kind, {})
        before = objects.get(key)
        self.version += 1
        after = _stamped(content, self.version)
        objects[key] = after
        self._changed(StoredChange(self.version, kind, key, before, after))
        return after

    def remove(self, kind: str, key: Key) -> Json:
        """Removes an object that is there. It is answered with the version of its removal."""
        before = self._objects[kind].pop(key)
        self.version += 1
        self._changed(StoredChange(self.version, kind, key, before, None))
        return _stamped(before, self.version)

    def keys(self, namespace: str | None) -> list[tuple[str, Key]]:
        """Everything in one namespace, with its kind; None: in all, and what is cluster-scoped."""
        return [
            (kind, key)
            for kind, objects in self._objects.items()
            for key in objects
            if namespace in {None, key[0]}
        ]

    def list_at(self, kind: str, version: int) -> list[tuple[Key, Json]]:
        """All objects of a kind as they were at `version`, in etcd's order. Refusal 410: that is
        forgotten.
        """
        found = dict(self._objects.get(kind, {}))
        if version < self.version:
            for change in reversed(list(self.since(kind, version))):
                if change.before is None:
                    found.pop(change.key, None)
                else:
                    found[change.key] = change.before
        return sorted(found.items(), key=lambda item: "/".join(item[0]))

    def since(self, kind: str, version: int) -> Iterator[StoredChange]:
        """The changes after `version`, oldest first. Refusal 410: some are forgotten."""
        if version < self._compacted:
            raise Refusal(410, f"too old resource version: {version} ({self._compacted + 1})")
        newer = takewhile(lambda change: change.version > version, reversed(self._changes))
        return reversed([change for change in newer if change.kind == kind])

    def compact(self) -> None:
        """Forgets every change: no watch can continue from before now."""
        self._compacted = self.version
        self._changes.clear()

    def _changed(self, change: StoredChange) -> None:
        self._changes.append(change)
        if len(self._changes) > _KEPT:
            self._compacted = self._changes.popleft().version


def _stamped(content: Json, version: int) -> Json:
    return {**content, "metadata": {**content["metadata"], "resourceVersion": str(version)}}

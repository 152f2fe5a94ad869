"""SecretSnapshots, as a watch keeps them: a bounded number of each namespace. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from controller.snapshot_objects import WatchedSnapshot, project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_OBJECTS = 5000
"""SecretSnapshots of one namespace that are kept: as many as its pods may name sources, far more
than a policy's limit, which is 200 unless it says so."""
MOST_MISNAMED = 32
"""Of those, with a name that is not their source's: they are only told so."""


class SnapshotReader:
    """The SecretSnapshots that are kept of each namespace. `problem(what, why)` is told once of
    each that has too many; the others have no part in that.
    """

    def __init__(self, problem: Callable[[str, str], None]) -> None:
        self._problem = problem
        self._kept: dict[tuple[str, bool], WeakValueDictionary[str, WatchedSnapshot]] = {}
        self._told: set[tuple[str, bool]] = set()

    def __call__(self, content: Mapping[str, Any]) -> WatchedSnapshot | None:
        """None: it is being deleted, or one too many. ValueError: it is none that can be read."""
        seen = project(content)
        return None if seen is None else self._bounded(seen)

    def _bounded(self, seen: WatchedSnapshot) -> WatchedSnapshot | None:
        kind = seen.namespace, seen.named
        kept = self._kept.setdefault(kind, WeakValueDictionary())
        before = kept.get(seen.name)
        if before == seen:
            return before
        most = MOST_OBJECTS if seen.named else MOST_MISNAMED
        if before is None and len(kept) >= most:
            if kind not in self._told:
                self._told.add(kind)
                what = "SecretSnapshots" if seen.named else "SecretSnapshots of a wrong name"
                self._problem(f"namespace {seen.namespace}", f"it has more than {most} {what}")
            return None
        kept[seen.name] = seen
        return seen

"""Watches: the changes of a kind since a version, as a client's selectors see them.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apiserver import objects
from apiserver.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from apiserver.operations import Target
    from apiserver.store import Store, StoredChange

Json = dict[str, Any]
BOOKMARK_S = 60.0
"""Between two bookmarks."""
_LAST_S = 2.0
"""How long before its end a watch gets its last bookmark."""


class Signal:
    """Wakes everyone who waits."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def send(self) -> None:
        """Something has changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Until the next signal, or until `seconds` went by."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._next.wait(), max(0.0, seconds))


@dataclass(slots=True, kw_only=True)
class Watch:
    """One watch. `at` is the version that its client has seen."""

    store: Store
    target: Target
    meant: Callable[[Json], bool]
    at: int
    """0: from what is there."""
    bookmarks: bool

    async def events(
        self, signal: Signal, timeout_s: float, monotonic: Callable[[], float]
    ) -> AsyncIterator[Json]:
        """Until `timeout_s` have gone by, or, with an ERROR as the last event, a version that it
        needs is forgotten.
        """
        end = monotonic() + timeout_s
        bookmark_at = self._next(monotonic(), end)
        while True:
            try:
                for event in self._new():
                    yield event
            except Refusal as refusal:
                yield {"type": "ERROR", "object": refusal.status()}
                return
            now = monotonic()
            if now >= end:
                return
            if now >= bookmark_at:
                bookmark_at = self._next(now, end)
                if self.bookmarks:
                    yield {"type": "BOOKMARK", "object": self._bookmark()}
            await signal.wait(min(end, bookmark_at) - now)

    def _new(self) -> Iterator[Json]:
        if not self.at:
            self.at = self.store.version
            for key, item in self.store.list_at(self.target.kind.store, self.at):
                content = self._seen(item)
                if content is not None and self.target.namespace in {"", key[0]}:
                    yield {"type": "ADDED", "object": content}
        for change in list(self.store.since(self.target.kind.store, self.at)):
            event = self._event(change)
            if event is not None:
                yield event
        self.at = self.store.version

    def _event(self, change: StoredChange) -> Json | None:
        """None: it is not for this watch."""
        if self.target.namespace not in {"", change.key[0]}:
            return None
        before, after = self._seen(change.before), self._seen(change.after)
        if after is not None:
            return {"type": "MODIFIED" if before is not None else "ADDED", "object": after}
        if before is None:
            return None
        metadata = {**before["metadata"], "resourceVersion": str(change.version)}
        return {"type": "DELETED", "object": {**before, "metadata": metadata}}

    def _seen(self, content: Json | None) -> Json | None:
        """None: it is not there for the client."""
        if content is None:
            return None
        found = objects.shown(self.target.kind, content)
        return found if self.meant(found) else None

    def _bookmark(self) -> Json:
        kind = self.target.kind
        metadata = {"resourceVersion": str(self.at), "creationTimestamp": None}
        return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}

    def _next(self, now: float, end: float) -> float:
        last = end - _LAST_S
        return min(now + BOOKMARK_S, last) if now < last else end

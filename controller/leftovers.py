"""SecretSnapshots that nobody needs, or that have a wrong name: the former are removed, the latter
are told so, a few at a time.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from controller.events import regarding_snapshot
from controller.snapshots import ignored
from controller.status import timeless
from controller.telemetry import say
from kube.errors import ApiError, FencedError, NotFoundError
from kube.resources import SECRET_SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Container

    from controller.events import Events
    from controller.snapshots import Seen
    from kube.api import Api
    from kube.clock import Clock
    from kube.reflector import Reflector
    from refresh.model import SnapshotKey

RETRY_S = 30.0
FEW = 16
"""Objects of each kind in one turn: statuses wait for it."""


class Leftovers:
    """Objects that wait for their turn. Times are monotonic."""

    def __init__(self, api: Api, snapshots: Reflector[Seen], events: Events, clock: Clock) -> None:
        self._api = api
        self._snapshots = snapshots
        self._events = events
        self._clock = clock
        self._misnamed: dict[tuple[str, str], tuple[float, Seen]] = {}
        self._unwanted: dict[SnapshotKey, float] = {}

    def unwanted(self, key: SnapshotKey) -> None:
        """Nobody wants it: its object goes, if it was made for pods."""
        self._unwanted[key] = self._clock.monotonic()

    def misnamed(self, seen: Seen) -> None:
        """Its name is not the one that its source gives."""
        self._misnamed[seen.namespace, seen.name] = self._clock.monotonic(), seen

    async def turn(self, wanted: Container[SnapshotKey]) -> None:
        """A few of each. What is `wanted` again stays."""
        mono = self._clock.monotonic()
        for key in [key for key, at in self._unwanted.items() if at <= mono][:FEW]:
            await self._tidy(key, wanted)
        named = [name for name, (at, _) in self._misnamed.items() if at <= mono]
        for name in named[:FEW]:
            await self._ignore(self._misnamed.pop(name)[1])

    async def remove_made(self, key: SnapshotKey) -> None:
        """Removes the object of a snapshot that was made for pods. ApiError, FencedError: it may be
        there still.
        """
        seen = self._snapshots.items.get((key.namespace, key.source.snapshot))
        if seen is None or seen.declared:
            return
        with suppress(NotFoundError):
            await self._api.delete(
                SECRET_SNAPSHOTS.path(key.namespace, key.source.snapshot), uid=seen.uid
            )

    async def _tidy(self, key: SnapshotKey, wanted: Container[SnapshotKey]) -> None:
        """Removes the object of what was never served, unless it is wanted again."""
        del self._unwanted[key]
        if key in wanted:
            return
        try:
            await self.remove_made(key)
        except (ApiError, FencedError) as error:
            self._unwanted[key] = self._clock.monotonic() + RETRY_S
            name = key.source.snapshot
            say(logging.INFO, "controller.not_removed", snapshot=name, why=str(error))

    async def _ignore(self, seen: Seen) -> None:
        document = ignored(seen, self._clock.now())
        if timeless(document) == timeless(seen.status):
            return
        path = SECRET_SNAPSHOTS.path(seen.namespace, seen.name, "status")
        try:
            await self._api.merge_patch(path, {"status": document})
        except (ApiError, FencedError) as error:
            again = self._clock.monotonic() + RETRY_S, seen
            self._misnamed.setdefault((seen.namespace, seen.name), again)
            say(logging.INFO, "controller.status_not_written", snapshot=seen.name, why=str(error))
            return
        regarded = regarding_snapshot(seen.namespace, seen.name, seen.uid)
        note = document["conditions"][0]["message"]
        await self._events.say(regarded, "WrongName", "WrongName", note)

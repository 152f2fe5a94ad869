"""Removes what nobody needs any more: a snapshot that is not used, with all its objects, and the
SecretSnapshot of one that was never served. Marks those with a wrong name.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from controller.event_recorder import regarding_snapshot
from controller.snapshot_objects import ignored
from controller.snapshot_status import timeless
from controller.spec import SnapshotName
from controller.telemetry import say
from controller.tenant_secrets import ForeignSecretError
from kube.api_resources import SECRET_SNAPSHOTS
from kube.errors import ApiError, FencedError, NotFoundError
from refresh.model import SnapshotKey
from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from collections.abc import Set as AbstractSet

    from controller.event_recorder import EventRecorder
    from controller.informers import Informers
    from controller.record_store import Records
    from controller.snapshot_objects import WatchedSnapshot
    from controller.snapshot_writer import SnapshotWriter
    from controller.status_writer import StatusWriter
    from controller.tenant_secrets import Secrets
    from kube.api import Api
    from kube.reflector import Change
    from workqueue.clock import Clock

INTERVAL_S = 0.2
"""How often it is checked what is due."""
FEW = 16
"""Objects that are worked on one after another before others have a turn."""


class GarbageCollector:
    """Objects that are to be removed or marked. Times are monotonic."""

    def __init__(
        self,
        api: Api,
        *,
        informers: Informers,
        records: Records,
        secrets: Secrets,
        snapshots: SnapshotWriter,
        statuses: StatusWriter,
        events: EventRecorder,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        """`draw` gives a random number in [0, 1)."""
        self._api = api
        self._informers = informers
        self._records = records
        self._secrets = secrets
        self._snapshots = snapshots
        self._statuses = statuses
        self._events = events
        self._clock = clock
        self._draw = draw
        self._objects: WorkQueue[SnapshotKey | SnapshotName] = WorkQueue()
        """Snapshots that were never served and that nobody wants, and objects of a wrong name."""
        self._unused: AbstractSet[SnapshotKey] = frozenset()
        self._snapshots_due: WorkQueue[SnapshotKey] = WorkQueue()
        """Unused snapshots."""
        informers.snapshots.subscribe(self._changed)

    def vanished(self, key: SnapshotKey) -> bool:
        """Whether the namespace that the snapshot was published in is gone, or was made again."""
        recorded = self._records.get(key)
        found = self._informers.namespaces.items.get(("", key.namespace))
        return found is None or (recorded is not None and recorded.namespace_uid != found.uid)

    def forget(self, key: SnapshotKey) -> None:
        """Drops what is known of a snapshot that was never served and that nobody wants. Its object
        is removed later, if it was made for pods.
        """
        shown = self._statuses.forget(key)
        if self.vanished(key):
            self._records.lose(key)
            self._snapshots.forget(key)
        elif shown:
            self._objects.add(key, self._clock.monotonic())

    def unused(self, keys: AbstractSet[SnapshotKey]) -> None:
        """Nobody has used these for their retention, and all others are used. `collect_some`
        removes them.
        """
        self._unused = keys
        for key in keys:
            self._snapshots_due.add(key, self._clock.monotonic())

    async def collect_some(self) -> AsyncIterator[SnapshotKey | None]:
        """Removes a few unused snapshots, one after another. Each that is removed; None: one could
        not be, and is tried again later.
        """
        for _ in range(FEW):
            key = self._snapshots_due.get(self._clock.monotonic())
            if key is None:
                return
            if key not in self._unused:
                self._snapshots_due.done(key)
            else:
                yield await self._collected(key)

    async def _collected(self, key: SnapshotKey) -> SnapshotKey | None:
        try:
            await self.collect(key)
        except (ApiError, FencedError) as error:
            mono, draw = self._clock.monotonic(), self._draw()
            self._snapshots_due.retry(key, mono, draw, asked_s=error.delay_s)
            name = key.source.snapshot
            say(logging.WARNING, "controller.not_collected", snapshot=name, why=str(error))
            return None
        self._snapshots_due.done(key)
        return key

    async def collect(self, key: SnapshotKey) -> None:
        """Removes the Secret, the SecretSnapshot that was made for pods, and last the record, by
        which the next leader goes on where this one ends. ApiError, FencedError: some of it stays.
        """
        name = key.source.snapshot
        async with self._snapshots.removing(key):
            with suppress(ForeignSecretError):  # ours is gone already
                await self._secrets.delete(key.namespace, name)
            await self._remove_made(key)
            await self._records.delete(key)
        self._statuses.forget(key)
        say(logging.INFO, "controller.collected", namespace=key.namespace, snapshot=name)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)  # noqa: TID251 - a fixed interval
            for _ in range(FEW):
                key = self._objects.get(self._clock.monotonic())
                if key is None:
                    break
                await self._work(key)

    async def _work(self, key: SnapshotKey | SnapshotName) -> None:
        if isinstance(key, SnapshotKey):
            work, event, name = (
                self._remove_unwanted(key),
                "controller.not_removed",
                key.source.snapshot,
            )
        else:
            work, event, name = self._ignore(key), "controller.status_not_written", key.snapshot
        try:
            await work
        except (ApiError, FencedError) as error:
            self._objects.retry(key, self._clock.monotonic(), self._draw(), asked_s=error.delay_s)
            say(logging.INFO, event, snapshot=name, why=str(error))
        else:
            self._objects.done(key)

    def _changed(self, change: Change[WatchedSnapshot]) -> None:
        """An object came whose name is not the one that its source gives."""
        seen = change.after
        if seen is not None and not seen.named:
            self._objects.add(SnapshotName(seen.namespace, seen.name), self._clock.monotonic())

    async def _remove_made(self, key: SnapshotKey) -> None:
        """Removes the object of a snapshot that was made for pods. ApiError, FencedError: it may be
        there still.
        """
        seen = self._informers.snapshots.items.get((key.namespace, key.source.snapshot))
        if seen is None or seen.declared:
            return
        with suppress(NotFoundError):
            await self._api.delete(
                SECRET_SNAPSHOTS.path(key.namespace, key.source.snapshot), uid=seen.uid
            )

    async def _remove_unwanted(self, key: SnapshotKey) -> None:
        """Removes the object of what was never served, unless it is wanted again."""
        if self._statuses.decision(key) is None:
            await self._remove_made(key)

    async def _ignore(self, name: SnapshotName) -> None:
        """Says in the status of an object with a wrong name that it is ignored."""
        seen = self._informers.snapshots.items.get((name.namespace, name.snapshot))
        if seen is None or seen.named:
            return
        document = ignored(seen, self._clock.now())
        if timeless(document) == timeless(seen.status):
            return
        path = SECRET_SNAPSHOTS.path(seen.namespace, seen.name, "status")
        await self._api.merge_patch(path, {"status": document})
        regarded = regarding_snapshot(seen.namespace, seen.name, seen.uid)
        note = document["conditions"][0]["message"]
        await self._events.say(regarded, "WrongName", "WrongName", note)

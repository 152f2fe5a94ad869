"""Removes what nobody needs any more: a snapshot that is not used, with all its objects, and the
SecretSnapshot of one that was never served. Marks those with a wrong name.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from controller.events import regarding_snapshot
from controller.secrets import ForeignSecretError
from controller.snapshots import ignored
from controller.status import timeless
from controller.telemetry import say
from kube.errors import ApiError, FencedError, NotFoundError
from kube.resources import SECRET_SNAPSHOTS

if TYPE_CHECKING:
    from controller.events import Events
    from controller.feeds import Copies
    from controller.records import Records
    from controller.secrets import Secrets
    from controller.snapshot_writer import SnapshotWriter
    from controller.snapshots import Seen
    from controller.status_writer import StatusWriter
    from kube.api import Api
    from kube.clock import Clock
    from kube.reflector import Change
    from refresh.model import SnapshotKey

TURN_S = 0.2
"""How often it is checked what is due."""
RETRY_S = 30.0
FEW = 16
"""Objects of each kind that are worked on together, one after another."""


class GarbageCollector:
    """Objects that are to be removed or marked. Times are monotonic."""

    def __init__(
        self,
        api: Api,
        *,
        copies: Copies,
        records: Records,
        secrets: Secrets,
        snapshots: SnapshotWriter,
        statuses: StatusWriter,
        events: Events,
        clock: Clock,
    ) -> None:
        self._api = api
        self._copies = copies
        self._records = records
        self._secrets = secrets
        self._snapshots = snapshots
        self._statuses = statuses
        self._events = events
        self._clock = clock
        self._misnamed: dict[tuple[str, str], tuple[float, Seen]] = {}
        self._unwanted: dict[SnapshotKey, float] = {}
        copies.snapshots.subscribe(self._changed)

    def vanished(self, key: SnapshotKey) -> bool:
        """Whether the namespace that the snapshot was published in is gone, or was made again."""
        held = self._records.get(key)
        found = self._copies.namespaces.items.get(("", key.namespace))
        return found is None or (held is not None and held.namespace_uid != found.uid)

    def forget(self, key: SnapshotKey) -> None:
        """Drops what is known of a snapshot that was never served and that nobody wants. Its object
        is removed later, if it was made for pods.
        """
        shown = self._statuses.forget(key)
        if self.vanished(key):
            self._records.lose(key)
            self._snapshots.forget(key)
        elif shown:
            self._unwanted[key] = self._clock.monotonic()

    async def collect(self, key: SnapshotKey) -> bool:
        """Removes the Secret, the SecretSnapshot that was made for pods, and last the record, by
        which the next leader goes on where this one ends. False: some of it stays for now.
        """
        name = key.source.snapshot
        try:
            async with self._snapshots.removing(key):
                with suppress(ForeignSecretError):  # ours is gone already
                    await self._secrets.delete(key.namespace, name)
                await self._remove_made(key)
                await self._records.delete(key)
        except (ApiError, FencedError) as error:
            say(logging.WARNING, "controller.not_collected", snapshot=name, why=str(error))
            return False
        self._statuses.forget(key)
        say(logging.INFO, "controller.collected", namespace=key.namespace, snapshot=name)
        return True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TURN_S)  # noqa: TID251 - a fixed interval
            mono = self._clock.monotonic()
            for key in [key for key, at in self._unwanted.items() if at <= mono][:FEW]:
                await self._tidy(key)
            named = [name for name, (at, _) in self._misnamed.items() if at <= mono]
            for name in named[:FEW]:
                await self._ignore(self._misnamed.pop(name)[1])

    def _changed(self, change: Change[Seen]) -> None:
        """An object came whose name is not the one that its source gives."""
        seen = change.after
        if seen is not None and not seen.named:
            self._misnamed[seen.namespace, seen.name] = self._clock.monotonic(), seen

    async def _remove_made(self, key: SnapshotKey) -> None:
        """Removes the object of a snapshot that was made for pods. ApiError, FencedError: it may be
        there still.
        """
        seen = self._copies.snapshots.items.get((key.namespace, key.source.snapshot))
        if seen is None or seen.declared:
            return
        with suppress(NotFoundError):
            await self._api.delete(
                SECRET_SNAPSHOTS.path(key.namespace, key.source.snapshot), uid=seen.uid
            )

    async def _tidy(self, key: SnapshotKey) -> None:
        """Removes the object of what was never served, unless it is wanted again."""
        del self._unwanted[key]
        if self._statuses.decision(key) is not None:
            return
        try:
            await self._remove_made(key)
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

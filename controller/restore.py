"""What was published before this process began: the records of the release namespace."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contract.snapshot_format import VALUE
from contract.wire import WireError
from controller.demand import DemandedParts
from controller.reconcile import Known
from controller.snapshot_record import from_secret
from controller.telemetry import say
from controller.times import seconds
from kube.errors import ForbiddenError, GoneError, TemporaryError
from refresh.model import SnapshotKey, SourceKey
from refresh.snapshot_data import published

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from contract import ages
    from controller.namespace_ages import FreshnessMaps
    from controller.record_store import Records
    from controller.snapshot_objects import WatchedSnapshot
    from controller.snapshot_record import SnapshotRecord
    from kube.api import Json
    from kube.reflector import Reflector
    from refresh.sink import Publication

_AT_ONCE = 16
"""ConfigMaps that are asked for together."""
_AGAIN_S = 1.0
"""Between two tries to list while the API server is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """One snapshot as it was left: what was written of it, and what its status told last."""

    key: SnapshotKey
    publication: Publication
    entry: ages.Entry | None
    """Its age; None: there is none that can be read."""
    keys: Collection[str]
    """All keys that pods may mount."""
    refresh_handled: float | None = None
    """The request for a refresh that was answered last. Times in seconds since the epoch."""
    undemanded_since: float | None = None
    refused_since: float | None = None

    @property
    def known(self) -> Known:
        """What the first decision on it begins from. What was taken of it is known as far as its
        keys tell: the deeper properties, for all others are there in any case.
        """
        names = (key.removeprefix("p.") for key in self.keys if key.startswith("p."))
        deeper = frozenset(name.replace("..", "/") for name in names if ".." in name)
        return Known(
            parts=DemandedParts(properties=deeper, whole=True),
            synced=True,
            undemanded_since=self.undemanded_since,
            refused_since=self.refused_since,
        )


class Restore:
    """Lists records, and reads the ages of their namespaces."""

    def __init__(
        self,
        records: Records,
        freshness: FreshnessMaps,
        snapshots: Reflector[WatchedSnapshot],
        namespace_uid: Callable[[str], str],
        cluster: str,
    ) -> None:
        """`namespace_uid` is "" where there is no such namespace; `cluster` is our own UID."""
        self._records = records
        self._freshness = freshness
        self._snapshots = snapshots
        self._namespace_uid = namespace_uid
        self._cluster = cluster
        self._taken: set[str] = set()

    async def everything(self) -> AsyncIterator[Restored | None]:
        """Nothing is decided before all of it is known, so it is asked for until it is. ApiError:
        it can't be, for example because a right is missing.
        """
        while True:
            try:
                async for page in self._records.pages():
                    yield None
                    for found in await self._read(page):
                        yield found
            except (TemporaryError, GoneError) as error:
                say(logging.WARNING, "controller.not_restored_yet", why=str(error))
                yield None
                await asyncio.sleep(_AGAIN_S)  # noqa: TID251 - the server's moment to come back
            else:
                return

    async def _read(self, page: list[Json]) -> list[Restored]:
        new = [item for item in page if item["metadata"]["name"] not in self._taken]
        records = [record for item in new if (record := self._taken_over(item)) is not None]
        await self._load({record.namespace for record in records})
        self._taken |= {item["metadata"]["name"] for item in new}
        return [self._remembered(record) for record in records]

    def _taken_over(self, content: Json) -> SnapshotRecord | None:
        """None: it can't be read, or its namespace is gone."""
        try:
            record = from_secret(content)
        except WireError as error:
            name = content["metadata"]["name"]
            say(logging.ERROR, "controller.not_restored", record=name, why=str(error))
            return None
        uid = self._namespace_uid(record.namespace)
        if (
            record.meta.cluster != self._cluster
        ):  # a backup of another cluster, where UIDs were others
            record = replace(record, namespace_uid=uid)
            if not uid:
                return None
        if uid != record.namespace_uid:
            self._records.abandon(record, content)
            return None
        self._records.keep(record, content)
        return record

    async def _load(self, namespaces: set[str]) -> None:
        permits = asyncio.Semaphore(_AT_ONCE)

        async def load(namespace: str) -> None:
            try:
                async with permits:
                    await self._freshness.load(namespace)
            except ForbiddenError as error:  # without its ages, which errs towards older
                say(logging.WARNING, "controller.ages_not_read", ns=namespace, why=str(error))

        await asyncio.gather(*(load(namespace) for namespace in namespaces))

    def _remembered(self, record: SnapshotRecord) -> Restored:
        namespace, name, meta = record.namespace, record.snapshot, record.meta
        source = SourceKey(meta.account, meta.identity, meta.scheme, meta.reference)
        seen = self._snapshots.items.get((namespace, name))
        status = {} if seen is None else seen.status
        return Restored(
            key=SnapshotKey(namespace, source),
            publication=published(meta, record.data.get(VALUE, b""), record.history),
            entry=self._freshness.entry(namespace, name),
            keys=record.keys,
            refresh_handled=seconds(status.get("lastHandledRefresh")),
            undemanded_since=seconds(status.get("unusedSince")),
            refused_since=seconds(status.get("refusedSince")),
        )

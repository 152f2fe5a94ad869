"""Writes each snapshot's record and Secret, and the ages of its namespace: the engine's sink."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from contract.reasons import Found, Serving
from contract.snapshot_format import META
from controller.publish import is_held_back, publish
from controller.reported_status import Late
from controller.telemetry import say
from controller.tenant_secrets import ForeignSecretError
from controller.write_errors import is_lasting, why_not
from kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from contract.ages import Entry
    from contract.snapshot_format import Meta
    from controller.informers import Informers
    from controller.namespace_ages import FreshnessMaps
    from controller.nudges import Nudges
    from controller.record_store import Records
    from controller.status_writer import StatusWriter
    from controller.tenant_secrets import Secrets
    from kube.api import Api
    from refresh.model import SnapshotKey, SnapshotState
    from refresh.sink import Publication
    from workqueue.clock import Clock

AGES_LATE_S = 20.0
"""Ages that could not be written for so long are reported. Before, it may be a short disturbance.
"""


class SnapshotWriter:
    """Writes as the engine asks. What it could not write, the status tells (`statuses`)."""

    def __init__(
        self,
        api: Api,
        *,
        informers: Informers,
        records: Records,
        secrets: Secrets,
        freshness: FreshnessMaps,
        nudges: Nudges,
        statuses: StatusWriter,
        clock: Clock,
    ) -> None:
        self._api = api
        self._informers = informers
        self._records = records
        self._secrets = secrets
        self._freshness = freshness
        self._nudges = nudges
        self._statuses = statuses
        self._clock = clock
        self._refused: dict[SnapshotKey, int] = {}
        """Writes of a snapshot that failed, one after another."""
        self._ages_late: dict[str, Late] = {}
        """Namespaces whose ages could not be written."""
        self._locks: WeakValueDictionary[SnapshotKey, asyncio.Lock] = WeakValueDictionary()
        self._epochs: dict[SnapshotKey, int] = {}
        """How often a snapshot was removed."""

    async def publish(self, key: SnapshotKey, publication: Publication) -> None:
        """Writes record and Secret (`publish`), but not what was asked before a removal."""
        epoch = self._epochs.get(key, 0)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if epoch == self._epochs.get(key, 0):
                await self._publish(key, publication)

    @asynccontextmanager
    async def removing(self, key: SnapshotKey) -> AsyncIterator[None]:
        """No write of the snapshot runs during the block. What was asked before its end is not
        written, unless the block raises.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            yield
            self._epochs[key] = self._epochs.get(key, 0) + 1
            self._refused.pop(key, None)

    async def _publish(self, key: SnapshotKey, publication: Publication) -> None:
        meta, keys = publication.meta, {META, *publication.values}
        held = self._records.get(key)
        recorded = frozenset(() if held is None else held.keys)
        # Of a write that was begun before it is not known what pods have seen.
        there = frozenset() if held is None or held.unfinished else recorded
        # A key that goes would freeze the volumes of `mount` pods that project it, and they would
        # never see that the value is gone.
        emptied = frozenset() if meta.serving is Serving.SERVED else recorded - keys
        entry = self._freshness.entry(key.namespace, key.source.snapshot)
        held_back = is_held_back(held, entry, meta)
        try:
            wrote = await publish(
                self._records,
                self._secrets,
                key,
                publication,
                emptied=emptied,
                held_back=held_back,
            )
        except ForeignSecretError:
            self._statuses.found(key, Found.FOREIGN_SECRET)
            raise
        except ApiError as error:
            await self._failed(key, error)
            raise
        self._refused.pop(key, None)
        self._statuses.found(key, None)
        if not wrote:
            return
        before = self._statuses.published(key, meta)
        if self._is_urgent(key, before, meta) or not keys | emptied <= there:
            self._nudges.ask(key.namespace, self._statuses.consumers(key))

    async def _failed(self, key: SnapshotKey, error: ApiError) -> None:
        """Tells the status why, once it is no short disturbance."""
        refused = self._refused[key] = self._refused.get(key, 0) + 1
        of_record = error.path.startswith(self._records.folder)
        of_record &= not error.path.endswith(key.source.snapshot)
        found = await why_not(self._api, key.namespace, error, of_record=of_record)
        if is_lasting(found) or refused > 1:
            self._statuses.found(key, found)

    async def report(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        if ("", namespace) not in self._informers.namespaces.items:
            return
        unrecorded = {name for name in entries if self._records.is_doubtful(namespace, name)}
        try:
            await self._freshness.report(namespace, entries, unrecorded)
        except ApiError as error:
            mono = self._clock.monotonic()
            late = self._ages_late.setdefault(namespace, Late(mono))
            if not late.told and mono - late.since >= AGES_LATE_S:
                say(logging.ERROR, "controller.ages_not_written", ns=namespace, why=str(error))
                late.told = True
                self._statuses.ages_late(namespace, late=True)
            raise
        ended = self._ages_late.pop(namespace, None)
        if ended is not None and ended.told:
            self._statuses.ages_late(namespace, late=False)

    async def status(self, key: SnapshotKey, state: SnapshotState) -> None:
        self._statuses.show(key, state)

    def forget(self, key: SnapshotKey) -> None:
        """The snapshot's namespace is gone."""
        self._refused.pop(key, None)
        self._freshness.forget(key.namespace)
        self._ages_late.pop(key.namespace, None)
        self._statuses.ages_late(key.namespace, late=False)

    def _is_urgent(self, key: SnapshotKey, before: Meta | None, meta: Meta) -> bool:
        """Whether pods are to see it at once: it is the first, or operators' doing, or the class
        says so. So they are when there is a key that was not: a pod may wait for it.
        """
        if before is None:
            return True
        if before.serving == meta.serving and _is_same(before, meta):
            return False
        decided = self._statuses.decision(key)
        operated = (before.pin, before.revoked, before.serving, before.quarantined) != (
            meta.pin,
            meta.revoked,
            meta.serving,
            meta.quarantined,
        )
        return operated or (decided is not None and decided.nudge)


def _is_same(before: Meta, meta: Meta) -> bool:
    """Whether the same version is served; one whose incarnation is known now is no other."""
    known = before.incarnation
    return before.version == meta.version and known in {None, meta.incarnation}

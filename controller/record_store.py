"""The records of all snapshots, in the release namespace: listed once at the start, then written by
this process alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from contract.snapshot_format import META, VALUE
from contract.wire import WireError
from controller.snapshot_record import (
    RECORD_TYPE,
    SnapshotRecord,
    Written,
    fitted,
    from_secret,
    is_too_large,
    record_name,
    to_secret,
    with_extra,
)
from kube.api_resources import NAMESPACES, SECRETS
from kube.errors import ApiError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from contract.snapshot_format import Meta
    from kube.api import Json
    from refresh.model import SnapshotKey

_TRIES = 3
"""Of one write, each after another answer."""


class RecordWrites(Protocol):
    """What is asked of the API server: `kube.api.Api`, fenced."""

    async def get(self, path: str) -> Json:
        """NotFoundError."""
        ...

    def pages(self, path: str, *, field_selector: str | None = None) -> AsyncGenerator[Json, None]:
        """The pages of a list. GoneError on the way: begin again."""
        ...

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        """AlreadyExistsError."""
        ...

    async def replace(self, path: str, body: Mapping[str, Any]) -> Json:
        """NotFoundError, ConflictError."""
        ...

    async def delete(self, path: str, *, uid: str | None = None) -> Json:
        """NotFoundError; ConflictError: it has another UID."""
        ...


class UntakenRecordError(Exception):
    """There is a record that this process should have taken over. Caught by main: the process ends
    and starts again.
    """


class _Orphan(NamedTuple):
    """A record whose namespace is gone."""

    uid: str
    namespace: str
    namespace_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecord:
    """What is known of one record as it stands there, without secret values."""

    resource_version: str
    digest: bytes
    uid: str
    namespace_uid: str
    keys: tuple[str, ...]
    """Of the snapshot's Secret."""
    written: Written | None
    told: str | None
    """The UID that the record gives itself; None: none yet."""
    extra: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    unknown: Mapping[str, Any] = field(default_factory=dict)
    extra_of: object = None
    """The served version and the revocations that `extra` was written for."""

    @property
    def unfinished(self) -> bool:
        """Whether a write of the snapshot's Secret was begun, and its end is not known."""
        return self.written is None or not self.written.whole

    @property
    def restored(self) -> bool:
        """Whether a backup brought it back: what the snapshot's Secret holds may be newer."""
        return self.told is not None and self.told != self.uid


class Records:
    """The records of one controller. `namespace_uid` gives a namespace's UID, "" when there is no
    such namespace. `salt` is random, and stays in this process: digests are only compared with each
    other. Calls for one snapshot must not overlap.
    """

    def __init__(
        self, api: RecordWrites, namespace: str, namespace_uid: Callable[[str], str], salt: bytes
    ) -> None:
        self._api = api
        self.folder = SECRETS.path(namespace)
        """Where records are."""
        self._namespace = namespace
        self._namespace_uid = namespace_uid
        self._salt = salt
        self._recorded: dict[tuple[str, str], KnownRecord] = {}
        self._orphans: dict[str, _Orphan] = {}
        """By name, records whose namespace is gone."""
        self.untaken: str | None = None
        """The name of a record of a namespace that is there, which this process did not take over
        at its start; None: there is none. Then the process must start again."""

    async def pages(self) -> AsyncGenerator[list[Json], None]:
        """The records as they stand there, in pages. ApiError; GoneError: begin again."""
        path = SECRETS.path(self._namespace)
        async for page in self._api.pages(path, field_selector=f"type={RECORD_TYPE}"):
            yield page.get("items") or []

    def keep(self, record: SnapshotRecord, content: Json) -> None:
        """Takes over a record, and how it stands there."""
        metadata = content["metadata"]
        self._recorded[record.namespace, record.snapshot] = KnownRecord(
            resource_version=str(metadata["resourceVersion"]),
            digest=self._digest(content),
            uid=str(metadata["uid"]),
            namespace_uid=record.namespace_uid,
            keys=record.keys,
            written=record.written,
            told=record.uid,
            extra=record.extra,
            unknown=record.unknown,
            extra_of=_extra_of(record.meta),
        )

    def abandon(self, record: SnapshotRecord, content: Json) -> None:
        """The record's namespace is gone: the record goes with `remove_orphan`."""
        place = record.namespace, record.snapshot
        uid = str(content["metadata"]["uid"])
        orphan = _Orphan(uid, record.namespace, record.namespace_uid)
        self._orphans[record_name(*place)] = orphan

    def lose(self, key: SnapshotKey) -> None:
        """The same, of one that is held."""
        recorded = self._recorded.pop(_place(key), None)
        if recorded is not None:
            orphan = _Orphan(recorded.uid, key.namespace, recorded.namespace_uid)
            self._orphans[record_name(*_place(key))] = orphan

    def trust(self, key: SnapshotKey) -> None:
        """The provider has answered: what a backup brought back is what pods are given."""
        recorded = self._recorded.get(_place(key))
        if recorded is not None:
            self._recorded[_place(key)] = replace(recorded, told=recorded.uid)

    @property
    def has_orphans(self) -> bool:
        """Whether there is a record to remove."""
        return bool(self._orphans)

    async def remove_orphan(self) -> None:
        """Removes one record whose namespace is gone, as the API server says itself: a watch may
        lag. ApiError: it comes again, as the last.
        """
        name, orphan = next(iter(self._orphans.items()))
        del self._orphans[name]
        try:
            if await self._uid(orphan.namespace) == orphan.namespace_uid:
                self.untaken = name
                return
            with suppress(ConflictError):  # one of this name was made since, which stays
                await self._remove(name, orphan.uid)
        except ApiError:
            self._orphans[name] = orphan
            raise

    async def is_of_its_namespace(self, record: SnapshotRecord) -> bool:
        """Whether the record's namespace is still the one that it was made for."""
        return await self._uid(record.namespace) == record.namespace_uid

    async def _uid(self, namespace: str) -> str:
        """Empty where there is no such namespace."""
        try:
            found = await self._api.get(NAMESPACES.path(name=namespace))
        except NotFoundError:
            return ""
        return str(found["metadata"]["uid"])

    def get(self, key: SnapshotKey) -> KnownRecord | None:
        """What is known of a record; None: there is none."""
        return self._recorded.get(_place(key))

    def is_doubtful(self, namespace: str, snapshot: str) -> bool:
        """Whether the Secret may be another than a record says: there is none, or a backup's."""
        recorded = self._recorded.get((namespace, snapshot))
        return recorded is None or recorded.restored

    async def begin(
        self,
        key: SnapshotKey,
        meta: Meta,
        data: Mapping[str, bytes],
        history: Mapping[str, bytes],
    ) -> SnapshotRecord:
        """Records what is to be served and kept, and that the snapshot's Secret is not known to be
        so. `data` has `meta` as its meta.json. Nothing is sent where that is recorded already. A
        record belongs to one namespace by its UID, so nothing of it reaches one that was made
        again: NotFoundError.
        """
        recorded = self._recorded.get(_place(key))
        there = self._namespace_uid(key.namespace)
        if not there or (recorded is not None and recorded.namespace_uid != there):
            path = NAMESPACES.path(name=key.namespace)
            raise NotFoundError(status=404, reason="NamespaceGone", method="PUT", path=path)
        keep = recorded is not None and recorded.extra_of == _extra_of(meta)
        whole = SnapshotRecord(
            namespace=key.namespace,
            namespace_uid=there,
            snapshot=key.source.snapshot,
            meta=meta,
            data={VALUE: data[VALUE], META: data[META]},
            history=history,
            keys=tuple(sorted(data)),
            written=None if recorded is None else recorded.written,
            uid=None if recorded is None else recorded.told,
            unknown={} if recorded is None else recorded.unknown,
        )
        record = fitted(with_extra(whole, recorded.extra if recorded is not None and keep else {}))
        if is_too_large(record):
            record = fitted(whole)
        if recorded is not None and self._digest(to_secret(record)) == recorded.digest:
            return record
        if record.written is not None:
            record = replace(record, written=replace(record.written, whole=False))
        return await self._write(record)

    async def written(self, record: SnapshotRecord, resource_version: str) -> None:
        """Records that the snapshot's Secret is as `record` says, and where that is told.
        NotFoundError: the record was given up meanwhile.
        """
        recorded = self._recorded.get((record.namespace, record.snapshot))
        if recorded is None:
            raise _given_up(record)
        done = Written(resource_version=resource_version, whole=True)
        record = replace(
            record, written=done, uid=recorded.told if recorded.restored else recorded.uid
        )
        if self._digest(to_secret(record)) != recorded.digest:
            await self._write(record)

    async def delete(self, key: SnapshotKey) -> None:
        """Removes a record. ApiError: it may be there still."""
        recorded = self._recorded.get(_place(key))
        if recorded is not None:
            name = record_name(*_place(key))
            try:
                await self._remove(name, recorded.uid)
            except ConflictError:  # a backup brought it back meanwhile
                await self._remove(name, None)
            del self._recorded[_place(key)]

    async def _remove(self, name: str, uid: str | None) -> None:
        """ConflictError: a record of this name was made since, which stays."""
        with suppress(NotFoundError):
            await self._api.delete(SECRETS.path(self._namespace, name), uid=uid)

    async def _write(self, record: SnapshotRecord) -> SnapshotRecord:
        """One that somebody else changed is written over: nobody but the leader may write it, and
        while we may write, we are that. What is written is the truth, so it is no backup's.
        """
        place = record.namespace, record.snapshot
        recorded = self._recorded.get(place)
        known = None if recorded is None else (recorded.resource_version, record.uid)
        for _ in range(_TRIES):
            record = replace(record, uid=None if known is None else known[1])
            try:
                found = await self._once(record, None if known is None else known[0])
            except NotFoundError:
                if known is None:
                    raise
                known = None
            except ConflictError:  # also: one is there already
                known = await self._found(record, is_new=recorded is None)
            else:
                if recorded is not None and place not in self._recorded:
                    raise _given_up(record)
                self._orphans.pop(record_name(*place), None)  # it is the new namespace's
                self.keep(record, found)
                return record
        raise self._conflict(record)

    async def _once(self, record: SnapshotRecord, version: str | None) -> Json:
        body = to_secret(record)
        folder = SECRETS.path(self._namespace)
        if version is None:
            return await self._api.create(folder, body)
        body["metadata"] = {**body["metadata"], "resourceVersion": version}
        return await self._api.replace(f"{folder}/{body['metadata']['name']}", body)

    async def _found(
        self, record: SnapshotRecord, *, is_new: bool
    ) -> tuple[str, str | None] | None:
        """Resource version and UID of the record that is there; None: none is any more.

        ConflictError: it must not be written over. It can't be read by this version, or it is of a
        namespace that is there, and this process has not taken it over.
        """
        name = record_name(record.namespace, record.snapshot)
        try:
            found = await self._api.get(SECRETS.path(self._namespace, name))
        except NotFoundError:
            return None
        try:
            other = from_secret(found)
        except WireError:
            raise self._conflict(record) from None
        own = self._digest(found) == self._digest(to_secret(record))
        if is_new and not own and other.namespace_uid == record.namespace_uid:
            self.untaken = name
            raise self._conflict(record)
        metadata = found["metadata"]
        return str(metadata["resourceVersion"]), str(metadata["uid"])

    def _conflict(self, record: SnapshotRecord) -> ConflictError:
        path = f"{self.folder}/{record_name(record.namespace, record.snapshot)}"
        return ConflictError(status=409, reason="Conflict", method="PUT", path=path)

    def _digest(self, content: Json) -> bytes:
        """Of all that a Secret holds, whatever the order of its keys."""
        data = content.get("data") or {}
        told = blake2b(key=self._salt, digest_size=16)
        for name in sorted(data):
            told.update(f"{name}:{data[name]};".encode())
        return told.digest()


def _given_up(record: SnapshotRecord) -> NotFoundError:
    path = NAMESPACES.path(name=record.namespace)
    return NotFoundError(status=404, reason="NamespaceGone", method="PUT", path=path)


def _place(key: SnapshotKey) -> tuple[str, str]:
    return key.namespace, key.source.snapshot


def _extra_of(meta: Meta) -> object:
    """What a newer version's keys belong to: once another version is served, or one is revoked,
    they may hold what must not be served.
    """
    return meta.serving, meta.version, meta.incarnation, meta.revoked

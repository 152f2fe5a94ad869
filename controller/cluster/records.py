"""The records of all snapshots, in the release namespace: listed once at the start, then written by
this process alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from contract.snapshot import META, VALUE, from_wire
from contract.wire import WireError
from controller.cluster.record import (
    RECORD_TYPE,
    SECRET_KEY_PREFIX,
    Record,
    Written,
    record_name,
    to_secret,
)
from kube.errors import ApiError, ConflictError, NotFoundError
from kube.resources import SECRETS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from kube.api import Json
    from refresh.model import SnapshotKey

_TRIES = 3
"""Of one write, each after another answer."""


class Writes(Protocol):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
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
        self, api: Writes, namespace: str, namespace_uid: Callable[[str], str], salt: bytes
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._namespace_uid = namespace_uid
        self._salt = salt
        self._held: dict[tuple[str, str], Held] = {}
        self._orphans: dict[str, str] = {}
        """Names and UIDs of records whose namespace is gone."""

    async def pages(self) -> AsyncGenerator[list[Json], None]:
        """The records as they stand there, in pages. ApiError; GoneError: begin again."""
        path = SECRETS.path(self._namespace)
        async for page in self._api.pages(path, field_selector=f"type={RECORD_TYPE}"):
            yield page.get("items") or []

    def hold(self, record: Record, content: Json) -> None:
        """Takes over a record, and how it stands there."""
        metadata = content["metadata"]
        self._held[record.namespace, record.snapshot] = Held(
            resource_version=str(metadata["resourceVersion"]),
            digest=self._digest(content),
            uid=str(metadata["uid"]),
            namespace_uid=record.namespace_uid,
            keys=record.keys,
            written=record.written,
            told=record.uid,
            extra=record.extra,
            unknown=record.unknown,
            extra_of=_extra_of(record.data),
        )

    def abandon(self, record: Record, content: Json) -> None:
        """The record's namespace is gone: the record goes with `remove_orphan`."""
        place = record.namespace, record.snapshot
        self._orphans[record_name(*place)] = str(content["metadata"]["uid"])

    def lose(self, key: SnapshotKey) -> None:
        """The same, of one that is held."""
        held = self._held.pop(_place(key), None)
        if held is not None:
            self._orphans[record_name(*_place(key))] = held.uid

    def trust(self, key: SnapshotKey) -> None:
        """The provider has answered: what a backup brought back is what pods are given."""
        held = self._held.get(_place(key))
        if held is not None:
            self._held[_place(key)] = replace(held, told=held.uid)

    @property
    def has_orphans(self) -> bool:
        """Whether there is a record to remove."""
        return bool(self._orphans)

    async def remove_orphan(self) -> None:
        """Removes one record whose namespace is gone. ApiError: it comes again, as the last."""
        name, uid = next(iter(self._orphans.items()))
        del self._orphans[name]
        try:
            with suppress(ConflictError):  # one of this name was made since, which stays
                await self._remove(name, uid)
        except ApiError:
            self._orphans[name] = uid
            raise

    def get(self, key: SnapshotKey) -> Held | None:
        """What is known of a record; None: there is none."""
        return self._held.get(_place(key))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Namespace and snapshot of each record that is known."""
        return iter(tuple(self._held))

    async def begin(
        self, key: SnapshotKey, data: Mapping[str, bytes], history: Mapping[str, bytes]
    ) -> Record:
        """Records what is to be served and kept, and that the snapshot's Secret is not known to be
        so. Nothing is sent where that is recorded already.
        """
        held = self._held.get(_place(key))
        keep = held is not None and held.extra_of == _extra_of(data)
        extra = held.extra if held is not None and keep else {}
        newer = {
            name.removeprefix(SECRET_KEY_PREFIX)
            for name in extra
            if name.startswith(SECRET_KEY_PREFIX)
        }
        record = Record(
            namespace=key.namespace,
            namespace_uid=self._namespace_uid(key.namespace),
            snapshot=key.source.snapshot,
            data={VALUE: data[VALUE], META: data[META]},
            history=history,
            keys=tuple(sorted({*data, *newer})),
            written=None if held is None else held.written,
            uid=None if held is None else held.told,
            extra=extra,
            unknown={} if held is None else held.unknown,
        )
        if held is not None and self._digest(to_secret(record)) == held.digest:
            return record
        if held is not None:
            record = replace(record, uid=held.uid)
        if record.written is not None:
            record = replace(record, written=replace(record.written, whole=False))
        return await self._write(record)

    async def written(self, record: Record, resource_version: str) -> None:
        """Records that the snapshot's Secret is as `record` says, and where that is told."""
        held = self._held[record.namespace, record.snapshot]
        done = Written(resource_version=resource_version, whole=True)
        record = replace(record, written=done, uid=held.uid)
        if self._digest(to_secret(record)) != held.digest:
            await self._write(record)

    async def delete(self, key: SnapshotKey) -> None:
        """Removes a record. ApiError: it may be there still."""
        held = self._held.get(_place(key))
        if held is not None:
            await self._remove(record_name(*_place(key)), held.uid)
            del self._held[_place(key)]

    async def _remove(self, name: str, uid: str) -> None:
        """ConflictError: a record of this name was made since, which stays."""
        with suppress(NotFoundError):
            await self._api.delete(SECRETS.path(self._namespace, name), uid=uid)

    async def _write(self, record: Record) -> Record:
        """One that somebody else changed is written over: nobody but the leader may write it, and
        while we may write, we are that.
        """
        place = record.namespace, record.snapshot
        body = to_secret(record)
        path = SECRETS.path(self._namespace, body["metadata"]["name"])
        self._orphans.pop(body["metadata"]["name"], None)  # it is a new namespace's from here on
        held = self._held.get(place)
        version = None if held is None else held.resource_version
        for attempt in range(_TRIES):
            try:
                if version is None:
                    found = await self._api.create(SECRETS.path(self._namespace), body)
                else:
                    metadata = {**body["metadata"], "resourceVersion": version}
                    found = await self._api.replace(path, {**body, "metadata": metadata})
            except ConflictError:  # also: one is there already
                version = await self._version(path)
            except NotFoundError:
                if version is None or attempt == _TRIES - 1:
                    raise
                version = None
            else:
                self.hold(record, found)
                return record
        raise ConflictError(status=409, reason="Conflict", method="PUT", path=path)

    async def _version(self, path: str) -> str | None:
        """None: there is none any more."""
        try:
            found = await self._api.get(path)
        except NotFoundError:
            return None
        return str(found["metadata"]["resourceVersion"])

    def _digest(self, content: Json) -> bytes:
        """Of all that a Secret holds, whatever the order of its keys."""
        data = content.get("data") or {}
        told = blake2b(key=self._salt, digest_size=16)
        for name in sorted(data):
            told.update(f"{name}:{data[name]};".encode())
        return told.digest()


def _place(key: SnapshotKey) -> tuple[str, str]:
    return key.namespace, key.source.snapshot


def _extra_of(data: Mapping[str, bytes]) -> object:
    """What a newer version's keys belong to: once another version is served, or one is revoked,
    they may hold what must not be served. None: that can't be told.
    """
    try:
        meta = from_wire(data.get(META, b""))
    except WireError:
        return None
    return meta.serving, meta.version, meta.revoked

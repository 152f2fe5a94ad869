"""The record of one snapshot: a Secret of the release namespace that says what is served, what is
kept, and what was written where. It is the authority; a snapshot's Secret in a tenant's namespace
is only written from it (docs/design/017). Pure.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from contract import wire
from contract.object_names import snapshot_name
from contract.reasons import Serving
from contract.snapshot_format import META, VALUE, from_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.snapshot_format import Meta

RECORD_TYPE = "lastgood.dev/record"
MARK = {"app.kubernetes.io/managed-by": "lastgood"}
"""On every Secret of ours: by it the chart's policy knows what nobody else may delete."""
RECORD = "record.json"
HISTORY = "history.json"
VERSION_PREFIX = "v."
SECRET_KEY_PREFIX = "k."
"""Before a key that a newer version of lastgood put into the snapshot's Secret, see
`SnapshotRecord.extra`.
"""
MOST_BYTES = 1 << 20
"""Of a Secret's values together (MaxSecretSize in Kubernetes' core/v1)."""
_OURS = frozenset({RECORD, META, VALUE, HISTORY})
_FIELDS = frozenset({"v", "namespace", "namespace_uid", "snapshot", "keys", "written", "uid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The last write of the snapshot's Secret that was answered."""

    resource_version: str
    whole: bool
    """Whether the Secret was as the record says, then. False: a write was begun after it, and its
    end is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecord:
    """One record. Bytes are secret values and must not be printed."""

    namespace: str
    namespace_uid: str
    snapshot: str
    """The name of the SecretSnapshot and of its Secret."""
    meta: Meta
    """What `data` has as meta.json."""
    data: Mapping[str, bytes] = field(repr=False)
    """`value` and `meta.json` of the snapshot."""
    history: Mapping[str, bytes] = field(repr=False)
    """Of the versions that are kept beside: `meta.json` and `v.<hash>`, as
    `refresh.snapshot_data.history_data` has them."""
    keys: tuple[str, ...]
    """All keys of the snapshot's Secret."""
    written: Written | None
    """None: the Secret was never written."""
    uid: str | None
    """The record's own UID as it was told itself; None: not yet. Another UID than the object's
    means that a backup was restored."""
    extra: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Keys of a newer version of lastgood, which this one does not know. Those that begin with
    `k.` stand in the snapshot's Secret too, without the `k.`."""
    unknown: Mapping[str, Any] = field(default_factory=dict)
    """Members of `record.json` of a newer version."""

    @property
    def secret_extra(self) -> dict[str, bytes]:
        """What a newer version put into the snapshot's Secret."""
        return {
            key.removeprefix(SECRET_KEY_PREFIX): value
            for key, value in self.extra.items()
            if key.startswith(SECRET_KEY_PREFIX)
        }


def record_name(namespace: str, snapshot: str) -> str:
    """The name of a snapshot's record: an RFC 1123 subdomain of at most 100 characters. The hash
    alone tells records apart.
    """
    told = f"{len(namespace)}:{namespace}{snapshot}"
    return f"lgr-{namespace}-{sha256(told.encode()).hexdigest()[:32]}"


def with_extra(record: SnapshotRecord, extra: Mapping[str, bytes]) -> SnapshotRecord:
    """The same with a newer version's keys."""
    made = replace(record, extra=extra)
    return replace(made, keys=tuple(sorted({*record.keys, *made.secret_extra})))


def fitted(record: SnapshotRecord) -> SnapshotRecord:
    """The same without the kept versions that do not fit into one Secret, the largest first."""
    history = dict(record.history)
    over = sum(map(len, _contents(record).values())) - MOST_BYTES
    values = (key for key in history if key.startswith(VERSION_PREFIX))
    for key in sorted(values, key=lambda key: len(history[key]), reverse=True):
        if over > 0:
            over -= len(history.pop(key))
    return replace(record, history=history)


def is_too_large(record: SnapshotRecord) -> bool:
    """Whether the API server would refuse it for its size."""
    return sum(map(len, _contents(record).values())) > MOST_BYTES


def to_secret(record: SnapshotRecord) -> dict[str, Any]:
    """The Secret, without a resource version."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": RECORD_TYPE,
        "metadata": {"name": record_name(record.namespace, record.snapshot), "labels": MARK},
        "data": encoded(_contents(record)),
    }


def _contents(record: SnapshotRecord) -> dict[str, bytes]:
    document = {
        **record.unknown,
        "namespace": record.namespace,
        "namespace_uid": record.namespace_uid,
        "snapshot": record.snapshot,
        "keys": sorted(record.keys),
        "written": None
        if record.written is None
        else {
            "resource_version": record.written.resource_version,
            "whole": record.written.whole,
        },
        "uid": record.uid,
    }
    history = {HISTORY if key == META else key: value for key, value in record.history.items()}
    return {**record.extra, **record.data, **history, RECORD: wire.encode(document).encode()}


def _meta(snapshot: str, data: Mapping[str, bytes]) -> Meta:
    """The record's, if a start can take it over with its pins and revocations; else a WireError."""
    meta = from_wire(data.get(META, b""))
    if snapshot_name(meta.account, meta.identity, meta.scheme, meta.reference) != snapshot:
        raise wire.WireError(f"{META} names the source of another snapshot")
    if meta.serving is Serving.SERVED and not data.get(VALUE):
        raise wire.WireError(f"{VALUE} is empty, and {META} says that it is served")
    return meta


def from_secret(content: Mapping[str, Any]) -> SnapshotRecord:
    """The record of a Secret as the API server answers with it. WireError: it is none that this
    version can read.
    """
    data = decoded(content)
    document = wire.decode(data.get(RECORD, b""), RECORD)
    namespace, snapshot = wire.text(document, "namespace"), wire.text(document, "snapshot")
    if content["metadata"]["name"] != record_name(namespace, snapshot):
        raise wire.WireError(f"{RECORD} is of another snapshot than the record's name")
    meta = _meta(snapshot, data)
    history = {key: value for key, value in data.items() if key.startswith(VERSION_PREFIX)}
    if HISTORY in data:
        history[META] = data[HISTORY]
    return SnapshotRecord(
        namespace=namespace,
        namespace_uid=wire.text(document, "namespace_uid"),
        snapshot=snapshot,
        meta=meta,
        data={key: data[key] for key in (VALUE, META) if key in data},
        history=history,
        keys=wire.texts(document, "keys"),
        written=_written(document),
        uid=wire.optional_text(document, "uid"),
        extra={
            key: value
            for key, value in data.items()
            if key not in _OURS and not key.startswith(VERSION_PREFIX)
        },
        unknown={name: value for name, value in document.items() if name not in _FIELDS},
    )


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    """A Secret's `data`, in base64."""
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def decoded(content: Mapping[str, Any]) -> dict[str, bytes]:
    """A Secret's `data`, as bytes."""
    data = content.get("data") or {}
    return {key: base64.b64decode(value or "") for key, value in data.items()}


def _written(document: dict[str, Any]) -> Written | None:
    if document.get("written") is None:
        return None
    item = wire.mapping(document, "written")
    return Written(
        resource_version=wire.text(item, "resource_version"), whole=item.get("whole") is True
    )

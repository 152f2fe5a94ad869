"""SecretSnapshots as the API server has them: as operators read and change them, and as the
controller follows and makes them. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api import snapshot
from contract.annotations import PREFIX, REFRESH_REQUESTED
from contract.object_names import snapshot_name
from contract.reference import is_property
from contract.snapshot_format import MOST_VERSIONS, is_version
from controller.conditions import dated
from controller.snapshot_status import from_wire
from controller.spec import SnapshotName, Spec
from controller.times import rfc3339, seconds
from refresh.model import SnapshotKey, SourceKey
from refresh.versions import ROLLED_BACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.snapshot_status import Status
    from refresh.model import SnapshotState

API_VERSION = "lastgood.dev/v1alpha1"
KIND = "SecretSnapshot"
MADE_FOR = PREFIX + "made-for"
"""Our mark on a SecretSnapshot that the controller made because pods ask for it; one without it was
declared.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One SecretSnapshot."""

    name: SnapshotName
    resource_version: str
    right_name: str
    """That its source gives; the controller passes one of another name over."""
    spec: Spec
    status: Status
    """Never synced, where the controller has not seen it yet."""

    @property
    def counts(self) -> bool:
        """Whether the controller looks at it."""
        return self.name.snapshot == self.right_name


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class WatchedSnapshot:
    """What is kept of one SecretSnapshot."""

    namespace: str
    name: str
    uid: str
    key: SnapshotKey
    declared: bool
    """Somebody wants it ahead of pods."""
    properties: frozenset[str] = frozenset()
    """Members that the declaration counts on."""
    spec: Spec
    status: Mapping[str, Any] = field(default_factory=dict)
    """As it stands there."""

    @property
    def named(self) -> bool:
        """Whether the name is the one that the source gives; others are passed over."""
        return self.name == self.key.source.snapshot

    @property
    def served(self) -> bool:
        """Whether there was a value when we last said; nobody else may write that."""
        return self.status.get("serving") is not None


def read(content: Mapping[str, Any]) -> Snapshot:
    """An object as the API server, which has checked its form, answers with it."""
    metadata, spec = content["metadata"], content["spec"]
    source = spec["source"]
    notes = metadata.get("annotations") or {}
    return Snapshot(
        name=SnapshotName(metadata["namespace"], metadata["name"]),
        resource_version=metadata["resourceVersion"],
        right_name=snapshot_name(
            source["account"], source["identity"], source["provider"], source["reference"]
        ),
        spec=Spec(
            generation=metadata["generation"],
            pin=spec.get("pin"),
            quarantined=tuple(spec.get("quarantined") or ()),
            revoked=tuple(spec.get("revoked") or ()),
            refresh_requested=seconds(notes.get(REFRESH_REQUESTED)),
        ),
        status=from_wire(source, content.get("status") or {}),
    )


def project(content: Mapping[str, Any]) -> WatchedSnapshot | None:
    """None: it is being deleted. ValueError: it is none that this version can read."""
    metadata = content["metadata"]
    if metadata.get("deletionTimestamp") is not None:
        return None
    spec = snapshot.SnapshotSpec.model_validate(content.get("spec"))
    source = SourceKey(
        spec.source.account, spec.source.identity, spec.source.provider, spec.source.reference
    )
    notes = metadata.get("annotations") or {}
    return WatchedSnapshot(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        key=SnapshotKey(metadata["namespace"], source),
        declared=MADE_FOR not in notes,
        properties=frozenset(filter(is_property, spec.properties)),
        spec=Spec(
            generation=metadata.get("generation", 0),
            pin=spec.pin,
            quarantined=spec.quarantined,
            revoked=spec.revoked,
            refresh_requested=seconds(notes.get(REFRESH_REQUESTED)),
            retention_s=spec.retention,
        ),
        status=content.get("status") or {},
    )


def declaration(
    namespace: str,
    *,
    account: str,
    identity: str,
    scheme: str,
    reference: str,
    properties: Iterable[str] = (),
) -> dict[str, Any]:
    """A new SecretSnapshot, which asks for nothing but its source and these members of it."""
    source = {
        "account": account,
        "identity": identity,
        "provider": scheme,
        "reference": reference,
    }
    name = snapshot_name(account, identity, scheme, reference)
    members = sorted(properties)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": source, **({"properties": members} if members else {})},
    }


def made(key: SnapshotKey, state: SnapshotState | None) -> dict[str, Any]:
    """A new SecretSnapshot. What the snapshot itself has recorded of operators' requests goes
    on.
    """
    source = key.source
    body = declaration(
        key.namespace,
        account=source.account,
        identity=source.identity,
        scheme=source.scheme,
        reference=source.reference,
    )
    body["metadata"]["annotations"] = {MADE_FOR: "pods"}
    if state is not None:
        rolled_back = (item.version for item in state.quarantined if item.reason == ROLLED_BACK)
        if state.pin is not None and is_version(state.pin):
            body["spec"]["pin"] = state.pin
        body["spec"]["revoked"] = _named(state.revoked)
        body["spec"]["quarantined"] = _named(rolled_back)
    return body


def _named(versions: Iterable[str]) -> list[str]:
    """The last of them, where they are more than a list of the spec may have, so that there is room
    for others. The record has all of them.
    """
    found = [version for version in versions if is_version(version)]
    return found if len(found) <= MOST_VERSIONS else found[-MOST_VERSIONS // 2 :]


def patch(before: Snapshot, after: Spec) -> dict[str, Any]:
    """The merge patch that makes the spec of `before` be `after`, unless somebody wrote since."""
    metadata: dict[str, Any] = {"resourceVersion": before.resource_version}
    if after.refresh_requested != before.spec.refresh_requested:
        metadata["annotations"] = {REFRESH_REQUESTED: rfc3339(after.refresh_requested)}
    wanted = {
        "pin": (before.spec.pin, after.pin),
        "quarantined": (before.spec.quarantined, after.quarantined),
        "revoked": (before.spec.revoked, after.revoked),
    }
    spec = {name: new for name, (old, new) in wanted.items() if old != new}
    return {"metadata": metadata, "spec": spec}


def ignored(seen: WatchedSnapshot, now: float) -> dict[str, Any]:
    """The status of an object whose name is not the one that its source gives."""
    message = f"this object is ignored: the name for its source is {seen.key.source.snapshot}"
    condition = {"type": "Ready", "status": "False", "reason": "WrongName", "message": message}
    return {
        "observedGeneration": seen.spec.generation,
        "state": "Ignored",
        "conditions": [dated(condition, seen.spec.generation, seen.status, now)],
    }

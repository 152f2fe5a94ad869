"""Which sources the injected pods ask for. Pure: manifests in, demand out; policy decides on it
elsewhere.

The plan is read from the immutable arguments of gate and agent. A `mount` pod has neither; its plan
is an annotation that counts only as far as the immutable spec confirms it (docs/design/006).
Nothing else in a plan is trusted: names are computed again, classes come from policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract import layout, plan, snapshot_format
from contract.annotations import PLAN
from contract.reference import ReferenceRejected, is_property
from contract.wire import WireError
from providers.references import canonicalise
from refresh.model import MOST_NAMED, SnapshotKey, SourceKey, Use
from schema.fields import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST_SNAPSHOTS = 256
"""That one pod may demand; policy can allow no more (api.policy.Limits)."""
MOST_PROPERTIES = 256
"""Of one source that one pod may demand; the webhook allows far fewer."""

MOST_IDENTITY = 253
"""Characters of an identity, as a SecretSnapshot allows."""

_FINISHED = frozenset({"Succeeded", "Failed"})
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_IDENTITY = re.compile(rf"[ -~]{{1,{MOST_IDENTITY}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandedParts:
    """What is taken of one source."""

    properties: frozenset[str] = frozenset()
    whole: bool = False
    """Whether somebody takes the whole value."""

    def __or__(self, other: DemandedParts) -> DemandedParts:
        return DemandedParts(
            properties=self.properties | other.properties, whole=self.whole or other.whole
        )

    def __le__(self, other: DemandedParts) -> bool:
        return self.properties <= other.properties and self.whole <= other.whole

    def __bool__(self) -> bool:
        return self.whole or bool(self.properties)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one pod demands, or one declaration."""

    namespace: str
    pod: str
    """Empty: a snapshot that was declared ahead of pods."""
    parts: Mapping[SnapshotKey, DemandedParts]
    runs: bool = False
    """Whether it uses properties now: a pod that has started and does not end. Of one that takes no
    property it is not asked."""
    bundle: str | None = None
    """The form of its one file with all secrets; None: it asks for none."""


class NotADemandError(ValueError):
    """A manifest that asks for nothing that can be used; the message says why and quotes nothing.
    Caught by the code that reads pods.
    """


def from_pod(pod: object) -> Demand | None:
    """The demand of one manifest; None: the pod was not injected, or has ended. NotADemandError: it
    is
    none of ours to follow.
    """
    if not isinstance(pod, dict):
        raise NotADemandError("a pod is an object")
    metadata, spec, status = (_object(pod, name) for name in ("metadata", "spec", "status"))
    if status.get("phase") in _FINISHED:
        return None
    namespace, name = metadata.get("namespace", "default"), metadata.get("name")
    if not _NAMESPACE.fullmatch(str(namespace)) or not _NAME.fullmatch(str(name)):
        raise NotADemandError("metadata.name and metadata.namespace must be names")
    found = _plan(metadata, spec)
    if found is None:
        return None
    wanted, confirmed = found
    if len(wanted.snapshots) > MOST_SNAPSHOTS:
        raise NotADemandError(f"its plan names more than {MOST_SNAPSHOTS} sources")
    parts: dict[SnapshotKey, DemandedParts] = {}
    for planned in wanted.snapshots:
        asked = _asked(str(namespace), planned)
        keys = None if confirmed is None else confirmed.get(asked.source.snapshot, frozenset())
        taken = _parts(planned, keys)
        if taken:
            parts[asked] = parts.get(asked, DemandedParts()) | taken
    started = status.get("phase") not in {None, "Pending"}
    runs = started and metadata.get("deletionTimestamp") is None
    takes = any(taken.properties for taken in parts.values())
    return Demand(
        namespace=str(namespace),
        pod=str(name),
        parts=parts,
        runs=runs and takes,
        bundle=wanted.bundle,
    )


def plan_of(pod: Mapping[str, Any]) -> plan.Plan | None:
    """What a pod asked for, no matter who wrote it; None: it was not injected. NotADemandError."""
    found = _plan(_object(dict(pod), "metadata"), _object(dict(pod), "spec"))
    return None if found is None else found[0]


def consumers(demands: Iterable[Demand]) -> dict[SnapshotKey, tuple[str, ...]]:
    """The names of the pods that demand each source, sorted."""
    found: dict[SnapshotKey, set[str]] = {}
    for demand in demands:
        for asked in demand.parts:
            if demand.pod:
                found.setdefault(asked, set()).add(demand.pod)
    return {asked: tuple(sorted(pods)) for asked, pods in found.items()}


def used(demands: Iterable[Demand]) -> dict[SnapshotKey, tuple[Use, ...]]:
    """The properties of each source that are in use now, and by which pods."""
    found: dict[SnapshotKey, dict[str, set[str]]] = {}
    for demand in demands:
        if demand.runs:
            for asked, taken in demand.parts.items():
                for name in taken.properties:
                    users = found.setdefault(asked, {}).setdefault(name, set())
                    users.add(demand.pod)
    return {
        asked: tuple(_use(name, pods) for name, pods in sorted(members.items()))
        for asked, members in found.items()
    }


def _use(member: str, pods: set[str]) -> Use:
    names = sorted(name for name in pods if name)
    return Use(member, tuple(names[:MOST_NAMED]), max(0, len(names) - MOST_NAMED))


def parts(demands: Iterable[Demand]) -> dict[SnapshotKey, DemandedParts]:
    """What all pods together take of each source."""
    found: dict[SnapshotKey, DemandedParts] = {}
    for demand in demands:
        for asked, taken in demand.parts.items():
            held = found.setdefault(asked, taken)
            if not taken <= held:
                found[asked] = held | taken
    return found


def _plan(
    metadata: dict[str, Any], spec: dict[str, Any]
) -> tuple[plan.Plan, Mapping[str, frozenset[str]] | None] | None:
    """The pod's plan, and what of it the immutable spec confirms: None, all of it."""
    raw = _argument(spec)
    if raw is not None:
        return _read(raw), None
    raw = _object(metadata, "annotations").get(PLAN)
    return None if raw is None else (_read(raw), _projected(spec))


def _read(raw: object) -> plan.Plan:
    if not isinstance(raw, str):
        raise NotADemandError("the plan must be text")
    if len(raw) > plan.MOST_PLAN:
        raise NotADemandError(f"its plan is longer than {plan.MOST_PLAN} bytes")
    try:
        return plan.from_wire(raw)
    except WireError as error:
        raise NotADemandError("its plan is not one that this version can read") from error


def _argument(spec: dict[str, Any]) -> object:
    """The text behind `--plan` in gate or agent; None: neither is there."""
    containers = [*_objects(spec, "initContainers"), *_objects(spec, "containers")]
    for container in containers:
        if container.get("name") in layout.CONTAINERS:
            words = [*_list(container, "command"), *_list(container, "args")]
            if "--plan" in words[:-1]:
                return words[words.index("--plan") + 1]
            raise NotADemandError(f"its container {container['name']} has no --plan")
    return None


def _projected(spec: dict[str, Any]) -> dict[str, frozenset[str]]:
    """The keys that the pod's own snapshot volume projects, by Secret: immutable with the spec."""
    found: dict[str, frozenset[str]] = {}
    for volume in _objects(spec, "volumes"):
        if volume.get("name") == layout.SNAPSHOTS_VOLUME:
            for source in _objects(_object(volume, "projected"), "sources"):
                secret = _object(source, "secret")
                keys = frozenset(str(item.get("key")) for item in _objects(secret, "items"))
                name = str(secret.get("name"))
                found[name] = found.get(name, frozenset()) | keys
    return found


def _asked(namespace: str, planned: plan.PlannedSnapshot) -> SnapshotKey:
    """The source that is named. Each part is checked: a plan can hold any text, and what is taken
    from here is named, hashed, kept and shown.
    """
    if not LABEL.fullmatch(planned.account):
        raise NotADemandError("its plan names an account that is none")
    if not _IDENTITY.fullmatch(planned.identity):
        raise NotADemandError("its plan names an identity that is none")
    try:
        reference = canonicalise(planned.scheme, planned.reference)
    except ReferenceRejected as rejected:
        raise NotADemandError("its plan names a reference that is not canonical") from rejected
    return SnapshotKey(
        namespace, SourceKey(planned.account, planned.identity, planned.scheme, reference)
    )


def _parts(planned: plan.PlannedSnapshot, keys: frozenset[str] | None) -> DemandedParts:
    """What the pod takes of one source; with `keys`, only what the spec projects."""
    named = {file.property for file in planned.files}
    if len(named) > MOST_PROPERTIES or not all(name is None or is_property(name) for name in named):
        raise NotADemandError("its plan names a property that is none, or too many")
    taken = {name for name in named if keys is None or snapshot_format.data_key(name) in keys}
    return DemandedParts(
        properties=frozenset(name for name in taken if name is not None), whole=None in taken
    )


def _object(parent: dict[str, Any], member: str) -> dict[str, Any]:
    value = parent.get(member)
    return value if isinstance(value, dict) else {}


def _list(parent: dict[str, Any], member: str) -> list[Any]:
    value = parent.get(member)
    return value if isinstance(value, list) else []


def _objects(parent: dict[str, Any], member: str) -> Iterator[dict[str, Any]]:
    return (item for item in _list(parent, member) if isinstance(item, dict))

"""Which sources the injected pods ask for. Pure: manifests in, demand out; policy decides on it
elsewhere.

The plan is read from the immutable arguments of gate and agent. A `mount` pod has neither; its plan is an annotation
that counts only as far as the immutable spec confirms it (docs/design/006). Nothing else in a plan is trusted: names are
computed again, classes come from policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract import layout, plan, snapshot
from contract.annotations import PLAN
from contract.names import snapshot_name
from contract.reference import ReferenceRejected, canonicalise
from contract.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST_PROPERTIES = 256
"""Of one source that one pod may demand; the webhook allows far fewer."""

_FINISHED = frozenset({"Succeeded", "Failed"})
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PROPERTY = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.-]{1,128}(/[A-Za-z0-9_.-]{1,128}){0,15}")


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """One source in one namespace, as a tenant asked for it: canonical, not yet allowed."""

    namespace: str
    account: str
    identity: str
    provider: str
    reference: str

    @property
    def snapshot(self) -> str:
        """The name of its snapshot."""
        return snapshot_name(self.account, self.identity, self.provider, self.reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one pod demands."""

    namespace: str
    pod: str
    properties: Mapping[Asked, frozenset[str]]


class NotADemand(ValueError):
    """A manifest that asks for nothing that can be used; the message says why and quotes nothing.
    Caught by whoever reads pods.
    """


def from_pod(pod: object) -> Demand | None:
    """The demand of one manifest; None: the pod was not injected, or has ended. NotADemand: it is
    none of ours to follow.
    """
    if not isinstance(pod, dict):
        raise NotADemand("a pod is an object")
    metadata, spec, status = (_object(pod, name) for name in ("metadata", "spec", "status"))
    if status.get("phase") in _FINISHED:
        return None
    namespace, name = metadata.get("namespace", "default"), metadata.get("name")
    if not _NAMESPACE.fullmatch(str(namespace)) or not _NAME.fullmatch(str(name)):
        raise NotADemand("metadata.name and metadata.namespace must be names")
    found = _plan(metadata, spec)
    if found is None:
        return None
    wanted, confirmed = found
    properties: dict[Asked, frozenset[str]] = {}
    for planned in wanted.snapshots:
        asked = _asked(namespace, planned)
        keys = None if confirmed is None else confirmed.get(asked.snapshot, frozenset())
        if keys != frozenset():
            demanded = _properties(planned, keys)
            properties[asked] = properties.get(asked, frozenset()) | demanded
    return Demand(namespace=str(namespace), pod=str(name), properties=properties)


def consumers(demands: Iterable[Demand]) -> dict[Asked, tuple[str, ...]]:
    """The names of the pods that demand each source, sorted."""
    found: dict[Asked, set[str]] = {}
    for demand in demands:
        for asked in demand.properties:
            found.setdefault(asked, set()).add(demand.pod)
    return {asked: tuple(sorted(pods)) for asked, pods in found.items()}


def properties(demands: Iterable[Demand]) -> dict[Asked, frozenset[str]]:
    """The properties that all pods together demand of each source."""
    found: dict[Asked, frozenset[str]] = {}
    for demand in demands:
        for asked, wanted in demand.properties.items():
            found[asked] = found.get(asked, frozenset()) | wanted
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
        raise NotADemand("the plan must be text")
    try:
        return plan.from_wire(raw)
    except WireError as error:
        raise NotADemand("its plan is not one that this version can read") from error


def _argument(spec: dict[str, Any]) -> object:
    """The text behind `--plan` in gate or agent; None: neither is there."""
    containers = [*_objects(spec, "initContainers"), *_objects(spec, "containers")]
    for container in containers:
        if container.get("name") in layout.CONTAINERS:
            words = [*_list(container, "command"), *_list(container, "args")]
            if "--plan" in words[:-1]:
                return words[words.index("--plan") + 1]
            raise NotADemand(f"its container {container['name']} has no --plan")
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


def _asked(namespace: str, planned: plan.PlannedSnapshot) -> Asked:
    try:
        reference = canonicalise(planned.provider, planned.reference)
    except ReferenceRejected as rejected:
        raise NotADemand("its plan names a reference that is not canonical") from rejected
    return Asked(namespace, planned.account, planned.identity, planned.provider, reference)


def _properties(planned: plan.PlannedSnapshot, keys: frozenset[str] | None) -> frozenset[str]:
    """The properties of one source; with `keys`, those that the spec projects."""
    named = {file.property for file in planned.files if file.property is not None}
    if len(named) > MOST_PROPERTIES or not all(_PROPERTY.fullmatch(name) for name in named):
        raise NotADemand("its plan names a property that is none, or too many")
    return frozenset(name for name in named if keys is None or snapshot.property_key(name) in keys)


def _object(parent: dict[str, Any], member: str) -> dict[str, Any]:
    value = parent.get(member)
    return value if isinstance(value, dict) else {}


def _list(parent: dict[str, Any], member: str) -> list[Any]:
    value = parent.get(member)
    return value if isinstance(value, list) else []


def _objects(parent: dict[str, Any], member: str) -> Iterator[dict[str, Any]]:
    return (item for item in _list(parent, member) if isinstance(item, dict))

"""Whether a document has the types of what we read of a pod, and else which field has not. Pure.

An API server sends no other (it has read the object into corev1.Pod); manifests come as they were
written. What we do not read is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

DEPTH = 200
"""Levels that a pod is sure not to have; orjson writes no more than 254."""


@dataclass(frozen=True, slots=True)
class _Object:
    """An object: the shapes of the members that we read."""

    members: dict[str, _Shape]
    needed: tuple[str, ...] = ()
    """Members that must be there."""


@dataclass(frozen=True, slots=True)
class _List:
    """A list of one shape."""

    of: _Shape


@dataclass(frozen=True, slots=True)
class _ExactType:
    """A value of one of these types, exactly: in Python `true` is a number too."""

    types: tuple[type, ...]
    says: str


_Shape = _Object | _List | _ExactType

_TEXT = _ExactType((str,), "a string")
_NUMBER = _ExactType((int,), "a whole number")
_FLAG = _ExactType((bool,), "true or false")
_QUANTITY = _ExactType((str, int, float), "a quantity")
_ANY = _Object({})

_AMOUNTS = _Object({"cpu": _QUANTITY, "memory": _QUANTITY})
_RESOURCES = _Object({"requests": _AMOUNTS, "limits": _AMOUNTS})
_SECURITY = _Object(
    {
        "runAsUser": _NUMBER,
        "fsGroup": _NUMBER,
        "windowsOptions": _Object({"hostProcess": _FLAG}),
    }
)
_SECRET = _Object({"name": _TEXT, "optional": _FLAG})
_CONTAINER = _Object(
    {
        "name": _TEXT,
        "args": _List(_TEXT),
        "env": _List(
            _Object({"name": _TEXT, "valueFrom": _Object({"secretKeyRef": _SECRET})}, ("name",))
        ),
        "envFrom": _List(_Object({"secretRef": _SECRET})),
        "volumeMounts": _List(_Object({"name": _TEXT, "mountPath": _TEXT}, ("mountPath",))),
        "ports": _List(_Object({"containerPort": _NUMBER})),
        "securityContext": _SECURITY,
        "resources": _RESOURCES,
    },
    ("name",),
)
_VOLUME = _Object(
    {
        "name": _TEXT,
        "secret": _Object({"secretName": _TEXT, "optional": _FLAG}),
        "projected": _Object({"sources": _List(_Object({"secret": _SECRET}))}),
    },
    ("name",),
)
_SPEC = _Object(
    {
        "containers": _List(_CONTAINER),
        "initContainers": _List(_CONTAINER),
        "volumes": _List(_VOLUME),
        "restartPolicy": _TEXT,
        "hostNetwork": _FLAG,
        "shareProcessNamespace": _FLAG,
        "automountServiceAccountToken": _FLAG,
        "securityContext": _SECURITY,
        "resources": _RESOURCES,
        "os": _Object({"name": _TEXT}),
        "nodeSelector": _ANY,
    }
)
_METADATA = _Object({"namespace": _TEXT})


def malformed_head(pod: object) -> str | None:
    """Why this can't be a pod, as far as every admission needs to know; None: it may be one."""
    if type(pod) is not dict:
        return "it is not an object"
    metadata, spec = pod.get("metadata") or {}, pod.get("spec")
    if type(metadata) is not dict or type(spec) is not dict:
        return "metadata and spec must be objects"
    found = metadata.get("annotations") or {}
    if type(found) is not dict or not all(
        type(key) is str and type(text) is str for key, text in found.items()
    ):
        return "metadata.annotations must be an object of strings"
    if type(metadata.get("namespace") or "") is not str:
        return "metadata.namespace must be a string"
    for member in ("containers", "initContainers"):
        if type(spec.get(member)) not in {list, type(None)}:
            return f"spec.{member} must be a list"
    return None


def malformed(pod: object) -> str | None:
    """Why the API server can't have sent this as a pod; None: what we read is well formed.

    Slow: asked only when something went wrong, and for manifests that no API server has read.
    """
    problem = malformed_head(pod)
    if problem is not None or not isinstance(pod, dict):
        return problem
    if _deeper(pod, DEPTH):
        return f"it is nested deeper than {DEPTH} levels"
    return _fault(pod.get("metadata"), _METADATA, "metadata") or _fault(pod["spec"], _SPEC, "spec")


def _fault(found: object, shape: _Shape, where: str) -> str | None:
    """The first field of another type. `null` is as good as absent, as it is to the API server."""
    if found is None:
        return None
    if isinstance(shape, _ExactType):
        return None if type(found) in shape.types else f"{where} must be {shape.says}"
    if isinstance(shape, _List):
        if not isinstance(found, list):
            return f"{where} must be a list"
        faults = (_item_fault(item, shape.of, f"{where}[{at}]") for at, item in enumerate(found))
    elif not isinstance(found, dict):
        return f"{where} must be an object"
    else:
        missing = next((name for name in shape.needed if found.get(name) is None), None)
        if missing is not None:
            return f"{where}.{missing} must be set"
        faults = (
            _fault(found.get(name), inner, f"{where}.{name}")
            for name, inner in shape.members.items()
        )
    return next(filter(None, faults), None)


def _item_fault(item: object, shape: _Shape, where: str) -> str | None:
    """Of an item of a list, which can't be `null`."""
    return f"{where} must not be null" if item is None else _fault(item, shape, where)


def _deeper(document: object, levels: int) -> bool:
    """Whether a document has more levels than these."""
    level: list[object] = [document]
    while level and levels >= 0:
        nested = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, dict | list)
        ]
        level = [child for children in nested for child in children]
        levels -= 1
    return bool(level)

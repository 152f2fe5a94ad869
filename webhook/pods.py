"""Facts read from a pod. Pure; tolerant of `null` for absent, as the API server is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract import annotations as keys
from contract import layout, plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from webhook.verdict import Pod

MESH = frozenset(
    {
        "istio-init",
        "istio-validation",
        "istio-proxy",
        "linkerd-init",
        "linkerd-proxy",
        "linkerd-network-validator",
    }
)
"""Containers of meshes: they go before the gate when they lead, and get no files unless named."""
MIRROR = "kubernetes.io/config.mirror"
"""On the API server's copy of a node's static pod, which can't be changed
(corev1.MirrorPodAnnotationKey).
"""

Container = dict[str, Any]

_MOST_MARK = 512
"""Characters of our mark that are read; we write fewer."""
DEPTH = 200
"""Levels that a pod is sure not to have; orjson writes no more than 254."""


def annotations_of(pod: Pod) -> dict[str, str]:
    """The pod's annotations, of all owners."""
    return (pod.get("metadata") or {}).get("annotations") or {}


def opts_in(found: dict[str, str]) -> bool:
    """Whether any annotation of ours is there beside our own marks.

    In any case of letters, for the API server takes a key's prefix so: what it lets pass must not
    start bare.
    """
    return any(is_mine(key) and key not in keys.MARKS for key in found)


def is_mine(key: str) -> bool:
    """Whether an annotation's key has our prefix, in any case of letters."""
    return key[: len(keys.PREFIX)].lower() == keys.PREFIX


def items(owner: dict[str, Any], member: str) -> list[dict[str, Any]]:
    """A list of objects; absent and null are empty."""
    return owner.get(member) or []


def user_containers(spec: dict[str, Any], member: str = "containers") -> list[Container]:
    """The containers that are not ours."""
    return [item for item in items(spec, member) if item["name"] not in layout.CONTAINERS]


def ends(spec: dict[str, Any]) -> bool:
    """Whether the pod is one that ends, such as a Job's."""
    return (spec.get("restartPolicy") or "Always") != "Always"


def uid_of(spec: dict[str, Any], container: Container) -> int | None:
    """The UID that a container is told to run as; None: its image decides."""
    own = (container.get("securityContext") or {}).get("runAsUser")
    return own if own is not None else (spec.get("securityContext") or {}).get("runAsUser")


def fs_group(spec: dict[str, Any]) -> int | None:
    """The group that owns the pod's volumes; None: none."""
    found: int | None = (spec.get("securityContext") or {}).get("fsGroup")
    return found


def single(found: Iterable[int | None]) -> int | None:
    """The one known UID, not 0, that all of these are; None: there is no such."""
    different = set(found)
    only = different.pop() if len(different) == 1 else None
    return only or None


def is_ours(container: Container, found: dict[str, str]) -> bool:
    """Whether an earlier injection made this: our mark is on the pod, and the container carries a
    plan.
    """
    arguments = container.get("args")
    if keys.INJECTED not in found or not isinstance(arguments, list):
        return False
    try:
        wire = arguments[arguments.index("--plan") + 1]
        if len(wire) > plan.MOST_PLAN:
            return False
        plan.from_wire(wire)
    except (ValueError, IndexError, TypeError, AttributeError, KeyError):
        return False
    return True


def mark(version: str, added: dict[str, str]) -> str:
    """Our mark: who injected the pod, and what that added to `spec.resources`."""
    return " ".join([version, *(f"{field}={amount}" for field, amount in added.items())])


def added_before(pod: Pod) -> dict[str, str]:
    """What the mark says was added, where a container of an earlier injection is there; nothing in
    a pod that only has the mark.
    """
    spec, found = pod["spec"], annotations_of(pod)
    everyone = items(spec, "initContainers") + items(spec, "containers")
    if not any(item["name"] in layout.CONTAINERS and is_ours(item, found) for item in everyone):
        return {}
    words = found[keys.INJECTED][:_MOST_MARK].split(" ")[1:]
    return {field: amount for field, _, amount in (word.partition("=") for word in words)}


def names_taken(pod: Pod) -> Iterator[tuple[str, str]]:
    """The user's containers and volumes that have names of ours: (field, name).

    Of ours each is there once: what has its name again is the user's.
    """
    spec, found = pod["spec"], annotations_of(pod)
    seen: set[str] = set()
    for member in ("initContainers", "containers"):
        for item in items(spec, member):
            name = item["name"]
            if name in layout.CONTAINERS:
                if name in seen or not is_ours(item, found):
                    yield f"spec.{member}", name
                seen.add(name)
    for item in items(spec, "volumes"):
        name = item["name"]
        if name in layout.VOLUMES:
            if name in seen or keys.INJECTED not in found:
                yield "spec.volumes", name
            seen.add(name)


def malformed_head(pod: object) -> str | None:
    """Why this can't be a pod, as far as every admission needs to know; None: it may be one."""
    if type(pod) is not dict:
        return "it is not an object"
    metadata, spec = pod.get("metadata") or {}, pod.get("spec")
    if type(metadata) is not dict or type(spec) is not dict:
        return "metadata and spec must be objects"
    found = metadata.get("annotations") or {}
    if type(found) is not dict or not all(type(text) is str for text in found.values()):
        return "metadata.annotations must be an object of strings"
    if type(metadata.get("namespace") or "") is not str:
        return "metadata.namespace must be a string"
    if type(spec.get("containers")) is not list:
        return "spec.containers must be a list"
    return None


def malformed(pod: object) -> str | None:
    """Why the API server can't have sent this as a pod; None: what we read is well formed.

    Slow: asked only when something went wrong, and for manifests that no API server has read.
    """
    problem = malformed_head(pod)
    if problem is not None or not isinstance(pod, dict):
        return problem
    spec = pod["spec"]
    for member in ("containers", "initContainers", "volumes"):
        if not _named_objects(spec.get(member)):
            return f"spec.{member} must be a list of objects with names"
    for member in ("securityContext", "resources", "os"):
        if not isinstance(spec.get(member), dict | None):
            return f"spec.{member} must be an object"
    if _deeper(pod, DEPTH):
        return f"it is nested deeper than {DEPTH}"
    containers = items(spec, "containers") + items(spec, "initContainers")
    return next(filter(None, map(_malformed_container, containers)), None)


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


def _malformed_container(container: Container) -> str | None:
    for member, key in (("volumeMounts", "mountPath"), ("env", "name")):
        if not _named_objects(container.get(member), key):
            return f"{member} of a container must be a list of objects with {key}"
    if not _named_objects(container.get("ports"), None):
        return "ports of a container must be a list of objects"
    for member in ("securityContext", "resources"):
        if not isinstance(container.get(member), dict | None):
            return f"{member} of a container must be an object"
    resources = container.get("resources") or {}
    if not all(isinstance(resources.get(member), dict | None) for member in ("requests", "limits")):
        return "requests and limits of a container must be objects"
    return None


def _named_objects(found: object, key: str | None = "name") -> bool:
    if found is None:
        return True
    return isinstance(found, list) and all(
        isinstance(item, dict) and (key is None or isinstance(item.get(key), str)) for item in found
    )

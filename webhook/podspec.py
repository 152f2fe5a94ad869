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

_OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
"""What the kubelet says of its node."""
_HOST_PROCESS = "securityContext.windowsOptions.hostProcess"

Container = dict[str, Any]

_MOST_MARK = 512
"""Characters of our mark that are read; we write fewer."""


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


def windows(spec: dict[str, Any]) -> str | None:
    """The field that says that this pod is for Windows; None: none does. A HostProcess container
    needs no `spec.os`, and a nodeSelector for Windows starts no Linux program.
    """
    if (spec.get("os") or {}).get("name") == "windows":
        return "spec.os.name"
    selected = spec.get("nodeSelector") or {}
    for label in _OS_LABELS:
        if selected.get(label) == "windows":
            return f"spec.nodeSelector[{label}]"
    if _is_host_process(spec):
        return f"spec.{_HOST_PROCESS}"
    for member in ("containers", "initContainers"):
        if any(map(_is_host_process, items(spec, member))):
            return f"spec.{member}.{_HOST_PROCESS}"
    return None


def _is_host_process(owner: dict[str, Any]) -> bool:
    """Of a pod's spec or a container."""
    options = (owner.get("securityContext") or {}).get("windowsOptions") or {}
    return options.get("hostProcess") is True


def mounts_taken(pod: Pod) -> Iterator[tuple[str, str, str]]:
    """The mounts of our volumes that no injection made: (field, container, volume).

    An earlier injection's are known by our mark and their shape; injecting puts them right.
    """
    spec, marked = pod["spec"], keys.INJECTED in annotations_of(pod)
    for member in ("initContainers", "containers"):
        for container in user_containers(spec, member):
            for mount in items(container, "volumeMounts"):
                volume = mount.get("name")
                if volume in layout.VOLUMES and not (marked and _is_app_mount(mount)):
                    yield f"spec.{member}", container["name"], volume


def _is_app_mount(mount: dict[str, Any]) -> bool:
    """As `webhook.containers.app_mount` makes it, at any path."""
    if mount.get("readOnly") is not True or mount.get("subPathExpr"):
        return False
    wanted = layout.FILES if mount.get("name") == layout.CACHE_VOLUME else None
    return mount.get("subPath") == wanted


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

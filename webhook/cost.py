"""What one admission may cost, known before anything is built for it. Pure.

Every bound here is on a product that a pod's author chooses: containers x variables x length of the
mount path, or values x their size in memory (docs/design/003).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract.annotations import ENV
from webhook import podspec
from webhook.verdict import Denial, Mistake

if TYPE_CHECKING:
    from collections.abc import Collection

    from webhook.pod_annotations import PodAnnotations

MOST_VALUES = 100_000
"""JSON values of a review. One takes up to 90 bytes of memory, and the review's time follows them.
The API server sends 21 for each mount, its managedFields among them."""
SMALL = 64 << 10
"""Bytes of a body that can't reach MOST_VALUES at a cost that matters, so nothing is counted."""
MOST_CONTAINERS = 1024
"""Containers of a pod that opts in, init containers among them."""
MOST_PATCH = 1 << 20
"""Bytes of a patch as JSON."""

_VARIABLE, _MOUNT = 120, 160
"""Bytes at most of an operation that adds one, without its own texts."""
_REFERENCE = 96 + 76 + 253
"""Bytes of a variable by reference: its members, the snapshot's name, the longest key."""


def values(body: bytes) -> int:
    """At most how many JSON values a body has, in one pass and without parsing it.

    Each value follows one of these characters. Those inside of strings count too: a string may be
    parsed as JSON later (a plan).
    """
    return 1 + sum(map(body.count, (b"[", b"{", b",", b":")))


def too_many_values(body: bytes) -> str | None:
    """Why a body is not parsed; None: it may be."""
    if len(body) <= SMALL:
        return None
    count = values(body)
    if count <= MOST_VALUES:
        return None
    return f"the review has up to {count} JSON values. Allowed: {MOST_VALUES}"


def too_many_containers(spec: dict[str, Any]) -> Mistake | None:
    """The mistake of a pod with more containers than allowed."""
    count = _containers(spec)
    if count <= MOST_CONTAINERS:
        return None
    message = f"the pod has {count} containers, with init containers. Allowed: {MOST_CONTAINERS}"
    return Mistake(reason=Denial.LIMIT, field="spec.containers", message=message)


def bytes_per_container(asked: PodAnnotations) -> int:
    """At most how many bytes of a patch are variables and mount of one container."""
    path = len(asked.mount_path)
    size = _MOUNT + path
    for name, file in asked.variables:
        size += _VARIABLE + len(name) + path + len(file)
    for name, _ in asked.values:
        size += _VARIABLE + len(name) + _REFERENCE
    return size


def too_long_patch(
    spec: dict[str, Any], asked: PodAnnotations, chosen: Collection[str]
) -> Mistake | None:
    """The mistake of annotations whose variables and mounts, in every chosen container, would make
    more than MOST_PATCH.
    """
    each = bytes_per_container(asked)
    if each * _containers(spec) <= MOST_PATCH:
        return None
    count = _chosen(spec, chosen)
    if each * count <= MOST_PATCH:
        return None
    message = (
        f"{len(asked.variables) + len(asked.values)} variables and a mount path of"
        f" {len(asked.mount_path)} characters in {count} containers make a patch of up to"
        f" {each * count} bytes. Allowed: {MOST_PATCH}"
    )
    return Mistake(reason=Denial.LIMIT, field=ENV + "<VAR>", message=message)


def _containers(spec: dict[str, Any]) -> int:
    return len(podspec.items(spec, "initContainers")) + len(podspec.items(spec, "containers"))


def _chosen(spec: dict[str, Any], chosen: Collection[str]) -> int:
    everyone = podspec.user_containers(spec, "initContainers") + podspec.user_containers(spec)
    return sum(item["name"] in chosen for item in everyone)


def patch_size(size: int) -> Mistake:
    """The mistake of a pod whose patch has that many bytes, more than MOST_PATCH."""
    message = f"the patch has {size} bytes. Allowed: {MOST_PATCH}"
    return Mistake(reason=Denial.LIMIT, field="spec", message=message)

"""Where a pod still reads a Secret itself that it also gets from lastgood: the kubelet starts no
container before that Secret is there, so the pod is no better off. Pure.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from contract.quoted import shown
from webhook import podspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.verdict import Pod

MOST_WARNINGS = 4
"""Of one answer: the API server passes on 4096 characters in total (KEP-1693)."""


def secrets_read(spec: Pod, names: frozenset[str]) -> tuple[str, ...]:
    """A warning for each place that needs one of these Secrets, up to MOST_WARNINGS. `names`: those
    of the pod's namespace that it asks lastgood for.
    """
    if not names:
        return ()
    found = (
        f"{place} still reads the Secret {shown(name)}, so the pod does not start without it"
        for place, name in chain(_of_containers(spec), _of_volumes(spec))
        if name in names
    )
    return tuple(islice(dict.fromkeys(found), MOST_WARNINGS))


def _of_containers(spec: Pod) -> Iterator[tuple[str, str]]:
    for member in ("initContainers", "containers"):
        for container in podspec.user_containers(spec, member):
            for item in podspec.items(container, "env"):
                name = _needed((item.get("valueFrom") or {}).get("secretKeyRef"), "name")
                if name is not None:
                    yield f"env {shown(item['name'])}", name
            for item in podspec.items(container, "envFrom"):
                name = _needed(item.get("secretRef"), "name")
                if name is not None:
                    yield f"envFrom of container {shown(container['name'])}", name


def _of_volumes(spec: Pod) -> Iterator[tuple[str, str]]:
    for volume in podspec.items(spec, "volumes"):
        where = f"volume {shown(volume['name'])}"
        name = _needed(volume.get("secret"), "secretName")
        if name is not None:
            yield where, name
        for source in podspec.items(volume.get("projected") or {}, "sources"):
            name = _needed(source.get("secret"), "name")
            if name is not None:
                yield where, name


def _needed(reference: dict[str, Any] | None, member: str) -> str | None:
    """The Secret's name; None: there is no reference, or the pod starts without the Secret."""
    if not reference or reference.get("optional") is True:
        return None
    found: str | None = reference.get(member)
    return found

"""A pod's volumes as folders on tmpfs: what the kubelet makes of emptyDir, projected Secrets and a
projected ConfigMap.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from demo.volume_writer import Modes, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Read = Callable[[str, str, str], Mapping[str, bytes] | None]
    """The keys of an object, by the name of its source in a projected volume, its namespace and its
    own name; None: it is not there.
    """

PROJECTED = Modes(directory=0o755, file=0o444)
KINDS = {"secret": "secret", "configMap": "config map"}


class NotYet(Exception):  # noqa: N818 - not an error: the kubelet waits and looks again
    """A Secret or ConfigMap, or a key of one, that the pod can't start without is not there. Caught
    by the runner.
    """


def prepare(volume: Mapping[str, Any], folder: Path, read: Read, namespace: str) -> None:
    """Make one volume of a pod in `folder`, from its namespace's objects; raises NotYet."""
    if "emptyDir" in volume:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    else:
        project(volume, folder, read, namespace)


def project(volume: Mapping[str, Any], folder: Path, read: Read, namespace: str) -> None:
    """Bring a projected volume up to date; an unchanged one is not touched; raises NotYet."""
    if "projected" not in volume:
        message = f"volume {volume['name']}: this runner knows emptyDir and projected only"
        raise ValueError(message)
    files: dict[str, bytes] = {}
    for source in volume["projected"]["sources"]:
        files |= _source(source, read, namespace)
    write(folder, files, PROJECTED)


def _source(source: Mapping[str, Any], read: Read, namespace: str) -> dict[str, bytes]:
    """The files of one source of a projected volume."""
    kind = next((kind for kind in KINDS if kind in source), None)
    if kind is None:
        known = ", ".join(KINDS)
        message = f"a projected volume has {', '.join(source)}; this runner knows {known} only"
        raise ValueError(message)
    wanted = source[kind]
    optional = wanted.get("optional", False)
    data = read(kind, namespace, wanted["name"])
    if data is None and not optional:
        raise NotYet(f"{KINDS[kind]} {wanted['name']} is not there")
    data = data or {}
    items = wanted.get("items") or [{"key": key, "path": key} for key in data]
    missing = [item["key"] for item in items if item["key"] not in data]
    if missing and not optional:
        raise NotYet(f"{KINDS[kind]} {wanted['name']} has no {', '.join(missing)}")
    return {item["path"]: data[item["key"]] for item in items if item["key"] in data}


def mounted(folder: Path, mount: Mapping[str, Any]) -> Path:
    """The folder behind a mount; a `subPath` that is not there is made, as the kubelet does."""
    folder = folder / mount.get("subPath", "")
    folder.mkdir(exist_ok=True)
    return folder


def rewrite(word: str, paths: Mapping[str, Path], ip: str) -> str:
    """An argument or variable with the pod's paths and addresses in place of a container's own."""
    word = re.sub(r"\b(0\.0\.0\.0|127\.0\.0\.1)\b|\[::1?\]", ip, word)
    for path in sorted(paths, key=len, reverse=True):
        if word == path or word.startswith(path + "/"):
            return str(paths[path]) + word[len(path) :]
    return word

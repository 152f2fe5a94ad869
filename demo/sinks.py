"""Searches for secret values wherever our processes write something that is not the value (P8)."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from apiserver.kinds import SECRET
from demo.report import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apiserver.server import ApiServer
    from contract.secret_bytes import SecretBytes
    from demo.cast import Cast

PROC = Path("/proc")
SHOWN = 3


def search(cast: Cast) -> Row:
    """One row: every password of the story, sought in every sink."""
    row = Row(step="no value in logs or objects", pods=0)
    values = [password.reveal() for password in cast.passwords.values()]
    sought = [*_files(cast), *_objects(cast), *_processes(cast.world.processes())]
    found = [name for name, content in sought if any(value in content for value in values)]
    shown = ", ".join(found[:SHOWN])
    row.check("P8", f"a password is in {shown} ({len(found)} in all)", kept=not found)
    row.check("P8", f"only {len(sought)} sinks were there", kept=len(sought) > len(cast.ours))
    return row


def _objects(cast: Cast) -> Iterable[tuple[str, bytes]]:
    """What the API server has but Secrets, and the addresses that were asked of it."""
    for kind, (namespace, name), content in cast.cluster.call(_everything):
        if kind != SECRET.store:
            yield f"{kind}/{namespace}/{name}", json.dumps(content).encode()
    for number, seen in enumerate(cast.cluster.call(lambda server: list(server.seen))):
        yield f"request {number}", f"{seen.path}?{seen.query}".encode()


def _everything(server: ApiServer) -> list[tuple[str, tuple[str, str], object]]:
    return [(kind, key, server.store.get(kind, key)) for kind, key in server.store.keys(None)]


def _files(cast: Cast) -> Iterable[tuple[str, bytes]]:
    """Logs, termination messages and kubeconfigs: all but volumes."""
    folder = cast.world.folder
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not path.is_symlink() and "volumes" not in parts:
            yield "/".join(parts), path.read_bytes()


def _processes(pids: Iterable[int]) -> Iterable[tuple[str, bytes]]:
    """Arguments and environments, as anyone who may see the process sees them."""
    for pid in pids:
        for kind in ("cmdline", "environ"):
            path = PROC / str(pid) / kind
            try:
                yield str(path), path.read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue


def holders(cast: Cast, value: SecretBytes) -> list[str]:
    """The Secrets, and the files of pods' volumes, that hold a value. What goes while one looks
    holds none.
    """
    encoded = [base64.b64encode(value.reveal()[at:]).decode()[4:-4] for at in range(3)]
    found = [
        f"{kind}/{namespace}/{name}"
        for kind, (namespace, name), content in cast.cluster.call(_everything)
        if any(text in json.dumps(content) for text in encoded)
    ]
    for folder, _, names in os.walk(cast.world.folder):
        if "volumes" not in Path(folder).parts:
            continue
        for path in (Path(folder, name) for name in sorted(names)):
            try:
                holds = not path.is_symlink() and value.reveal() in path.read_bytes()
            except FileNotFoundError:
                continue
            if holds:
                found.append("/".join(path.relative_to(cast.world.folder).parts))
    return sorted(found)

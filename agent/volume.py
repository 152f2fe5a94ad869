"""Reads the volumes that the kubelet mounts, each as one revision: never half of one and half of
the next.

The kubelet (AtomicWriter) writes a new directory, renames a symlink over `..data`, and then removes
the old directory. So a reader pins the directory behind `..data`, reads from there, and what it
read counts when `..data` still names that directory afterwards: its files can't have been removed
meanwhile.
"""

from __future__ import annotations

import os

from agent import files
from agent.decide import Mounted
from contract import ages, snapshot_format
from contract.layout import DATA, MOUNT_META
from contract.plan import MOUNT
from contract.secret_bytes import SecretBytes
from contract.wire import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contract.ages import Entry
    from contract.plan import Plan, PlannedSnapshot

TRIES = 100


def read_snapshots(path: str, plan: Plan) -> dict[str, Mounted]:
    """The mounted snapshots of the plan, all from one revision of the volume. OSError when it can't
    be read.
    """
    paths = sorted({name for planned in plan.snapshots for name in _paths(plan, planned).values()})
    found = read_revision(path, paths)
    mounted = {}
    for planned in plan.snapshots:
        names = _paths(plan, planned)
        raw = found.get(names.pop(snapshot_format.META))
        if raw is not None:
            values = {key: SecretBytes(found[name]) for key, name in names.items() if name in found}
            mounted[planned.snapshot] = Mounted(meta=_meta(raw), values=values)
    return mounted


def read_entries(path: str, plan: Plan) -> dict[str, Entry]:
    """The freshness entries of the plan's snapshots; one that this version can't read counts as not
    there.
    """
    found = read_revision(path, [planned.snapshot for planned in plan.snapshots])
    entries = {}
    for name, raw in found.items():
        try:
            entries[name] = ages.from_wire(raw)
        except WireError:
            continue
    return entries


def read_revision(path: str, names: list[str]) -> dict[str, bytes]:
    """The files of these names that the volume has, from one revision; nothing when nothing is
    mounted.
    """
    for _ in range(TRIES):
        revision = current(path)
        if revision is None:
            return {}
        try:
            found = _read(os.path.join(path, revision), names)
        except (FileNotFoundError, NotADirectoryError):
            found = {}
        if current(path) == revision:
            return found
    raise BlockingIOError("the volume changed faster than it could be read")


def current(path: str) -> str | None:
    """The name of the volume's revision; None: there is none, or no volume."""
    try:
        return os.readlink(os.path.join(path, DATA))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(path: str, names: list[str]) -> dict[str, bytes]:
    fd = os.open(path, files.DIRECTORY)
    try:
        found = {name: files.read(name, fd) for name in names}
    finally:
        os.close(fd)
    return {name: raw for name, raw in found.items() if raw is not None}


def _paths(plan: Plan, planned: PlannedSnapshot) -> dict[str, str]:
    """Paths in the volume by data key: those of the webhook's projection for the plan's mode."""
    name = planned.snapshot
    if plan.mode == MOUNT:
        values = {snapshot_format.data_key(file.property): file.file for file in planned.files}
        return {snapshot_format.META: f"{MOUNT_META}/{name}/{snapshot_format.META}", **values}
    keys = {snapshot_format.data_key(file.property) for file in planned.files}
    return {key: f"{name}/{key}" for key in (snapshot_format.META, *keys)}


def _meta(raw: bytes) -> snapshot_format.Meta | None:
    try:
        return snapshot_format.from_wire(raw)
    except WireError:
        return None

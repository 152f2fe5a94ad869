"""A mapping of keys as a volume in the kubelet's layout, swapped as a whole.

The layout and the order of steps are those of Kubernetes' AtomicWriter
(pkg/volume/util/atomic_writer.go): `..<random>/` holds one complete set of files, `..data` names
it, and `key -> ..data/key` is what readers open. There is no fsync: the folder is on tmpfs, which
does not outlive the machine.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from contract.layout import DATA

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_TMP = DATA + "_tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """Permissions of directories and files, whatever the umask says."""

    directory: int = 0o700
    file: int = 0o600


PRIVATE = Modes()
"""For the controller's own store."""


def write(folder: Path, data: Mapping[str, bytes], modes: Modes = PRIVATE) -> bool:
    """Makes `folder` hold exactly `data`, by path relative to it; False when it did already and
    nothing was written.

    One writer at a time. Killed after any step, readers see the old set or the new one, and the
    next write heals.
    """
    if read(folder) == data:
        return False
    # 1. Sweep what a killed writer left.
    folder.mkdir(mode=modes.directory, parents=True, exist_ok=True)
    _sweep(folder)
    # 2. Write the new set beside the old one.
    old = _current(folder)
    new = Path(mkdtemp(prefix="..", dir=folder))
    for key, value in data.items():
        _write_file(new, key, value, modes)
    new.chmod(modes.directory)
    # 3. Swap `..data` by rename: from here on readers see the new set.
    (folder / DATA_TMP).symlink_to(new.name)
    (folder / DATA_TMP).rename(folder / DATA)
    # 4. Add the links of new keys, then remove those of old ones.
    _link(folder, {key.partition("/")[0] for key in data})
    # 5. Remove the old set at once, as the kubelet does.
    if old is not None:
        shutil.rmtree(folder / old)
    return True


def read(folder: Path) -> dict[str, bytes] | None:
    """All keys of one revision, by path; None when nothing was ever written. A swap while reading
    starts it again.
    """
    while (name := _current(folder)) is not None:
        found = _files(folder / name)
        if found is not None and _current(folder) == name:
            return found
    return None


def _files(revision: Path) -> dict[str, bytes] | None:
    """All files below a revision; None when some vanished meanwhile."""
    try:
        return {
            path.relative_to(revision).as_posix(): path.read_bytes()
            for path in sorted(revision.rglob("*"))
            if not path.is_dir()
        }
    except FileNotFoundError:
        return None


def _current(folder: Path) -> str | None:
    try:
        return os.readlink(folder / DATA)  # noqa: PTH115 - the link's text, not a path to follow
    except FileNotFoundError:
        return None


def _sweep(folder: Path) -> None:
    (folder / DATA_TMP).unlink(missing_ok=True)
    current = _current(folder)
    for path in folder.glob("..*"):
        if path.name not in {DATA, current} and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def _write_file(revision: Path, key: str, value: bytes, modes: Modes) -> None:
    path = revision / key
    if key.startswith(("/", "..")) or ".." in path.parts or path == revision:
        message = f"{key!r} is not a path inside a volume"
        raise ValueError(message)
    for parent in reversed(path.relative_to(revision).parents[:-1]):
        (revision / parent).mkdir(exist_ok=True)
        (revision / parent).chmod(modes.directory)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, modes.file)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, modes.file)
        file.write(value)


def _link(folder: Path, names: set[str]) -> None:
    present = {path.name for path in folder.iterdir() if not path.name.startswith("..")}
    for name in sorted(names - present):
        (folder / name).symlink_to(f"{DATA}/{name}")
    for name in present - names:
        (folder / name).unlink()

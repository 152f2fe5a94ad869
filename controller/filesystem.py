"""Which filesystem a folder is on: secret values are written to memory only (P8)."""

from __future__ import annotations

import re
from pathlib import Path

MEMORY = ("tmpfs", "ramfs")
MOUNTINFO = Path("/proc/self/mountinfo")

_ESCAPED = re.compile(r"\\([0-7]{3})")


def filesystem_of(folder: Path, mountinfo: str) -> str:
    """The type of the filesystem of an existing folder, from the text of proc_pid_mountinfo(5): the
    longest mount point
    that the folder lies in, the last one mounted when several are at one place.
    """
    place, found = folder.resolve(), ("", "unknown")
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        mounted = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), left.split(" ")[4])
        if place.is_relative_to(mounted) and len(mounted) >= len(found[0]):
            found = (mounted, right.split(" ")[0])
    return found[1]

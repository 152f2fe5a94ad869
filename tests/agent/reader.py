"""An app that reads as fast as it can: `reader.py path|set|bundle FOLDER`, until stdin is closed.

Prints how often it read, how many versions it saw, and how many reads were torn, mixed or empty-
handed. Who is held up for two swaps between two steps of one read finds the directory gone; such a
read counts for nothing, and one within fewer swaps counts as bad.
"""

from __future__ import annotations

import json
import os
import select
import sys

KEPT = 2
NAMES = ("user", "word")


def by_path(folder: str) -> list[bytes]:
    """One file, opened by its visible name."""
    with open(f"{folder}/user", "rb") as file:  # noqa: PTH123 - the fastest way to read
        return [file.read()]


def by_set(folder: str) -> list[bytes]:
    """All files of the directory that `..data` names now."""
    pinned = os.open(f"{folder}/..data", os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = []
        for name in NAMES:
            fd = os.open(name, os.O_RDONLY, dir_fd=pinned)
            found.append(os.read(fd, 1 << 20))
            os.close(fd)
        return found
    finally:
        os.close(pinned)


def by_bundle(folder: str) -> list[bytes]:
    """The one file with all secrets."""
    with open(f"{folder}/bundle.json", "rb") as file:  # noqa: PTH123 - as above
        return [text.encode() for text in json.loads(file.read()).values()]


def torn(found: list[bytes]) -> bool:
    """Whether a value is not one version's bytes, or the values are of different versions."""
    first = found[0]
    return len(set(found)) != 1 or not first or first != first[:6] * (len(first) // 6)


def number(folder: str) -> int:
    """N of the revision that readers see."""
    return int(os.readlink(f"{folder}/..data").removeprefix("..r"))  # noqa: PTH115 - as above


def main(how: str, folder: str) -> None:
    """Read until stdin is closed."""
    read = {"path": by_path, "set": by_set, "bundle": by_bundle}[how]
    reads = bad = 0
    versions = set()
    while not select.select([sys.stdin], [], [], 0)[0]:
        before = number(folder)
        try:
            found = read(folder)
        except FileNotFoundError:
            bad += number(folder) < before + KEPT
            continue
        reads += 1
        bad += torn(found)
        versions.add(found[0][:6])
    print(reads, len(versions), bad)  # noqa: T201 - its output


if __name__ == "__main__":
    main(*sys.argv[1:])

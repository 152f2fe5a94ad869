"""The embedded sink: Secrets and the ConfigMap of ages as folders, with the keys and bytes of the
later objects.

volumes/<ns>/<snapshot>/            the Secret's keys
volumes/<ns>/<snapshot>-history/    older and candidate versions; no pod mounts it
volumes/<ns>/lastgood-freshness/    the ConfigMap's keys
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contract import ages, wire
from contract.secret_bytes import SecretBytes
from contract.snapshot import META, from_wire
from contract.wire import WireError
from controller.ports import Published
from controller.volume_writer import read, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from refresh.sink import Data

    Volume = Mapping[str, bytes]


HISTORY_SUFFIX = "-history"


class Volumes:
    """Writes are whole and only on change; one writer."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def publish(self, namespace: str, name: str, data: Data, history: Data) -> None:
        """Snapshot and history change places without a moment in which a version is in neither.

        What is revoked is in no write, and `write` removes the old set at once.
        """
        snapshot, kept = revealed(data), revealed(history)
        folder = self._root / namespace
        older = folder / (name + HISTORY_SUFFIX)
        # 1. The history holds what it held, and what it shall hold.
        both = union(read(older) or {}, kept, revoked_in(snapshot))
        if both is not None:
            write(older, both)
        # 2. The snapshot is what is served now.
        write(folder / name, snapshot)
        # 3. The history holds the rest alone.
        write(older, kept)

    def report(self, namespace: str, entries: Mapping[str, ages.Entry]) -> None:
        """Makes these exactly the namespace's ages."""
        keys = {name: ages.to_wire(entry).encode() for name, entry in entries.items()}
        write(self._root / namespace / ages.CONFIG_MAP, keys)

    def ages(self, namespace: str) -> dict[str, ages.Entry]:
        """The namespace's ages; one that can't be read is left out, which errs towards older."""
        found = {}
        for name, raw in (read(self._root / namespace / ages.CONFIG_MAP) or {}).items():
            try:
                found[name] = ages.from_wire(raw)
            except WireError:
                continue
        return found

    def published(self) -> Iterator[Published]:
        """Every snapshot that has a meta.json."""
        for folder in sorted(filter(Path.is_dir, self._root.iterdir())):
            entries = self.ages(folder.name)
            for place in sorted(filter(Path.is_dir, folder.iterdir())):
                if place.name.endswith(HISTORY_SUFFIX) or place.name == ages.CONFIG_MAP:
                    continue
                data = read(place) or {}
                if META in data:
                    history = read(folder / (place.name + HISTORY_SUFFIX)) or {}
                    entry = entries.get(place.name)
                    yield Published(folder.name, place.name, data, history, entry, data.keys())


def union(old: Volume, new: Volume, revoked: frozenset[str]) -> Volume | None:
    """The new history with every version of the old one that is not listed in it. None when one of
    those is revoked:
    then nothing moves into the history, and the snapshot can be written first.
    """
    try:
        before, after = (wire.decode(keys.get(META, b""), META) for keys in (old, new))
        listed, held = wire.objects(after, "versions"), wire.objects(before, "versions")
    except WireError:
        return new
    if any(item.get("version") in revoked for item in held):
        return None
    named = {item.get("version") for item in listed}
    added = [item for item in held if item.get("version") not in named]
    document = {**after, "versions": [*listed, *added]}
    return {**old, **new, META: wire.encode(document).encode()} if added else new


def revoked_in(snapshot: Volume) -> frozenset[str]:
    """The versions that a snapshot's meta.json lists as revoked."""
    return frozenset(from_wire(snapshot[META]).revoked)


def revealed(data: Data) -> dict[str, bytes]:
    """The bytes themselves, for the place where they are kept."""
    return {
        key: value.reveal() if isinstance(value, SecretBytes) else value
        for key, value in data.items()
    }

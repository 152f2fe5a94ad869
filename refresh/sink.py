"""Where the engine's results go: the API server, or a simulation of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from contract.secret_bytes import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.ages import Entry
    from refresh.model import SnapshotKey, SnapshotState

    Data = Mapping[str, bytes | SecretBytes]


class Sink(Protocol):
    """Writes what it is given, and nothing when the same is there already.

    Every method is a coroutine of the engine's loop; one that blocks for more than milliseconds
    goes to a thread. Any exception means that the write may not have happened: the engine keeps
    its state and calls again later, with what is true then. Calls for one snapshot never overlap.
    """

    async def publish(self, key: SnapshotKey, data: Data, history: Data) -> None:
        """Makes these exactly the keys of the snapshot, and of its history; no pod mounts that."""
        ...

    async def report(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        """Makes these exactly the freshness entries of the namespace, by the snapshot's name."""
        ...

    async def status(self, key: SnapshotKey, state: SnapshotState) -> None:
        """Shows operators what is known; called when more than times changed, and after a refresh
        that was asked for.
        """
        ...


def revealed(data: Data) -> dict[str, bytes]:
    """The bytes themselves, for the place where they are kept."""
    return {
        key: value.reveal() if isinstance(value, SecretBytes) else value
        for key, value in data.items()
    }

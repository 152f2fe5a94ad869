"""Where the engine's results go: the API server, or a simulation of it; and what goes there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.ages import Entry
    from contract.secret_bytes import SecretBytes
    from contract.snapshot_format import Meta
    from refresh.model import Identity, Kept, SnapshotKey, SnapshotState, Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is kept of a snapshot beside what pods are given. No pod mounts it."""

    versions: tuple[Kept, ...] = ()
    """Other stored versions, in the order of the state's history."""
    current: Identity | None = None
    """The version that the provider last gave as current."""
    served_rank: int = 0
    """`Kept.rank` of the served version; 0: nothing is served."""
    held_since: float | None = None
    """As in SnapshotState, in seconds since the epoch."""
    spent: tuple[Spent, ...] = ()
    """As in SnapshotState."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One snapshot as it is to be written, or as it was written before a restart. The one encoding
    of it is `refresh.snapshot_data`'s.
    """

    meta: Meta
    values: Mapping[str, SecretBytes]
    """The data keys beside meta.json: `value`, empty where nothing is served, and properties. Of
    one that was read again `value` alone."""
    history: History = field(default_factory=History)


class Sink(Protocol):
    """Writes what it is given, and nothing when the same is there already.

    Every method is a coroutine of the engine's loop; one that blocks for more than milliseconds
    goes to a thread. Any exception means that the write may not have happened: the engine keeps
    its state and calls again later, with what is true then. A `delay_s` of the exception is the
    delay that the server asked for, in seconds. Calls for one snapshot never overlap.
    """

    async def publish(self, key: SnapshotKey, publication: Publication) -> None:
        """Makes the snapshot and its history exactly this."""
        ...

    async def report(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        """Makes these exactly the freshness entries of the namespace, by the snapshot's name."""
        ...

    async def status(self, key: SnapshotKey, state: SnapshotState) -> None:
        """Shows operators what is known; called when more than times changed, and after a refresh
        that was asked for.
        """
        ...

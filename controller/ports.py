"""What the controller needs of its surroundings: embedded a folder on tmpfs, in a cluster the API
server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from refresh.sink import Sink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from contract import ages
    from contract.snapshot import Meta
    from controller.reconcile import Decided
    from refresh.model import SnapshotKey, SnapshotState

T_co = TypeVar("T_co", covariant=True)


class Published(NamedTuple):
    """One snapshot as it was left: its keys, its history's, and its age."""

    namespace: str
    name: str
    data: Mapping[str, bytes]
    """`value` and `meta.json` at least."""
    history: Mapping[str, bytes]
    entry: ages.Entry | None
    keys: Collection[str]
    """All keys that pods may mount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One snapshot as it was left, and the times that its status told last, in seconds since the
    epoch.
    """

    published: Published
    last_attempt: float | None = None
    undemanded_since: float | None = None
    refused_since: float | None = None


class Feed(Protocol[T_co]):
    """Something that others change: policies, demand, specs."""

    def refresh(self) -> bool:
        """Looks for changes. True: `current` may answer otherwise than before."""
        ...

    def current(self) -> T_co:
        """As of the last look."""
        ...


class Past(Protocol):
    """What was published before this process began."""

    def everything(self) -> AsyncIterator[Remembered | None]:
        """Every snapshot that was published. None: an answer came, and there was nothing in it."""
        ...


class Ledger(Sink, Protocol):
    """The sink of the engine, and the one writer of statuses."""

    def restored(self, key: SnapshotKey, meta: Meta) -> None:
        """What was published before a restart."""
        ...

    def decided(
        self,
        decided: Mapping[SnapshotKey, Decided],
        consumers: Mapping[SnapshotKey, tuple[str, ...]],
        generations: Mapping[SnapshotKey, int],
    ) -> None:
        """Takes over what was decided now, after the engine has been told."""
        ...

    def write(self, key: SnapshotKey, state: SnapshotState | None) -> None:
        """Shows one snapshot, if there is something else to say than before. Does not block."""
        ...

    def forget(self, key: SnapshotKey) -> None:
        """Drops what is shown of a snapshot that was never served and that nobody wants."""
        ...

    def vanished(self, key: SnapshotKey) -> bool:
        """Whether the namespace that the snapshot was published in is gone, or was made again."""
        ...

    async def collect(self, key: SnapshotKey) -> bool:
        """Removes what is kept of a snapshot that nobody has used for its retention. False: it
        stays, for now or for good.
        """
        ...

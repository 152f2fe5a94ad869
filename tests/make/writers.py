"""Writers that write nothing, for tests and benches of what comes before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from collections.abc import Set as AbstractSet

    from contract.ages import Entry
    from contract.snapshot_format import Meta
    from controller.reconcile import Decided
    from refresh.model import SnapshotKey, SnapshotState
    from refresh.sink import Publication


class QuietSink:
    """A `refresh.sink.Sink`."""

    async def publish(self, key: SnapshotKey, publication: Publication) -> None: ...

    async def report(self, namespace: str, entries: Mapping[str, Entry]) -> None: ...

    async def status(self, key: SnapshotKey, state: SnapshotState) -> None: ...


class QuietStatuses:
    """What the controller calls of a `StatusWriter`."""

    def published(self, key: SnapshotKey, meta: Meta) -> None: ...

    def decided(
        self,
        decided: Mapping[SnapshotKey, Decided],
        consumers: Mapping[SnapshotKey, tuple[str, ...]],
        generations: Mapping[SnapshotKey, int],
    ) -> None: ...

    def write(self, key: SnapshotKey, state: SnapshotState | None) -> None: ...


class QuietGarbage:
    """What the controller calls of a `GarbageCollector`."""

    def forget(self, key: SnapshotKey) -> None: ...

    def vanished(self, key: SnapshotKey) -> bool:
        del key
        return False

    def unused(self, keys: AbstractSet[SnapshotKey]) -> None: ...

    async def collect_some(self) -> AsyncIterator[SnapshotKey | None]:
        nothing: tuple[SnapshotKey, ...] = ()
        for key in nothing:
            yield key

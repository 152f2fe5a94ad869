"""The projection of what is known of each snapshot, written when it says something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import Found
from contract.snapshot import META, from_wire
from controller.objects import Held, Name, Status
from refresh.model import SnapshotState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.ages import Entry
    from contract.snapshot import Meta
    from controller.reconcile import Decided
    from controller.store import Store
    from controller.volumes import Volumes
    from refresh.model import SnapshotKey
    from refresh.sink import Data


class Statuses:
    """The engine's sink, and the one writer of statuses.

    A status names the generation of the spec that it reflects only when the snapshot itself has
    been written accordingly: who waits for it may rely on the volumes.
    """

    def __init__(self, store: Store, volumes: Volumes) -> None:
        self._store = store
        self._volumes = volumes
        self._published: dict[SnapshotKey, Meta] = {}
        self._applied: dict[SnapshotKey, int] = {}
        self._decided: Mapping[SnapshotKey, Decided] = {}
        self._consumers: Mapping[SnapshotKey, tuple[str, ...]] = {}

    def restored(self, key: SnapshotKey, meta: Meta) -> None:
        """What was published before a restart."""
        self._published[key] = meta

    def decided(
        self,
        decided: Mapping[SnapshotKey, Decided],
        consumers: Mapping[SnapshotKey, tuple[str, ...]],
        generations: Mapping[SnapshotKey, int],
    ) -> None:
        """Takes over what was decided now, after the engine has been told."""
        self._decided, self._consumers = decided, consumers
        self._applied.update(generations)

    async def publish(self, key: SnapshotKey, data: Data, history: Data) -> None:
        self._volumes.publish(key.namespace, key.source.snapshot, data, history)
        meta = data[META]
        if isinstance(meta, bytes):
            self._published[key] = from_wire(meta)

    async def report(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        self._volumes.report(namespace, entries)

    async def status(self, key: SnapshotKey, state: SnapshotState) -> None:
        self.write(key, state)

    def write(self, key: SnapshotKey, state: SnapshotState | None) -> None:
        """Writes the status of one snapshot, if it says something else than before."""
        decided = self._decided.get(key)
        if decided is None:
            return
        name = Name(key.namespace, key.source.snapshot)
        state = SnapshotState() if state is None else state
        observed = self._applied.get(key, 0)
        if not is_written(state, self._published.get(key)):
            before = self._store.written_status(name)
            observed = 0 if before is None else before.observed_generation
        consumers = self._consumers.get(key, ())
        self._store.write_status(name, status_of(key, state, decided, consumers, observed))

    def vanished(self, key: SnapshotKey) -> bool:  # noqa: ARG002 - a store's namespaces only lose their policy
        return False

    async def collect(self, key: SnapshotKey) -> bool:  # noqa: ARG002 - a store keeps what it has
        return False

    def forget(self, key: SnapshotKey) -> None:
        """Removes the status of a snapshot that was never served and that nobody wants."""
        self._store.remove_status(Name(key.namespace, key.source.snapshot))
        self._applied.pop(key, None)


def is_written(state: SnapshotState, meta: Meta | None) -> bool:
    """Whether the snapshot's own meta.json says what the state says; one never served has none."""
    if state.serving is None:
        return True
    served = None if state.served is None else state.served.version
    return meta is not None and (
        (meta.serving, meta.version, meta.pin, meta.revoked, meta.quarantined)
        == (state.serving, served, state.pin, state.revoked, state.quarantined)
    )


def status_of(
    key: SnapshotKey,
    state: SnapshotState,
    decided: Decided,
    consumers: tuple[str, ...],
    observed: int,
    *,
    found: Found | None = None,
) -> Status:
    """The projection of what is known of one snapshot, and of what was found about it."""
    served = state.served
    if found is None and state.restored is not None:
        found = Found.RESTORED
    return Status(
        account=key.source.account,
        identity=key.source.identity,
        provider=key.source.provider,
        reference=key.source.reference,
        rules=None if decided.demanded is None else decided.demanded.rules,
        serving=state.serving,
        version=None if served is None else served.version,
        fetched_at=None if served is None else served.fetched_at,
        last_success=state.last_success,
        last_attempt=state.last_attempt,
        failures=state.failures,
        reason=decided.refusal or state.reason or found,
        latest=state.latest,
        pin=state.pin,
        quarantined=state.quarantined,
        revoked=state.revoked,
        history=tuple(
            Held(version=item.version, fetched_at=item.fetched_at) for item in state.history
        ),
        consumers=consumers,
        undemanded_since=decided.known.undemanded_since,
        refused_since=decided.known.refused_since,
        observed_generation=observed,
    )

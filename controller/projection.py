"""A snapshot's status, from what the controller knows of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import Found
from controller.objects import Held, Status

if TYPE_CHECKING:
    from contract.snapshot import Meta
    from controller.reconcile import Decided
    from refresh.model import SnapshotKey, SnapshotState


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

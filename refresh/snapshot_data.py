"""The keys of the snapshot Secret and of its history, from a state and back. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from contract import ages, wire
from contract.ages import Confirmed, Entry
from contract.freshness import CLOCK_SKEW_S
from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot import META, VALUE, Meta, from_wire, to_wire
from refresh.model import Identity, Kept, SnapshotState, Spent
from refresh.select import selected
from refresh.step import known_or_old

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from refresh.model import SnapshotKey


def data(
    key: SnapshotKey, state: SnapshotState, properties: Iterable[str], cluster: str
) -> dict[str, bytes | SecretBytes]:
    """The snapshot's keys; `value` is empty when nothing is served. The state has been served once:
    `serving` is not None. `cluster` is our own UID.
    """
    source, served = key.source, state.served
    if state.serving is None:
        raise AssertionError("unreachable")
    meta = Meta(
        account=source.account,
        identity=source.identity,
        provider=source.provider,
        reference=source.reference,
        serving=state.serving,
        version=None if served is None else served.version,
        fetched_at=None if served is None else served.fetched_at,
        cluster=state.restored or cluster,
        pin=state.pin,
        revoked=state.revoked,
        quarantined=state.quarantined,
        incarnation=None if served is None else served.incarnation,
    )
    values = {VALUE: b""} if served is None else selected(served.value.reveal(), properties)
    secret: dict[str, bytes | SecretBytes] = {
        name: SecretBytes(raw) for name, raw in values.items()
    }
    return {**secret, META: to_wire(meta).encode()}


def history_data(state: SnapshotState) -> dict[str, bytes | SecretBytes]:
    """The history's keys: `meta.json` with all versions held, and `v.<hash of the version>`."""
    document: dict[str, object] = {
        "latest": state.latest,
        "served_rank": 0 if state.served is None else state.served.rank,
        "versions": [_item(kept) for kept in state.history],
    }
    if state.latest_incarnation is not None:
        document["latest_incarnation"] = state.latest_incarnation
    if state.held_since is not None:
        document["held_since"] = state.held_since
    if state.spent:
        document["spent"] = [
            {"version": item.version, "digest": item.digest} for item in state.spent
        ]
    values: dict[str, bytes | SecretBytes] = {
        _key(*kept.identity): kept.value for kept in state.history
    }
    return {**values, META: wire.encode(document).encode()}


def entry(state: SnapshotState) -> Entry:
    """The freshness entry of a state."""
    served = state.served
    return Entry(
        served=None
        if served is None
        else Confirmed(
            version=served.version,
            last_success=known_or_old(state.last_success),
            incarnation=served.incarnation,
        ),
        prior=state.prior,
        last_attempt=state.last_attempt,
        reason=None if state.reason is None else state.reason.value,
    )


def restored(
    key: SnapshotKey,
    snapshot: Mapping[str, bytes],
    history: Mapping[str, bytes],
    known: Entry | None,
    *,
    cluster: str,
    now: float,
) -> SnapshotState:
    """The state behind what was published, or a WireError that names the fault.

    No age becomes younger by it: a time in the future is not believed, and a backup of another
    cluster counts from when its value was fetched. A history that can't be read is passed over,
    for the served value does not depend on it.
    """
    meta = from_wire(snapshot.get(META, b""))
    source = key.source
    if not meta.names(source.account, source.identity, source.provider, source.reference):
        raise wire.WireError(f"{META} names another source or identity")
    value = snapshot.get(VALUE, b"")
    if meta.serving is Serving.SERVED and not value:
        raise wire.WireError(f"{VALUE} is empty, and {META} says that it is served")
    older, current, served_rank = _history(history, meta.revoked)
    ours = meta.cluster == cluster
    last_success = _last_success(meta, known if ours else None, now)
    served = None
    if meta.version is not None:
        served = Kept(
            version=meta.version,
            value=SecretBytes(value),
            fetched_at=meta.fetched_at or 0.0,
            rank=served_rank,
            incarnation=meta.incarnation,
        )
    return SnapshotState(
        serving=meta.serving,
        served=served,
        history=tuple(kept for kept in older if kept.identity != (meta.version, meta.incarnation)),
        latest=None if current is None else current.version,
        latest_incarnation=None if current is None else current.incarnation,
        pin=meta.pin,
        quarantined=meta.quarantined,
        revoked=meta.revoked,
        spent=_spent(history),
        held_since=_held_since(history, now),
        last_success=last_success,
        prior=_prior(known, now) if ours else None,
        last_attempt=_past(known.last_attempt, now) if known is not None and ours else None,
        reason=_reason(known) if ours else None,
        answered_at=last_success if ours else None,
        restored=None if ours else meta.cluster,
    )


def _key(version: str, incarnation: str | None) -> str:
    told = version if incarnation is None else f"{len(version)}:{version}{incarnation}"
    return "v." + sha256(told.encode()).hexdigest()[:32]


def _item(kept: Kept) -> dict[str, object]:
    item = {"version": kept.version, "fetched_at": kept.fetched_at, "rank": kept.rank}
    return item if kept.incarnation is None else item | {"incarnation": kept.incarnation}


def _history(
    history: Mapping[str, bytes], revoked: tuple[str, ...]
) -> tuple[list[Kept], Identity | None, int]:
    try:
        document = wire.decode(history.get(META, b""), "the history's meta.json")
        held = [_kept(item, history) for item in wire.objects(document, "versions")]
        latest = wire.optional_text(document, "latest")
        incarnation = wire.optional_text(document, "latest_incarnation")
        rank = int(wire.number(document, "served_rank"))
    except wire.WireError:
        return [], None, 0
    current = None if latest is None else Identity(latest, incarnation)
    return [kept for kept in held if len(kept.value) and kept.version not in revoked], current, rank


def _held_since(history: Mapping[str, bytes], now: float) -> float | None:
    """When a hold began, as it was recorded; never in the future, so that it ends."""
    try:
        document = wire.decode(history.get(META, b""), "the history's meta.json")
        since = wire.optional_number(document, "held_since")
    except wire.WireError:
        return None
    return None if since is None else min(since, now)


def _spent(history: Mapping[str, bytes]) -> tuple[Spent, ...]:
    try:
        document = wire.decode(history.get(META, b""), "the history's meta.json")
        found = wire.objects(document, "spent") if "spent" in document else []
        return tuple(
            Spent(version=wire.text(item, "version"), digest=wire.text(item, "digest"))
            for item in found
        )
    except wire.WireError:
        return ()


def _kept(item: dict[str, Any], history: Mapping[str, bytes]) -> Kept:
    version, incarnation = wire.text(item, "version"), wire.optional_text(item, "incarnation")
    return Kept(
        version=version,
        value=SecretBytes(history.get(_key(version, incarnation), b"")),
        fetched_at=wire.number(item, "fetched_at"),
        rank=int(wire.number(item, "rank")),
        incarnation=incarnation,
    )


def _last_success(meta: Meta, known: Entry | None, now: float) -> float | None:
    if meta.version is None:
        return None
    return _past(ages.last_success(meta, known), now)


def _prior(known: Entry | None, now: float) -> Confirmed | None:
    if known is None or known.prior is None or _past(known.prior.last_success, now) is None:
        return None
    return known.prior


def _past(moment: float | None, now: float) -> float | None:
    """The moment, if it can be believed; up to the skew ahead it is now."""
    return None if moment is None or moment > now + CLOCK_SKEW_S else min(moment, now)


def _reason(known: Entry | None) -> FetchFailure | None:
    reason = None if known is None else known.reason
    return next((failure for failure in FetchFailure if failure == reason), None)

"""From a state to what is written of it, its one encoding, and back. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from contract import ages, wire
from contract.ages import Confirmed, Entry
from contract.freshness import CLOCK_SKEW_S
from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import META, VALUE, Meta, to_wire
from refresh.confirmation import known_or_old
from refresh.model import Identity, Kept, SnapshotState, Spent
from refresh.properties import selected
from refresh.sink import History, Publication

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from refresh.model import SnapshotKey


def publication(
    key: SnapshotKey, state: SnapshotState, properties: Iterable[str], cluster: str
) -> Publication:
    """What is to be written of a state that has been served once: `serving` is not None. `value` is
    empty when nothing is served. `cluster` is our own UID.
    """
    source, served = key.source, state.served
    if state.serving is None:
        raise AssertionError("unreachable")
    meta = Meta(
        account=source.account,
        identity=source.identity,
        scheme=source.scheme,
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
    history = History(
        versions=state.history,
        current=state.current,
        served_rank=0 if served is None else served.rank,
        held_since=state.held_since,
        spent=state.spent,
    )
    secret = {name: SecretBytes(raw) for name, raw in values.items()}
    return Publication(meta=meta, values=secret, history=history)


def secret_data(written: Publication) -> dict[str, bytes]:
    """The keys of the snapshot's Secret, in the clear."""
    values = {name: value.reveal() for name, value in written.values.items()}
    return {**values, META: to_wire(written.meta).encode()}


def history_data(history: History) -> dict[str, bytes]:
    """The history's keys, in the clear: `meta.json` with all stored versions, and `v.<hash of the
    version>`.
    """
    document: dict[str, object] = {
        "latest": None if history.current is None else history.current.version,
        "served_rank": history.served_rank,
        "versions": [_item(kept) for kept in history.versions],
    }
    if history.current is not None and history.current.incarnation is not None:
        document["latest_incarnation"] = history.current.incarnation
    if history.held_since is not None:
        document["held_since"] = history.held_since
    if history.spent:
        document["spent"] = [
            {"version": item.version, "digest": item.digest} for item in history.spent
        ]
    values = {_key(*kept.identity): kept.value.reveal() for kept in history.versions}
    return {**values, META: wire.encode(document).encode()}


def published(meta: Meta, value: bytes, history: Mapping[str, bytes]) -> Publication:
    """What was written, from the snapshot's meta and value, and the history's keys. A history that
    can't be read counts as empty, for the served value does not depend on it.
    """
    return Publication(meta=meta, values={VALUE: SecretBytes(value)}, history=_history(history))


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
    key: SnapshotKey, written: Publication, known: Entry | None, *, cluster: str, now: float
) -> SnapshotState:
    """The state behind what was published, or a WireError that names the fault.

    No age becomes younger by it: a time in the future is not believed, and a backup of another
    cluster counts from when its value was fetched.
    """
    meta, source, history = written.meta, key.source, written.history
    if not meta.names(source.account, source.identity, source.scheme, source.reference):
        raise wire.WireError(f"{META} names another source or identity")
    value = written.values.get(VALUE, SecretBytes(b""))
    if meta.serving is Serving.SERVED and not len(value):
        raise wire.WireError(f"{VALUE} is empty, and {META} says that it is served")
    older = (kept for kept in history.versions if kept.version not in meta.revoked)
    current, since = history.current, history.held_since
    ours = meta.cluster == cluster
    last_success = _last_success(meta, known if ours else None, now)
    served = None
    if meta.version is not None:
        served = Kept(
            version=meta.version,
            value=value,
            fetched_at=meta.fetched_at or 0.0,
            rank=history.served_rank,
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
        spent=history.spent,
        held_since=None if since is None else min(since, now),
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


def _history(data: Mapping[str, bytes]) -> History:
    """When a hold began is read by itself, so that it ends."""
    try:
        document = wire.decode(data.get(META, b""), "the history's meta.json")
    except wire.WireError:
        return History()
    try:
        since = wire.optional_number(document, "held_since")
    except wire.WireError:
        since = None
    spent = _spent(document)
    try:
        read_back = [_kept(item, data) for item in wire.objects(document, "versions")]
        latest = wire.optional_text(document, "latest")
        incarnation = wire.optional_text(document, "latest_incarnation")
        rank = int(wire.number(document, "served_rank"))
    except wire.WireError:
        return History(held_since=since, spent=spent)
    return History(
        versions=tuple(kept for kept in read_back if len(kept.value)),
        current=None if latest is None else Identity(latest, incarnation),
        served_rank=rank,
        held_since=since,
        spent=spent,
    )


def _spent(document: Mapping[str, Any]) -> tuple[Spent, ...]:
    try:
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

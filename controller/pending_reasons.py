"""Why a pod that does not start yet waits, and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.bundle import fits
from contract.freshness import age_s, assess
from contract.quoted import shown
from contract.reasons import CacheReason, Found, Freshness
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import VALUE, data_key
from controller.remediation import of_source, reason_of
from refresh import properties

if TYPE_CHECKING:
    from controller.demand import DemandedParts
    from controller.reconcile import Decided
    from refresh.model import Kept, SnapshotKey, SnapshotState


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReason:
    """What one source keeps a pod from starting for."""

    key: SnapshotKey
    cause: str
    """A FetchFailure, a Found, a refusal of policy, EXPIRED, or a CacheReason."""
    reason: str
    """The Event's."""
    note: str
    """The Event's: which source, which error, what to do."""


EXPIRED = "expired"
MOST_NAMES = 200
"""Characters of the properties in one sentence."""


def pending_reason(
    key: SnapshotKey,
    state: SnapshotState | None,
    decided: Decided,
    *,
    found: Found | None,
    now: float,
    login: str | None = None,
) -> PendingReason | None:
    """What `key` keeps its pods waiting for; None: nothing, or nothing that is known yet.

    `found`: why pods are not given what is known. `now` in seconds since the epoch. `login`: as in
    `status_of`.
    """
    if found is not None:
        cause = str(found)
        note = f"waits for {_named(key)}. {reason_of(cause)}"
        return PendingReason(key=key, cause=cause, reason="SecretNotSynced", note=note)
    if state is not None and state.serving is not None:
        return _expired(key, state, decided, now, login)
    reason = decided.refusal or (None if state is None else state.reason)
    message = decided.message if decided.refusal else login or _of_source(key, state)
    return None if reason is None else _never_synced(key, str(reason), message)


def _never_synced(key: SnapshotKey, cause: str, message: str | None) -> PendingReason:
    said = reason_of(cause, message)
    note = f"waits for {_named(key)}, which was never fetched. {said}"
    return PendingReason(key=key, cause=cause, reason="SecretNotSynced", note=note)


def _expired(
    key: SnapshotKey, state: SnapshotState, decided: Decided, now: float, login: str | None
) -> PendingReason | None:
    """Of a class that refuses what has expired."""
    rules = None if decided.demanded is None else decided.demanded.rules
    if rules is None or not rules.refuses:
        return None
    if assess(rules, state.last_success, now) is not Freshness.EXPIRED:
        return None
    age = age_s(state.last_success, now)
    old = "of unknown age" if age is None else f"{age:.0f} s old"
    last = "No fetch has failed since. A refresh is queued"
    if state.reason is not None:
        said = reason_of(state.reason, login or _of_source(key, state))
        last = f"The last fetch failed. {said}"
    note = (
        f"waits for {_named(key)}, which has expired. It is {old}, and class {rules.name} refuses"
        f" to start pods with values older than {rules.max_age_s:.0f} s. {last}"
    )
    return PendingReason(key=key, cause=EXPIRED, reason="SecretExpired", note=note)


def _of_source(key: SnapshotKey, state: SnapshotState | None) -> str | None:
    return None if state is None else of_source(key.source.scheme, key.source.reference, state)


def unusable(
    key: SnapshotKey, served: Kept, taken: DemandedParts, *, bundle: str | None = None
) -> PendingReason | None:
    """What a gate finds wrong with the served value itself, as it comes to it; None: nothing.
    `bundle` is the form of the pod's bundle.
    """
    data = properties.selected(served.value.reveal(), taken.properties)
    missing = sorted(name for name in taken.properties if data_key(name) not in data)
    if missing:
        names = shown(", ".join(missing), MOST_NAMES)
        what = f"has no property {names}, or the property is null or empty"
        return _unusable(key, served, CacheReason.PROPERTY_MISSING, what)
    keys = {data_key(name) for name in taken.properties} | ({VALUE} if taken.whole else set())
    if bundle is not None and not all(fits(bundle, "x", SecretBytes(data[name])) for name in keys):
        what = f"cannot be stored in a bundle of format {bundle}"
        return _unusable(key, served, CacheReason.UNFIT_FOR_BUNDLE, what)
    return None


def _unusable(key: SnapshotKey, served: Kept, cause: CacheReason, what: str) -> PendingReason:
    said = reason_of(cause.value)
    note = f"waits for {_named(key)}. Version {served.version} {what}. {said}"
    return PendingReason(key=key, cause=cause.value, reason="SecretNotUsable", note=note)


def _named(key: SnapshotKey) -> str:
    return f"{key.source.scheme}:{key.source.reference} of account {key.source.account}"

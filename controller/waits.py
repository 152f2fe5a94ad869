"""Why a pod that does not start yet waits, and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.freshness import age_s, assess
from contract.reasons import Found, Freshness
from controller.advice import reason_of

if TYPE_CHECKING:
    from controller.reconcile import Decided
    from refresh.model import SnapshotKey, SnapshotState


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What one source keeps a pod from starting for."""

    key: SnapshotKey
    cause: str
    """A FetchFailure, a Found, a refusal of policy, or EXPIRED."""
    reason: str
    """The Event's."""
    note: str
    """The Event's: which source, which error, what to do."""


EXPIRED = "expired"


def wait(
    key: SnapshotKey,
    state: SnapshotState | None,
    decided: Decided,
    *,
    found: Found | None,
    now: float,
) -> Wait | None:
    """What `key` keeps its pods waiting for; None: nothing, or nothing that is known yet.

    `found`: why pods are not given what is known. `now` in seconds since the epoch.
    """
    if found is not None:
        cause = str(found)
        note = f"waits for {_named(key)}. {reason_of(cause)}"
        return Wait(key=key, cause=cause, reason="SecretNotSynced", note=note)
    if state is not None and state.serving is not None:
        return _expired(key, state, decided, now)
    reason = decided.refusal or (None if state is None else state.reason)
    message = decided.message if decided.refusal else None
    return None if reason is None else _never_synced(key, str(reason), message)


def _never_synced(key: SnapshotKey, cause: str, message: str | None) -> Wait:
    said = reason_of(cause, message)
    note = f"waits for {_named(key)}, which was never fetched. {said}"
    return Wait(key=key, cause=cause, reason="SecretNotSynced", note=note)


def _expired(key: SnapshotKey, state: SnapshotState, decided: Decided, now: float) -> Wait | None:
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
        last = f"The last fetch failed. {reason_of(state.reason)}"
    note = (
        f"waits for {_named(key)}, which has expired. It is {old}, and class {rules.name} refuses"
        f" to start pods with values older than {rules.max_age_s:.0f} s. {last}"
    )
    return Wait(key=key, cause=EXPIRED, reason="SecretExpired", note=note)


def _named(key: SnapshotKey) -> str:
    return f"{key.source.provider}:{key.source.reference} of account {key.source.account}"

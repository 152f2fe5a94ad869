"""How an answer moves the age of what is served: by itself, or by another program's word. Pure.
Times in seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refresh import versions

if TYPE_CHECKING:
    from providers.protocol import Evidence
    from refresh.model import Identity, SnapshotState

UNKNOWN_AGE = 0.0
"""Written as last success when the age is not known: every class calls that expired."""


def moment(evidence: Evidence | None, answered_at: float | None, now: float) -> float:
    """Up to when an answer speaks of the value."""
    told = answered_at if evidence is None else evidence.confirmed_at
    return now if told is None else min(now, told)


def answered(
    state: SnapshotState, evidence: Evidence | None, identity: Identity, at: float
) -> float | None:
    """When the provider last named `identity`, its current version; None: it has not since the
    state was restored. Another program's word is often older than what is known already.

    With a doubt only a version that is new to us counts from `at`: a writer of the same bytes
    once more, for example after a restore of the cluster, confirms nothing.
    """
    known = state.answered_at
    if evidence is None:
        return at
    if evidence.doubt is None:
        return at if known is None else max(known, at)
    kept = versions.stored(state, identity)
    if kept is None:
        return at
    if kept is not state.served:
        return min(at, kept.fetched_at)
    return None if known is None else min(at, known, known_or_old(state.last_success))


def told(state: SnapshotState, evidence: Evidence | None, at: float) -> SnapshotState:
    """The state after an answer: confirmed by it, or served with the doubt as the reason."""
    doubt = None if evidence is None else evidence.doubt
    if doubt is None:
        return confirmed(state, at)
    if not versions.serves_as_wanted(state):
        return state
    return replace(state, reason=doubt.reason, code=doubt.code)


def known_or_old(last_success: float | None) -> float:
    """A last success for readers, who have no word for an unknown one."""
    return UNKNOWN_AGE if last_success is None else last_success


def confirmed(state: SnapshotState, answered_at: float | None) -> SnapshotState:
    """The state with its age taken from the provider's answer, where what is served is what is
    wanted in the light of that answer; otherwise the age goes on.
    """
    if answered_at is None or not versions.serves_as_wanted(state):
        return state
    last_success = max(answered_at, known_or_old(state.last_success))
    return replace(state, last_success=last_success, reason=None, restored=None)

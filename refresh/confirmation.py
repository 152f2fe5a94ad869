"""How an answer moves the age of what is served: by itself, or by another program's word. Pure.
Times in seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refresh import versions

if TYPE_CHECKING:
    from providers.protocol import Evidence
    from refresh.model import SnapshotState

UNKNOWN_AGE = 0.0
"""Written as last success when the age is not known: every class calls that expired."""


def moment(evidence: Evidence | None, answered_at: float | None, now: float) -> float:
    """Up to when an answer speaks of the value."""
    told = answered_at if evidence is None else evidence.confirmed_at
    return now if told is None else min(now, told)


def answered(state: SnapshotState, evidence: Evidence | None, at: float) -> float:
    """When the provider last named the current version. Another program's word is often older than
    what is known already; a doubt never makes it newer.
    """
    known = state.answered_at
    if evidence is None or known is None:
        return at
    return max(known, at) if evidence.doubt is None else min(known, at)


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

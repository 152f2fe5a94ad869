"""Whether a version that lost members in use is held, and until when (docs/design/022). Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contract.freshness import PROPAGATION_S
from refresh import versions

if TYPE_CHECKING:
    from refresh.model import Identity, Kept, SnapshotState, Use
    from refresh.step_events import Weight


def switches_to(state: SnapshotState, identity: Identity) -> bool:
    """Whether that version would be served in the place of another."""
    is_served = state.served is not None and state.served.identity == identity
    return not is_served and not versions.is_rolled_back(state, identity)


def until(state: SnapshotState, weight: Weight, at: float, now: float) -> float | None:
    """When a version that arrives or arrived at `at` is served though it lost members; None: now.

    Its class says so, nobody uses them, an operator has pinned, or the served version would be too
    old, by then or when that has reached its readers.
    """
    if not weight.lost or state.pin is not None or state.served is None:
        return None
    if state.last_success is None or not _may_stay(state, state.served):
        return None
    since = at if state.held_since is None else state.held_since
    oldest = state.last_success + weight.max_age_s - PROPAGATION_S
    end = min(since + weight.hold_s, oldest)
    return end if now < end else None


def _may_stay(state: SnapshotState, served: Kept) -> bool:
    return served.version not in state.revoked and not versions.is_rolled_back(
        state, served.identity
    )


def what_is_lost(lost: tuple[Use, ...]) -> str:
    """The members and who uses them, as a part of a sentence."""
    return "; ".join(f"{item.member}, which {_users(item)}" for item in lost)


def _users(item: Use) -> str:
    if not item.pods:
        return "a declaration uses"
    names = [*item.pods, *([f"{item.more} more"] if item.more else [])]
    return f"pods use: {', '.join(names)}"


def goes_on(state: SnapshotState) -> bool:
    """Whether operators left a hold as it is: a pin ends it, and so does what unserves the served
    version, for the held one is the newest.
    """
    return state.pin is None and state.served is not None and _may_stay(state, state.served)


def ended(state: SnapshotState) -> SnapshotState:
    """The state without the end of a hold, where no version is held."""
    if versions.held_back(state) is not None:
        return state
    return replace(state, lost=(), held_until=None)

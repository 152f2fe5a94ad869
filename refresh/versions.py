"""Which of the versions held may be served, and which should be. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contract.snapshot import MOST_REVOKED, Quarantined

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from refresh.model import Kept, SnapshotState

ROLLED_BACK = "rolled-back"
"""The reason of a quarantine that an operator asked for; all others are a check's word."""

GOOD_VERSIONS = 3
"""Older good versions kept beside the served one."""
CANDIDATES = 1
"""Refused or rolled-back versions kept beside it."""
RECORD_BYTES = (1 << 20) - (1 << 17)
"""The served value and all of them together, for they share one Secret of at most 1 MiB."""


def held(state: SnapshotState, version: str) -> Kept | None:
    """The held version of that name, served or not."""
    if state.served is not None and state.served.version == version:
        return state.served
    return next((kept for kept in state.history if kept.version == version), None)


def is_rejected(state: SnapshotState, version: str) -> bool:
    """Whether a check refused that version."""
    return any(item.version == version and item.reason != ROLLED_BACK for item in state.quarantined)


def is_rolled_back(state: SnapshotState, version: str) -> bool:
    """Whether an operator rolled back from that version."""
    return any(item.version == version and item.reason == ROLLED_BACK for item in state.quarantined)


def missing_pin(state: SnapshotState) -> str | None:
    """The pinned version, if it has to be fetched by name."""
    pin = state.pin
    if pin is None or pin in state.revoked or is_rejected(state, pin):
        return None
    return pin if held(state, pin) is None else None


def target(state: SnapshotState) -> Kept | None:
    """The version that should be served of those held; None: what is served stays, unless revoked.

    The pin; while it is being fetched, what is served, and nothing where nothing was ever served,
    for a lost record may have served the pin; else the provider's current version; else the good
    version that became current last.
    """
    served = state.served
    if served is not None and served.version in state.revoked:
        served = None
    pinned = _pinned(state)
    if pinned is not None:
        return pinned
    if missing_pin(state) is not None and (served is not None or state.serving is None):
        return served
    good = [kept for kept in _all(state) if _is_good(state, kept)]
    current = next((kept for kept in good if kept.version == state.latest), None)
    return current or max(good, key=lambda kept: (kept.rank, kept.fetched_at), default=None)


def serves_as_wanted(state: SnapshotState) -> bool:
    """Whether the served version is the one wanted, given the version that the provider named."""
    if state.served is None:
        return False
    version, latest = state.served.version, state.latest
    if missing_pin(state) is not None:
        return False
    if _pinned(state) is not None:
        return True
    if version == latest:
        return not is_rejected(state, version)
    return latest is not None and (latest in state.revoked or is_rolled_back(state, latest))


def next_rank(state: SnapshotState, version: str) -> int:
    """The rank of a version that the provider names as current."""
    top = max(_all(state), key=lambda kept: kept.rank, default=None)
    if top is None:
        return 1
    return top.rank if top.version == version and top.rank > 0 else top.rank + 1


def with_kept(state: SnapshotState, kept: Kept) -> SnapshotState:
    """The state that holds `kept`, in the place of what it held under that version."""
    if state.served is not None and state.served.version == kept.version:
        return replace(state, served=kept)
    others = [item for item in state.history if item.version != kept.version]
    return replace(state, history=_sorted([*others, kept]))


def with_rejection(state: SnapshotState, version: str, code: str) -> SnapshotState:
    """The state in which a check refused `version`; an operator's word on it stays."""
    if any(item.version == version for item in state.quarantined):
        return state
    item = Quarantined(version=version, reason=code)
    return replace(state, quarantined=(*state.quarantined, item))


def without_rejection(state: SnapshotState, version: str) -> SnapshotState:
    """The state in which no check refuses `version`."""
    if not is_rejected(state, version):
        return state
    rest = tuple(
        item for item in state.quarantined if item.version != version or item.reason == ROLLED_BACK
    )
    return replace(state, quarantined=rest)


def with_revoked(state: SnapshotState, wanted: AbstractSet[str]) -> tuple[str, ...]:
    """The state's revocations with those that are asked for now.

    One that is asked for is never forgotten. Of others the oldest go once there are more than
    MOST_REVOKED, but not one of the provider's current version or of the pin.
    """
    every = (*state.revoked, *sorted(wanted - set(state.revoked)))
    needed = wanted | {state.latest, state.pin}
    spare = [version for version in every if version not in needed]
    forgotten = set(spare[: max(0, len(every) - MOST_REVOKED)])
    return tuple(version for version in every if version not in forgotten)


def trimmed(state: SnapshotState) -> SnapshotState:
    """The state with no more history, and no more refusals, than are worth keeping."""
    bad = {item.version for item in state.quarantined}
    keep: list[Kept] = []
    room = {True: CANDIDATES, False: GOOD_VERSIONS}
    left_bytes = RECORD_BYTES - (0 if state.served is None else len(state.served.value))
    # A refused version takes no room of a good one.
    for kept in sorted(_sorted(state.history), key=lambda kept: kept.version in bad):
        refused = kept.version in bad
        if room[refused] > 0 and len(kept.value) <= left_bytes:
            room[refused] -= 1
            left_bytes -= len(kept.value)
            keep.append(kept)
    named = {kept.version for kept in keep} | {state.latest, state.pin}
    quarantined = tuple(
        item for item in state.quarantined if item.reason == ROLLED_BACK or item.version in named
    )
    return replace(state, history=_sorted(keep), quarantined=quarantined)


def _pinned(state: SnapshotState) -> Kept | None:
    pin = state.pin
    if pin is None or pin in state.revoked or is_rejected(state, pin):
        return None
    return held(state, pin)


def _is_good(state: SnapshotState, kept: Kept) -> bool:
    """Whether it may be served. Checks that came later do not unserve what is served."""
    if kept.version in state.revoked or is_rolled_back(state, kept.version):
        return False
    return kept is state.served or not is_rejected(state, kept.version)


def _all(state: SnapshotState) -> tuple[Kept, ...]:
    return state.history if state.served is None else (state.served, *state.history)


def _sorted(history: list[Kept] | tuple[Kept, ...]) -> tuple[Kept, ...]:
    return tuple(sorted(history, key=lambda kept: (-kept.rank, -kept.fetched_at)))

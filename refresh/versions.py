"""Which of the stored versions may be served, and which should be. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from contract.snapshot_format import MOST_REVOKED, Quarantined
from refresh.model import Identity

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from providers.protocol import Material
    from refresh.model import Kept, SnapshotState

ROLLED_BACK = "rolled-back"
"""The reason of a quarantine that an operator asked for."""
CHANGED_IN_PLACE = "changed-in-place"
"""The reason where the provider gave other bytes under an identity that is held: the held bytes
stay good, but the provider does not confirm them. All other reasons are a check's word."""
LOST_MEMBER = "lost-member"
"""The reason of a version that is held: it passed its checks, and lacks what is in use."""

GOOD_VERSIONS = 3
"""Older good versions kept beside the served one."""
CANDIDATES = 1
"""Refused or rolled-back versions kept beside it."""
RECORD_BYTES = (1 << 20) - (1 << 17)
"""The served value and all of them together, for they share one Secret of at most 1 MiB."""


def stored(state: SnapshotState, identity: Identity) -> Kept | None:
    """The stored version of that identity, served or not."""
    return next((kept for kept in _all(state) if kept.identity == identity), None)


def same(state: SnapshotState, material: Material) -> Kept | None:
    """The stored version that a material is of, whatever its bytes; None: it is another.

    Where only one of the two knows its incarnation, equal bytes are the same version. Other bytes
    are so only where the provider does not say whose they are.
    """
    named = [kept for kept in _all(state) if kept.version == material.version]
    for kept in named:
        if kept.incarnation == material.incarnation:
            return kept
    if material.incarnation is None:
        equal = (kept for kept in named if kept.value == material.value)
        return next(equal, named[0] if named else None)
    unknown = (kept for kept in named if kept.incarnation is None)
    return next((kept for kept in unknown if kept.value == material.value), None)


def is_rejected(state: SnapshotState, identity: Identity) -> bool:
    """Whether a check refused that version, or the provider gave other bytes for it."""
    return rejection(state, identity) is not None


def rejection(state: SnapshotState, identity: Identity) -> str | None:
    """The word of the check that refused that version, or that other bytes came for it; None:
    nothing is against it, or an operator's word alone.
    """
    words = (item.reason for item in _words(state, identity))
    return next((word for word in words if word != ROLLED_BACK), None)


def is_refused(state: SnapshotState, identity: Identity) -> bool:
    """Whether a check refused that version."""
    return not {item.reason for item in _words(state, identity)} <= _HELD_BYTES_ARE_GOOD


def is_doubted(state: SnapshotState, identity: Identity) -> bool:
    """Whether the provider gave other bytes for that version."""
    return any(item.reason == CHANGED_IN_PLACE for item in _words(state, identity))


def is_held_back(state: SnapshotState, identity: Identity | None) -> bool:
    """Whether that version is not served for what it lacks."""
    words = [] if identity is None else _words(state, identity)
    return any(item.reason == LOST_MEMBER for item in words)


def held_back(state: SnapshotState) -> Identity | None:
    """The version that is served once the hold ends: the provider's current one, or, where that one
    can't be served, the newest that is held; None: none is.
    """
    current = state.current
    if is_held_back(state, current):
        return current
    if state.served is not None and state.served.identity == current:
        return None
    marked = (kept.identity for kept in state.history if is_held_back(state, kept.identity))
    return next(marked, None)


def is_rolled_back(state: SnapshotState, identity: Identity) -> bool:
    """Whether an operator rolled back from that version."""
    return any(item.reason == ROLLED_BACK for item in _words(state, identity))


def is_refused_pin(state: SnapshotState) -> bool:
    """Whether the pinned version can't be served: it is revoked, or checks refused it."""
    pin = state.pin
    if pin is None or pinned(state) is not None:
        return False
    words = {item.reason for item in state.quarantined if item.version == pin}
    return pin in state.revoked or not words <= _HELD_BYTES_ARE_GOOD


def missing_pin(state: SnapshotState) -> str | None:
    """The pinned version, if it has to be fetched by name."""
    if is_refused_pin(state) or pinned(state) is not None:
        return None
    return state.pin


def target(state: SnapshotState) -> Kept | None:
    """The version that should be served of those held; None: what is served stays, unless revoked.

    The pin; while it is being fetched, what is served, and nothing where nothing was ever served,
    for a lost record may have served the pin; else the provider's current version; else the good
    version that became current last.
    """
    served = state.served
    if served is not None and served.version in state.revoked:
        served = None
    wanted = pinned(state)
    if wanted is not None:
        return wanted
    if missing_pin(state) is not None and (served is not None or state.serving is None):
        return served
    good = [kept for kept in _all(state) if _is_good(state, kept)]
    current = next((kept for kept in good if kept.identity == state.current), None)
    return current or max(good, key=lambda kept: (kept.rank, kept.fetched_at), default=None)


def serves_as_wanted(state: SnapshotState) -> bool:
    """Whether the served version is the one wanted, given the version that the provider named."""
    if state.served is None:
        return False
    served, latest = state.served.identity, state.current
    if missing_pin(state) is not None or (served == latest and is_doubted(state, served)):
        return False
    if pinned(state) is not None:
        return True
    if served == latest:
        return not is_rejected(state, served)
    return latest is not None and (latest.version in state.revoked or is_rolled_back(state, latest))


def next_rank(state: SnapshotState, identity: Identity) -> int:
    """The rank of a version that the provider names as current."""
    top = max(_all(state), key=lambda kept: kept.rank, default=None)
    if top is None:
        return 1
    return top.rank if top.identity == identity and top.rank > 0 else top.rank + 1


def with_kept(state: SnapshotState, kept: Kept) -> SnapshotState:
    """The state that holds `kept`, in the place of what it held under that identity."""
    if state.served is not None and state.served.identity == kept.identity:
        return replace(state, served=kept)
    others = [item for item in state.history if item.identity != kept.identity]
    return replace(state, history=_sorted([*others, kept]))


def adopted(state: SnapshotState, kept: Kept, incarnation: str | None) -> SnapshotState:
    """The state in which a held version of no known incarnation is of this one."""
    if incarnation is None or kept.incarnation is not None:
        return state
    known = replace(kept, incarnation=incarnation)
    if kept is state.served:
        return replace(state, served=known)
    history = tuple(known if item is kept else item for item in state.history)
    return replace(state, history=history)


def with_rejection(state: SnapshotState, identity: Identity, code: str) -> SnapshotState:
    """The state in which a check refused that version; an operator's word on it stays."""
    if any(_words(state, identity)):
        return state
    version, incarnation = identity
    item = Quarantined(version=version, reason=code, incarnation=incarnation)
    return replace(state, quarantined=(*state.quarantined, item))


def with_doubt(state: SnapshotState, identity: Identity) -> SnapshotState:
    """The state in which the provider gave other bytes for that version."""
    if is_doubted(state, identity):
        return state
    version, incarnation = identity
    item = Quarantined(version=version, reason=CHANGED_IN_PLACE, incarnation=incarnation)
    return replace(state, quarantined=(*state.quarantined, item))


def without_hold(state: SnapshotState) -> SnapshotState:
    """The state that holds no version for what it lacks; when the hold began is still known."""
    rest = tuple(item for item in state.quarantined if item.reason != LOST_MEMBER)
    return replace(state, quarantined=rest, lost=(), held_until=None)


def without_rejection(state: SnapshotState, identity: Identity) -> SnapshotState:
    """The state in which no check refuses that version."""
    if not is_rejected(state, identity):
        return state
    refusals = [item for item in _words(state, identity) if item.reason != ROLLED_BACK]
    rest = tuple(item for item in state.quarantined if item not in refusals)
    return replace(state, quarantined=rest)


def quarantine(state: SnapshotState, wanted: AbstractSet[str]) -> tuple[Quarantined, ...]:
    """The state's quarantine with what operators rolled back from: `wanted`, and nothing else.

    They name a version. What they mean is the incarnation that was served then, so another one of
    that name is a newer version, and what a check said of it stays.
    """
    known = [item for item in state.quarantined if item.reason == ROLLED_BACK]
    before = [item for item in known if item.version in wanted]
    new = sorted(wanted - {item.version for item in before})
    words = (*before, *(_rolled_back(state, version) for version in new))
    refusals = (
        item
        for item in state.quarantined
        if item.reason != ROLLED_BACK and not any(_covers(word, item) for word in words)
    )
    return (*refusals, *words)


def _covers(word: Quarantined, refusal: Quarantined) -> bool:
    """Whether an operator's word says all that a check said."""
    return _speaks_of(word, Identity(refusal.version, refusal.incarnation))


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
    keep: list[Kept] = []
    room = {True: CANDIDATES, False: GOOD_VERSIONS}
    left_bytes = RECORD_BYTES - (0 if state.served is None else len(state.served.value))
    # A refused version takes no room of a good one.
    bad = {kept.identity for kept in state.history if _is_bad(state, kept.identity)}
    for kept in sorted(_sorted(state.history), key=lambda kept: kept.identity in bad):
        refused = kept.identity in bad
        if room[refused] > 0 and len(kept.value) <= left_bytes:
            room[refused] -= 1
            left_bytes -= len(kept.value)
            keep.append(kept)
    named = {kept.identity for kept in keep} | {state.current}
    quarantined = tuple(
        item
        for item in state.quarantined
        if item.reason == ROLLED_BACK
        or item.version == state.pin
        or any(_speaks_of(item, one) for one in named if one is not None)
    )
    return replace(state, history=_sorted(keep), quarantined=quarantined)


def pinned(state: SnapshotState) -> Kept | None:
    """The version to serve of those held under the pinned name: the served one, else the newest."""
    if state.pin is None or state.pin in state.revoked:
        return None
    named = (kept for kept in _all(state) if kept.version == state.pin)
    return next((kept for kept in named if not is_refused(state, kept.identity)), None)


_HELD_BYTES_ARE_GOOD = frozenset({ROLLED_BACK, CHANGED_IN_PLACE, LOST_MEMBER})


def _words(state: SnapshotState, identity: Identity) -> list[Quarantined]:
    """What the quarantine says of a version."""
    return [item for item in state.quarantined if _speaks_of(item, identity)]


def _speaks_of(item: Quarantined, identity: Identity) -> bool:
    of_it = item.incarnation is None or item.incarnation == identity.incarnation
    return of_it and item.version == identity.version


def _rolled_back(state: SnapshotState, version: str) -> Quarantined:
    named = [kept for kept in _all(state) if kept.version == version]
    incarnation = named[0].incarnation if named else None
    return Quarantined(version=version, reason=ROLLED_BACK, incarnation=incarnation)


def _is_bad(state: SnapshotState, identity: Identity) -> bool:
    """Whether it is kept for people to see only."""
    return is_refused(state, identity) or is_rolled_back(state, identity)


def _is_good(state: SnapshotState, kept: Kept) -> bool:
    """Whether it may be served. Checks that came later do not unserve what is served."""
    if kept.version in state.revoked or is_rolled_back(state, kept.identity):
        return False
    if kept is state.served:
        return True
    return not (is_refused(state, kept.identity) or is_held_back(state, kept.identity))


def _all(state: SnapshotState) -> tuple[Kept, ...]:
    return state.history if state.served is None else (state.served, *state.history)


def _sorted(history: list[Kept] | tuple[Kept, ...]) -> tuple[Kept, ...]:
    return tuple(sorted(history, key=lambda kept: (-kept.rank, -kept.fetched_at)))

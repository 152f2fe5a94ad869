"""One snapshot's life as a pure function: `step(state, event, now) -> (state, effects)`.

`now` is in seconds since the epoch. Nothing here can fail: what the provider did is in the event.
Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from contract.ages import Confirmed
from contract.reasons import FetchFailure, Serving
from refresh import confirmation, effects, held_versions, spent, validate, versions
from refresh.model import Identity, Kept
from refresh.step_events import (
    Alarm,
    AlarmKind,
    Arrived,
    FetchFailed,
    Operated,
    Rechecked,
    Report,
    RetentionEnded,
    Rewound,
    Tombstoned,
    Unchanged,
    Weighed,
    Withdrawn,
)

if TYPE_CHECKING:
    from providers.protocol import Material
    from refresh.model import OperatorSpec, SnapshotState
    from refresh.step_events import Effect, StepEvent, Weight


def step(state: SnapshotState, event: StepEvent, now: float) -> tuple[SnapshotState, list[Effect]]:
    """The state after an event, and what is to be done about it.

    Never empties `served` but for a revocation or a withdrawal, and never moves `last_success`
    but for an answer of the provider or an operator's request.
    """
    before = _seen(state, event, now)
    match event:
        case Arrived():
            after, alarms = _arrived(before, event, now)
            alarms = [*alarms, *_warned(event.material.version, event.material.warning)]
        case Unchanged():
            after, alarms = _unchanged(before, event, now), _warned(event.version, event.warning)
        case FetchFailed():
            after, alarms = _failed(before, event, now), _not_usable(before, event)
        case Operated():
            after, alarms = _operated(before, event.wanted, now)
        case Withdrawn() | RetentionEnded():
            after, alarms = _emptied(before, event)
        case Tombstoned():
            after, alarms = _tombstoned(before)
        case Rechecked():
            after, alarms = replace(before, latest=None), []
        case Weighed():
            after, alarms = _weighed(before, event.weight, now)
        case Rewound():
            after, alarms = before, [Report()]
        case _:  # pragma: no cover - the type checker shows that there is none
            assert_never(event)
    after = held_versions.ended(after)
    return after, [*effects.of_changes(state, after), *alarms]


def known_version(state: SnapshotState) -> Identity | None:
    """The version that need not be sent again; None: the value is wanted in any case.

    A version that failed its checks is asked for by value again after 1, 2, 4, 8... refreshes, for
    the fault may have been in its transport.
    """
    current = state.current
    if current is None or state.serving in {None, Serving.WITHDRAWN}:
        return None
    if state.restored is not None:
        return None
    if versions.is_rejected(state, current) and not versions.is_held_back(state, current):
        return None if state.failures & (state.failures - 1) == 0 else current
    if current.version in state.revoked or versions.stored(state, current) is not None:
        return current
    return None


def _seen(state: SnapshotState, event: StepEvent, now: float) -> SnapshotState:
    """The state with `now` noted; on a clock that went back all times go back with it."""
    back_s = 0.0 if state.seen is None else state.seen - now
    if isinstance(event, Rewound):
        back_s = max(back_s, event.seconds)
    if back_s > 0:
        state = _rewound(state, back_s)
    return replace(state, seen=now)


def _rewound(state: SnapshotState, seconds: float) -> SnapshotState:
    prior = state.prior

    def kept_back(kept: Kept) -> Kept:
        return replace(kept, fetched_at=kept.fetched_at - seconds)

    return replace(
        state,
        served=None if state.served is None else kept_back(state.served),
        history=tuple(map(kept_back, state.history)),
        last_success=_back(state.last_success, seconds),
        answered_at=_back(state.answered_at, seconds),
        held_since=_back(state.held_since, seconds),
        held_until=_back(state.held_until, seconds),
        last_attempt=_back(state.last_attempt, seconds),
        prior=None if prior is None else prior.replace(last_success=prior.last_success - seconds),
    )


def _back(moment: float | None, seconds: float) -> float | None:
    return None if moment is None else moment - seconds


def _arrived(
    state: SnapshotState, event: Arrived, now: float
) -> tuple[SnapshotState, list[Effect]]:
    material = event.material
    state = replace(state, last_attempt=now)
    known = _held_for_good(state, material)
    if known is not None:
        if known.value != material.value:
            return _changed_in_place(state, event, known.identity)
        state = versions.adopted(state, known, material.incarnation)
    mark = material.incarnation or (None if known is None else known.incarnation)
    identity = Identity(material.version, mark)
    if not event.current:
        return _arrived_by_name(state, event, identity, now)
    at = confirmation.moment(event.evidence, event.answered_at, now)
    answered = replace(
        state,
        latest=material.version,
        latest_incarnation=mark,
        answered_at=confirmation.answered(state, event.evidence, identity, at),
        code=None,
    )
    if material.version in state.revoked:
        settled = _settled(replace(answered, failures=0), now)
        return confirmation.told(settled, event.evidence, at), []
    if event.rejection is not None:
        return _rejected(answered, event, identity, at)
    kept = Kept(
        version=material.version,
        value=material.value if known is None else known.value,
        fetched_at=at if known is None else known.fetched_at,
        rank=versions.next_rank(answered, identity),
        incarnation=mark,
    )
    if event.weight is not None and held_versions.switches_to(answered, identity):
        came_at = at if event.evidence is None else now
        until = held_versions.until(answered, event.weight, came_at, now)
        if until is not None:
            return _held_back(answered, kept, event.weight, until, came_at)
    lifted = versions.without_hold(versions.without_rejection(answered, identity))
    lifted = replace(lifted, failures=0, held_since=None)
    settled = _settled(versions.with_kept(lifted, kept), now)
    alarms: list[Effect] = []
    if event.suspicion is not None and known is None:
        alarms.append(Alarm(AlarmKind.SUSPICIOUS, material.version, event.suspicion))
    return confirmation.told(settled, event.evidence, at), alarms


def _held_back(
    state: SnapshotState, kept: Kept, weight: Weight, until: float, at: float
) -> tuple[SnapshotState, list[Effect]]:
    """Kept, shown, alarmed once, and not served yet."""
    alarms: list[Effect] = []
    if not versions.is_held_back(state, kept.identity):
        said = held_versions.what_is_lost(weight.lost)
        alarms.append(Alarm(AlarmKind.HELD, kept.version, versions.LOST_MEMBER, said))
    lifted = versions.without_rejection(state, kept.identity)
    marked = versions.with_rejection(lifted, kept.identity, versions.LOST_MEMBER)
    held = replace(
        versions.with_kept(marked, kept),
        failures=0,
        reason=FetchFailure.LOST_MEMBER,
        lost=weight.lost,
        held_since=at if state.held_since is None else state.held_since,
        held_until=until,
    )
    return versions.trimmed(held), alarms


def _weighed(
    state: SnapshotState, weight: Weight, now: float
) -> tuple[SnapshotState, list[Effect]]:
    """The held version is served when nothing speaks for the one before any more."""
    held = versions.held_back(state)
    if held is None:
        return state, []
    until = held_versions.until(state, weight, now, now)
    if until is not None:
        return replace(state, lost=weight.lost, held_until=until), []
    return _released(state, held, now, alarmed=bool(weight.lost))


def _released(
    state: SnapshotState, held: Identity, now: float, *, alarmed: bool
) -> tuple[SnapshotState, list[Effect]]:
    """`alarmed`: what it lacks is in use all the same. The reason of a newer version stays."""
    ended = state.reason is FetchFailure.LOST_MEMBER
    free = replace(versions.without_hold(state), reason=None if ended else state.reason)
    settled = _settled(free, now)
    if settled.served is None or settled.served.identity != held:
        return settled, []
    alarm = Alarm(AlarmKind.SUSPICIOUS, held.version, "members-lost")
    served = replace(settled, held_since=None)
    return confirmation.confirmed(served, state.answered_at), [alarm] if alarmed else []


def _held_for_good(state: SnapshotState, material: Material) -> Kept | None:
    """The held version, unless a check refused it: its bytes may have been hurt on the way."""
    held = versions.same(state, material)
    if held is None or held is state.served or not versions.is_refused(state, held.identity):
        return held
    return None


def _changed_in_place(
    state: SnapshotState, event: Arrived, identity: Identity
) -> tuple[SnapshotState, list[Effect]]:
    """The provider confirms nothing of that identity until it gives the held bytes again."""
    reason = FetchFailure.INVALID if event.rejection is None else event.rejection.reason
    alarms: list[Effect] = []
    if not versions.is_doubted(state, identity):
        alarms.append(Alarm(AlarmKind.CHANGED_IN_PLACE, identity.version))
    failed = replace(state, reason=reason, failures=state.failures + 1)
    if event.current:
        failed = replace(failed, latest=identity.version, latest_incarnation=identity.incarnation)
    return versions.with_doubt(failed, identity), alarms


def _arrived_by_name(
    state: SnapshotState, event: Arrived, identity: Identity, now: float
) -> tuple[SnapshotState, list[Effect]]:
    version = identity.version
    if version != versions.missing_pin(state):
        return state, [Alarm(AlarmKind.PIN_NOT_SERVED, state.pin, "another-version")]
    if event.rejection is not None:
        refused = versions.with_rejection(state, identity, event.rejection.code)
        alarm = Alarm(AlarmKind.PIN_NOT_SERVED, version, event.rejection.code)
        return replace(refused, reason=event.rejection.reason), [alarm]
    at = confirmation.moment(event.evidence, event.answered_at, now)
    value, mark = event.material.value, identity.incarnation
    kept = Kept(version=version, value=value, fetched_at=at, incarnation=mark)
    return confirmation.confirmed(_settled(versions.with_kept(state, kept), now), at), []


def _rejected(
    state: SnapshotState, event: Arrived, identity: Identity, at: float
) -> tuple[SnapshotState, list[Effect]]:
    """Shown, alarmed once, kept for a look, not served. The version that is served stays so even if
    today's checks refuse it.
    """
    rejection = event.rejection
    if rejection is None:
        raise AssertionError("unreachable")
    alarms: list[Effect] = []
    if not versions.is_rejected(state, identity):
        alarms.append(Alarm(AlarmKind.REJECTED, identity.version, rejection.code))
    failed = replace(state, reason=rejection.reason, failures=state.failures + 1)
    refused = versions.with_rejection(failed, identity, rejection.code)
    if rejection.reason is FetchFailure.INVALID and versions.stored(state, identity) is None:
        kept = Kept(
            version=identity.version,
            value=event.material.value,
            fetched_at=at,
            rank=versions.next_rank(refused, identity),
            incarnation=identity.incarnation,
        )
        refused = versions.with_kept(refused, kept)
    return confirmation.told(versions.trimmed(refused), event.evidence, at), alarms


def _unchanged(state: SnapshotState, event: Unchanged, now: float) -> SnapshotState:
    at = confirmation.moment(event.evidence, event.answered_at, now)
    identity = Identity(event.version, event.incarnation)
    answered = replace(
        state,
        latest=event.version,
        latest_incarnation=event.incarnation,
        answered_at=confirmation.answered(state, event.evidence, identity, at),
        last_attempt=now,
        code=None,
    )
    if versions.is_held_back(state, identity):
        return replace(answered, failures=0, reason=FetchFailure.LOST_MEMBER)
    rejection = versions.rejection(state, identity)
    if rejection is not None:
        failures = state.failures + 1
        refused = replace(answered, failures=failures, reason=validate.reason_of(rejection))
        return confirmation.told(refused, event.evidence, at)
    settled = _settled(replace(answered, failures=0), now)
    if settled.served is not None and settled.served.identity == identity:
        settled = replace(versions.without_hold(settled), held_since=None)
    return confirmation.told(settled, event.evidence, at)


def _failed(state: SnapshotState, event: FetchFailed, now: float) -> SnapshotState:
    if event.reason is FetchFailure.BUDGET_TOO_SMALL:  # nothing was asked
        return replace(state, reason=event.reason, code=None)
    failures = state.failures + 1 if event.current else state.failures
    return replace(state, last_attempt=now, failures=failures, reason=event.reason, code=event.code)


def _warned(version: str, warning: str | None) -> list[Effect]:
    return [] if warning is None else [Alarm(AlarmKind.WARNED, version, warning)]


def _not_usable(before: SnapshotState, event: FetchFailed) -> list[Effect]:
    """Said once, until there is another reason."""
    if event.what_to_do is None or before.reason is event.reason:
        return []
    return [Alarm(AlarmKind.NOT_USABLE, None, event.code, event.what_to_do)]


def _operated(
    state: SnapshotState, wanted: OperatorSpec, now: float
) -> tuple[SnapshotState, list[Effect]]:
    revoked = versions.with_revoked(state, wanted.revoked)
    operated = replace(
        state,
        pin=wanted.pin,
        revoked=revoked,
        spent=spent.with_revoked(state, revoked),
        quarantined=versions.quarantine(state, wanted.quarantined),
        history=tuple(kept for kept in state.history if kept.version not in revoked),
    )
    if versions.held_back(operated) is not None and not held_versions.goes_on(operated):
        operated = replace(versions.without_hold(operated), held_since=None)
    settled = confirmation.confirmed(_settled(operated, now), state.answered_at)
    ended = state.reason is FetchFailure.LOST_MEMBER and versions.held_back(settled) is None
    after = replace(settled, reason=None if ended else state.reason)
    return after, effects.of_requests(state, after)


def _version(kept: Kept | None) -> str | None:
    return None if kept is None else kept.version


def _emptied(
    state: SnapshotState, event: Withdrawn | RetentionEnded
) -> tuple[SnapshotState, list[Effect]]:
    serving = state.serving if state.served is None else Serving.REVOKED
    alarms: list[Effect] = []
    if isinstance(event, Withdrawn):
        serving, alarms = Serving.WITHDRAWN, [Alarm(AlarmKind.WITHDRAWN, _version(state.served))]
    ended = replace(versions.without_hold(state), held_since=None)
    return replace(_unserved(ended, serving), history=(), latest=None, answered_at=None), alarms


def _tombstoned(state: SnapshotState) -> tuple[SnapshotState, list[Effect]]:
    if state.serving is not None:
        return state, []
    return _unserved(state, Serving.REVOKED), [Alarm(AlarmKind.REVOKED)]


def _unserved(state: SnapshotState, serving: Serving | None) -> SnapshotState:
    return replace(state, serving=serving, served=None, last_success=None, prior=None)


def _settled(state: SnapshotState, now: float) -> SnapshotState:
    """The state with the version served that provider, policy and operators together want."""
    target = versions.target(state)
    served = state.served
    if target is None:
        if served is not None and served.version in state.revoked:
            return _unserved(state, Serving.REVOKED)
        return state
    if served is not None and target.identity == served.identity:
        return versions.trimmed(replace(state, served=target))
    others = [kept for kept in state.history if kept.identity != target.identity]
    prior = None
    if served is not None:
        prior = Confirmed(
            version=served.version,
            last_success=confirmation.known_or_old(state.last_success),
            incarnation=served.incarnation,
        )
        if served.version not in state.revoked:
            others.append(served)
    switched = replace(
        state,
        serving=Serving.SERVED,
        served=target,
        history=tuple(others),
        prior=prior,
        last_success=min(now, target.fetched_at),
    )
    return versions.trimmed(switched)

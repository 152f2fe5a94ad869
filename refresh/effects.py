"""What one step of a snapshot asks for, from its state before and after. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import Serving
from refresh import versions
from refresh.step_events import Alarm, AlarmKind, Publish, Report

if TYPE_CHECKING:
    from refresh.model import SnapshotState
    from refresh.step_events import Effect


def of_requests(before: SnapshotState, after: SnapshotState) -> list[Effect]:
    """Alarms of an operator's or an admin's request that could not be served as it was meant."""
    alarms: list[Effect] = []
    if after.serving is Serving.REVOKED and before.serving is not Serving.REVOKED:
        gone = None if before.served is None else before.served.version
        alarms.append(Alarm(AlarmKind.REVOKED, gone))
    if versions.is_refused_pin(after):
        alarms.append(Alarm(AlarmKind.PIN_NOT_SERVED, after.pin))
    served = after.served
    if served is None or served.version == after.pin:
        return alarms
    if versions.is_rolled_back(after, served.identity):
        alarms.append(Alarm(AlarmKind.NOTHING_OLDER, served.version))
    return alarms


def of_changes(before: SnapshotState, after: SnapshotState) -> list[Effect]:
    """Whether pods must be given something else, and whether the status must say something else."""
    effects: list[Effect] = []
    if _published(before) != _published(after):
        effects.append(Publish())
    if _reported(before) != _reported(after):
        effects.append(Report())
    return effects


def _published(state: SnapshotState) -> tuple[object, ...]:
    return (
        state.serving,
        state.served and (state.served.identity, state.served.rank),
        tuple((kept.identity, kept.rank) for kept in state.history),
        state.current,
        state.pin,
        state.quarantined,
        state.revoked,
        state.spent,
        state.restored,
    )


def _reported(state: SnapshotState) -> tuple[object, ...]:
    return (
        state.serving,
        state.served and state.served.identity,
        state.prior and (state.prior.version, state.prior.incarnation),
        state.reason,
        state.code,
        state.pin,
        state.quarantined,
        state.revoked,
    )

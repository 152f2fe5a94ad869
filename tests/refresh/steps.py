"""Events of one snapshot, and what is left after them."""

from __future__ import annotations

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.protocol import Material
from refresh.model import OperatorSpec, SnapshotState
from refresh.step import step
from refresh.step_events import (
    Alarm,
    AlarmKind,
    Arrived,
    Operated,
    StepEvent,
)
from refresh.validate import Rejection

BAD = Rejection(FetchFailure.INVALID, "not-json")


def value_of(version: str, value: bytes | None = None, incarnation: str | None = None) -> Material:
    """A version as the provider gave it; its value is its name unless told otherwise."""
    raw = version.encode() if value is None else value
    return Material(version=version, value=SecretBytes(raw), incarnation=incarnation)


def good(version: str) -> Arrived:
    """The current version arrived, and passed."""
    return Arrived(material=value_of(version))


def bad(version: str, rejection: Rejection = BAD) -> Arrived:
    """The current version arrived, and did not pass."""
    return Arrived(material=value_of(version), rejection=rejection)


def named(version: str, rejection: Rejection | None = None) -> Arrived:
    """A version that was asked for by name arrived."""
    return Arrived(material=value_of(version), current=False, rejection=rejection)


def operated(
    pin: str | None = None, quarantined: tuple[str, ...] = (), revoked: tuple[str, ...] = ()
) -> Operated:
    """A change of what operators ask for."""
    return Operated(
        OperatorSpec(pin=pin, quarantined=frozenset(quarantined), revoked=frozenset(revoked))
    )


def state_after(
    *events: StepEvent, state: SnapshotState | None = None, at: float = 1000.0
) -> SnapshotState:
    """The state after events that come 10 s apart, the first at `at`."""
    state = SnapshotState() if state is None else state
    for index, event in enumerate(events):
        state, _ = step(state, event, at + 10 * index)
    return state


def alarms(state: SnapshotState, event: StepEvent, now: float = 2000.0) -> list[AlarmKind]:
    """What an event alarms about."""
    _, effects = step(state, event, now)
    return [effect.kind for effect in effects if isinstance(effect, Alarm)]


def served(state: SnapshotState) -> str | None:
    """The version that is served."""
    return None if state.served is None else state.served.version


def held(state: SnapshotState) -> list[str]:
    """The versions that are kept beside it, newest first."""
    return [kept.version for kept in state.history]

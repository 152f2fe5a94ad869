"""Who may write: one of several controllers, by a Lease (coordination.k8s.io/v1). Pure.

The leader renews every `retry_s`. It counts its time from the moment before it sent a renewal that
was granted, and writes for `renew_deadline_s` from then. Another one counts from the moment that it
saw the Lease unchanged, which is later, and takes it after `duration_s`. So what lies between the
two is the time that a stall, a slow write or a clock that runs slow may take before two write at
once. All times are of each process's own monotonic clock, in seconds; those in the Lease are for
people.

A Lease that is not there may have been deleted under a leader that has not noticed. Who makes a
new one, or finds that a write without an answer made it, keeps it for `duration_s` before it
writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

LEASE = "lastgood-controller"
"""Its name, in the namespace of the installation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """In seconds. The same in every replica, or a Lease's own where it says so."""

    duration_s: int = 15
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry_s < self.renew_deadline_s < self.duration_s:
            raise ValueError("retry_s < renew_deadline_s < duration_s must hold, each above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """The Lease's spec, as far as we use it."""

    holder: str
    """"": nobody."""
    duration_s: int | None
    """None: it says nothing that can be used."""
    transitions: int = 0

    @staticmethod
    def from_wire(spec: dict[str, Any]) -> LeaseRecord:
        """Whatever stands there; what is no value of its field counts as absent."""
        holder = spec.get("holderIdentity")
        duration_s = spec.get("leaseDurationSeconds")
        transitions = spec.get("leaseTransitions")
        return LeaseRecord(
            holder=holder if isinstance(holder, str) else "",
            duration_s=duration_s if isinstance(duration_s, int) and duration_s > 0 else None,
            transitions=transitions if isinstance(transitions, int) else 0,
        )


class LeaseAct(Enum):
    """What to do next."""

    READ = "read"
    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"
    """For `retry_s` at most; then decide again."""
    LOST = "lost"
    """Write no more, ever, in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateState:
    """What one process knows."""

    identity: str
    """Of this process alone, not of its pod: one that starts again is another one."""
    record: LeaseRecord | None = None
    """None: there is no Lease, or it was not read yet."""
    version: str = ""
    """The Lease's resource version."""
    unchanged_since: float = 0.0
    """When this version was seen first."""
    looked_at: float | None = None
    """When the Lease was seen last. None: never, or a write's outcome is not known."""
    held_since: float | None = None
    """When the last renewal that was granted was sent. None: not held."""
    leads_from: float = float("-inf")
    """Not before, although it is held."""


def remaining_s(state: CandidateState, times: LeaseTimes, now: float) -> float:
    """For how long this process may still write; 0: not now."""
    if state.held_since is None or now < state.leads_from:
        return 0.0
    return max(0.0, state.held_since + times.renew_deadline_s - now)


def decide(state: CandidateState, times: LeaseTimes, now: float) -> LeaseAct:
    """The next act."""
    if state.held_since is not None:
        return _decide_held(state, state.held_since, times, now)
    if state.looked_at is None or now - state.looked_at >= times.retry_s:
        return LeaseAct.READ
    if state.record is None:
        return LeaseAct.CREATE
    if state.record.holder in {"", state.identity}:
        return LeaseAct.TAKE
    wait_s = max(state.record.duration_s or 0, times.duration_s)
    return LeaseAct.TAKE if now - state.unchanged_since >= wait_s else LeaseAct.WAIT


def _decide_held(
    state: CandidateState, held_since: float, times: LeaseTimes, now: float
) -> LeaseAct:
    if now - held_since >= times.renew_deadline_s:
        return LeaseAct.LOST
    if state.looked_at is None:
        return LeaseAct.READ
    if state.record is None:
        return LeaseAct.CREATE
    if state.record.holder != state.identity:
        return LeaseAct.LOST
    return LeaseAct.RENEW if now - held_since >= times.retry_s else LeaseAct.WAIT


def saw(
    state: CandidateState, record: LeaseRecord | None, version: str, now: float
) -> CandidateState:
    """After a read that was answered at `now`."""
    same = state.version == version
    return replace(
        state,
        record=record,
        version=version,
        unchanged_since=state.unchanged_since if same else now,
        looked_at=now,
    )


def wrote(
    state: CandidateState,
    record: LeaseRecord,
    version: str,
    *,
    times: LeaseTimes,
    sent: float,
    now: float,
) -> CandidateState:
    """After a CREATE, TAKE or RENEW that was sent at `sent` and granted."""
    new = state.held_since is None
    made = new and (state.record is None or state.record.holder == state.identity)
    return replace(
        saw(state, record, version, now),
        held_since=sent,
        leads_from=now + times.duration_s if made else state.leads_from,
    )


def unknown(state: CandidateState) -> CandidateState:
    """After a write that was refused or not answered: whether it was done, a read will tell."""
    return replace(state, looked_at=None)


def desired(state: CandidateState, times: LeaseTimes, now_wall: float) -> dict[str, Any]:
    """The spec to write. `now_wall` is in seconds since the epoch."""
    stamp = datetime.fromtimestamp(now_wall, UTC).isoformat(timespec="microseconds")
    stamp = stamp.replace("+00:00", "Z")
    spec: dict[str, Any] = {
        "holderIdentity": state.identity,
        "leaseDurationSeconds": times.duration_s,
        "renewTime": stamp,
    }
    if state.record is None or state.record.holder != state.identity:
        spec["acquireTime"] = stamp
        spec["leaseTransitions"] = state.record.transitions + 1 if state.record else 0
    return spec


RELEASED: dict[str, Any] = {"holderIdentity": "", "leaseDurationSeconds": 1}
"""The spec of a leader that has ended its work: the next one need not wait."""

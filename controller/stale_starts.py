"""Whether a pod started with values that were stale, and what is said of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.freshness import age_s, assess
from contract.reasons import Freshness
from controller.remediation import reason_of
from controller.times import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contract.freshness import FreshnessClass
    from refresh.model import SnapshotKey, SnapshotState

REASON = "SecretStartedStale"
"""The Event's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedSource:
    """One source of a pod, as it is known after the pod's start."""

    key: SnapshotKey
    state: SnapshotState
    rules: FreshnessClass


def started_at(status: Mapping[str, Any]) -> float | None:
    """When the first of a pod's containers started, in seconds since the epoch, by the pod's
    status; None: none has. Of one that was started more than once again the kubelet tells no
    first time: then it is when the kubelet took the pod up, which is no later.
    """
    containers = status.get("containerStatuses") or ()
    again = any(container.get("restartCount", 0) > 1 for container in containers)
    found = (
        seconds(((container.get(state) or {}).get(phase) or {}).get("startedAt"))
        for container in containers
        for state in ("state", "lastState")
        for phase in ("running", "terminated")
    )
    started = min((at for at in found if at is not None), default=None)
    return seconds(status.get("startTime")) if again else started


def started_stale(sources: Iterable[StartedSource], at: float) -> str | None:
    """The Event's note; None: nothing that the pod started with is known to have been stale then.

    A value that was confirmed after `at`, in seconds since the epoch, tells nothing of its age at
    that time, and is passed over: so what is said is true, and too little where the controller
    comes late.
    """
    assessed = (_assessed(source, at) for source in sources)
    stale = [item for item in assessed if item is not None]
    if not stale:
        return None
    worst = max(stale, key=lambda item: (item.expired, item.age_s))
    others = len(stale) - 1
    more = f". Also stale: {others} more" if others else ""
    return f"started with {_described(worst)}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stale:
    source: StartedSource
    age_s: float
    """Infinite: not known."""
    expired: bool


def _assessed(source: StartedSource, at: float) -> _Stale | None:
    """None: not known to have been stale."""
    state = source.state
    if state.served is None or (state.last_success is not None and state.last_success > at):
        return None
    verdict = assess(source.rules, state.last_success, at)
    if verdict is Freshness.FRESH:
        return None
    age = age_s(state.last_success, at)
    return _Stale(
        source=source,
        age_s=float("inf") if age is None else age,
        expired=verdict is Freshness.EXPIRED,
    )


def _described(item: _Stale) -> str:
    key, rules, reason = item.source.key.source, item.source.rules, item.source.state.reason
    old = "of unknown age" if item.age_s == float("inf") else f"{item.age_s:.0f} s old"
    limit = (
        f"expired after {rules.max_age_s:.0f} s"
        if item.expired
        else f"stale after {rules.budget_s:.0f} s"
    )
    tried = (
        "No fetch has failed since"
        if reason is None
        else f"The last fetch failed. {reason_of(reason)}"
    )
    return (
        f"{key.scheme}:{key.reference} of account {key.account}, which was {old}. In class"
        f" {rules.name} values are {limit}. {tried}"
    )

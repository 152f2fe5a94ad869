"""Whether a pod started with values that were stale, and what is said of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.freshness import age_s, assess
from contract.reasons import Freshness
from controller.advice import what_to_do
from controller.snapshots import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contract.freshness import FreshnessClass
    from refresh.model import SnapshotKey, SnapshotState

REASON = "SecretStartedStale"
"""The Event's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of a pod, as it is known after the pod's start."""

    key: SnapshotKey
    state: SnapshotState
    rules: FreshnessClass


def started_at(status: Mapping[str, Any]) -> float | None:
    """When the first of a pod's containers started, in seconds since the epoch, by the pod's
    status; None: none has. One that was started again counts from the start before, which is the
    oldest that the kubelet tells of.
    """
    found = (
        seconds(((container.get(state) or {}).get(phase) or {}).get("startedAt"))
        for container in status.get("containerStatuses") or ()
        for state in ("state", "lastState")
        for phase in ("running", "terminated")
    )
    return min((at for at in found if at is not None), default=None)


def started_stale(sources: Iterable[Source], at: float) -> str | None:
    """The Event's note; None: nothing that the pod started with is known to have been stale then.

    A value that was confirmed after `at`, in seconds since the epoch, tells nothing of its age at
    that time, and is passed over: so what is said is true, and too little where the controller
    comes late.
    """
    stale = [source for source in sources if _stale(source, at)]
    if not stale:
        return None
    worst = max(stale, key=lambda source: _age(source, at))
    others = len(stale) - 1
    more = f"; so {'is' if others == 1 else 'are'} {others} more" if others else ""
    return f"started with {_described(worst, at)}{more}"


def _stale(source: Source, at: float) -> bool:
    state = source.state
    if state.served is None or (state.last_success is not None and state.last_success > at):
        return False
    return assess(source.rules, state.last_success, at) is not Freshness.FRESH


def _age(source: Source, at: float) -> float:
    age = age_s(source.state.last_success, at)
    return float("inf") if age is None else age


def _described(source: Source, at: float) -> str:
    key, rules, reason = source.key.source, source.rules, source.state.reason
    age = age_s(source.state.last_success, at)
    old = "of unknown age" if age is None else f"{age:.0f} s old"
    if assess(rules, source.state.last_success, at) is Freshness.EXPIRED:
        limit = f"expired, past the {rules.max_age_s:.0f} s of class {rules.name}"
    else:
        limit = f"stale, past the {rules.budget_s:.0f} s of class {rules.name}"
    tried = "no fetch has failed since" if reason is None else f"last fetch: {reason}"
    todo = "" if reason is None else f"; {what_to_do(reason)}"
    return (
        f"{key.provider}:{key.reference} of account {key.account}, which was {old}: {limit};"
        f" {tried}{todo}"
    )

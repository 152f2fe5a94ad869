"""Gauges of what the leader knows, read from its state when they are asked for, so that nothing is
said of an object that is gone. No label names a secret, but for those that `per_secret` adds.

They are asked for in the thread that serves them. What is read there is either replaced whole by
the loop and never changed, or copied in one step of the interpreter.
"""

from __future__ import annotations

from collections import Counter as Count
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from api.snapshot import State
from contract.freshness import age_s, assess
from contract.reasons import Freshness, Serving
from controller.conditions import NOT_GIVEN, STATES
from controller.reconcile import RefusedSource
from controller.required_rate import needed_calls_per_second
from policy.match import Reason
from refresh.model import SnapshotState
from refresh.versions import rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from contract.reasons import Found
    from controller.reconcile import Decided
    from refresh.model import SnapshotKey

REFUSALS = tuple(sorted({*Reason, *RefusedSource}))
"""Why a snapshot that is demanded is not fetched."""
STATE_NAMES: tuple[str, ...] = get_args(State)
USUAL_STATES = ("Fresh", "Stale", "Expired", "NeverSynced")
"""Said of each namespace and account, also where there is none; the others only where there are."""
MARKS = ("restored", "pinned", "rejecting", "unconfirmed")
_EMPTY = SnapshotState()
_PAIR = ("namespace", "account")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """Of the accounts in force, by name. Replaced whole."""

    allowed: Mapping[str, float] = field(default_factory=dict)
    """Calls a second, by its budget."""
    is_open: frozenset[str] = frozenset()
    """Those whose breaker is open."""
    ready: Mapping[str, bool] = field(default_factory=dict)
    """Of those for which a source was opened: whether they are logged in and answer."""


class SnapshotMetrics(Collector):
    """Of all snapshots that are demanded or kept."""

    def __init__(
        self,
        states: Callable[[], Mapping[SnapshotKey, SnapshotState]],
        decided: Callable[[], Mapping[SnapshotKey, Decided]],
        found: Callable[[SnapshotKey], Found | None],
        now: Callable[[], float],
        *,
        per_secret: bool,
    ) -> None:
        """`states` gives a copy. `found`: why pods are not given what is known. `now` gives seconds
        since the epoch.
        """
        self._states = states
        self._decided = decided
        self._found = found
        self._now = now
        self._per_secret = per_secret

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """No state is needed to name them."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        states, decided = self._states(), self._decided()
        if self._per_secret:
            yield from _times(states)
            yield from _limits(decided)
        yield from self._counted(states, decided)
        yield from _newest(states, decided)
        yield _refused(decided)

    def _counted(
        self, states: Mapping[SnapshotKey, SnapshotState], decided: Mapping[SnapshotKey, Decided]
    ) -> Iterator[GaugeMetricFamily]:
        now = self._now()
        counts: Count[tuple[str, str, str]] = Count()
        marks: Count[tuple[str, str]] = Count()
        worst: dict[tuple[str, str], float] = {}
        for key, item in decided.items():
            state = states.get(key, _EMPTY)
            pair = (key.namespace, key.source.account)
            named = state_name(state, item, self._found(key), now)
            counts[*pair, named] += 1
            worst[pair] = max(worst.get(pair, 0.0), _ratio(state, item, now))
            for mark in marks_of(state, named):
                marks[key.namespace, mark] += 1
        yield _by_state(counts, worst)
        yield _marked(marks, {namespace for namespace, _ in worst})
        ratio = GaugeMetricFamily(
            "lastgood_oldest_age_ratio",
            "Largest age of the namespace's and account's values that are served and allowed, as a"
            " share of the freshness budget of each: above 1 a value is stale.",
            labels=_PAIR,
        )
        for pair, share in worst.items():
            ratio.add_metric(pair, share)
        yield ratio


def state_name(state: SnapshotState, item: Decided, found: Found | None, now: float) -> str:
    """As `status.state` of the SecretSnapshot. `now` in seconds since the epoch."""
    if found is not None and found in NOT_GIVEN:
        return NOT_GIVEN[found][0]
    if state.served is not None:
        if item.demanded is None:
            return "Expired"
        return STATES[assess(item.demanded.rules, state.last_success, now)]
    if state.serving is None:
        return "NeverSynced"
    return {Serving.REVOKED: "Revoked", Serving.WITHDRAWN: "Withdrawn"}.get(
        state.serving, "Expired"
    )


def marks_of(state: SnapshotState, named: str) -> Iterator[str]:
    """Those of MARKS that a snapshot in state `named` has."""
    if state.restored is not None:
        yield "restored"
    if state.pin is not None:
        yield "pinned"
    if state.current is not None and rejection(state, state.current) is not None:
        yield "rejecting"
    stale = named in {STATES[Freshness.STALE], STATES[Freshness.EXPIRED]}
    if state.served is not None and (state.reason is not None or stale):
        yield "unconfirmed"


def _ratio(state: SnapshotState, item: Decided, now: float) -> float:
    """Of a value that is served and of known age and class; else 0."""
    if state.served is None or item.demanded is None:
        return 0.0
    age = age_s(state.last_success, now)
    return float("inf") if age is None else age / item.demanded.rules.budget_s


def _by_state(
    counts: Mapping[tuple[str, str, str], int], pairs: Mapping[tuple[str, str], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "lastgood_snapshots",
        "Snapshots that are demanded or kept, by namespace, account and state as in"
        " kubectl get secretsnapshots.",
        labels=(*_PAIR, "state"),
    )
    for pair in pairs:
        for named in STATE_NAMES:
            count = counts.get((*pair, named), 0)
            if count or named in USUAL_STATES:
                family.add_metric((*pair, named), count)
    return family


def _marked(marks: Mapping[tuple[str, str], int], namespaces: set[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "lastgood_snapshots_marked",
        "Snapshots with a mark. restored: from another cluster's backup, not confirmed yet. pinned:"
        " an operator chose the version. rejecting: the provider's newest version is not served,"
        " for a check refused it. unconfirmed: the last refresh failed or the value is stale.",
        labels=("namespace", "mark"),
    )
    for namespace in namespaces:
        for mark in MARKS:
            family.add_metric((namespace, mark), marks.get((namespace, mark), 0))
    return family


def _refused(decided: Mapping[SnapshotKey, Decided]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "lastgood_snapshots_refused",
        "Snapshots that pods need and the policy refuses, by reason.",
        labels=("reason",),
    )
    counts = Count(item.refusal for item in decided.values() if item.refusal is not None)
    for reason in REFUSALS:
        family.add_metric([reason], counts[reason])
    return family


def _newest(
    states: Mapping[SnapshotKey, SnapshotState], decided: Mapping[SnapshotKey, Decided]
) -> Iterator[GaugeMetricFamily]:
    attempts = (state.last_attempt for state in states.values() if state.last_attempt is not None)
    budgets = (item.demanded.rules.budget_s for item in decided.values() if item.demanded)
    for name, says, value in (
        (
            "lastgood_newest_attempt_timestamp_seconds",
            "Time of the newest refresh of all, in seconds since the epoch. Absent before one.",
            max(attempts, default=None),
        ),
        (
            "lastgood_smallest_budget_seconds",
            "Smallest freshness budget of what is demanded, in seconds. Absent while nothing is.",
            min(budgets, default=None),
        ),
    ):
        family = GaugeMetricFamily(name, says)
        if value is not None:
            family.add_metric([], value)
        yield family


def _times(states: Mapping[SnapshotKey, SnapshotState]) -> Iterator[GaugeMetricFamily]:
    success = _per_snapshot(
        "last_success_timestamp", "Time of the last successful refresh, in seconds since the epoch."
    )
    attempt = _per_snapshot(
        "last_attempt_timestamp", "Time of the last refresh attempt, in seconds since the epoch."
    )
    for key, state in states.items():
        if state.last_success is not None:
            success.add_metric(_labels(key), state.last_success)
        if state.last_attempt is not None:
            attempt.add_metric(_labels(key), state.last_attempt)
    yield success
    yield attempt


def _limits(decided: Mapping[SnapshotKey, Decided]) -> Iterator[GaugeMetricFamily]:
    budget = _per_snapshot("freshness_budget", "Age in seconds above which the value is stale.")
    max_age = _per_snapshot("max_age", "Age in seconds above which the value is expired.")
    for key, item in decided.items():
        if item.demanded is not None:
            budget.add_metric(_labels(key), item.demanded.rules.budget_s)
            max_age.add_metric(_labels(key), item.demanded.rules.max_age_s)
    yield budget
    yield max_age


def _per_snapshot(name: str, says: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f"lastgood_secret_{name}_seconds", says, labels=("namespace", "snapshot")
    )


def _labels(key: SnapshotKey) -> list[str]:
    """The hash alone: the slug before it is made of the reference."""
    return [key.namespace, key.source.snapshot.rpartition("-")[2]]


class AccountMetrics(Collector):
    """Of the accounts in force."""

    def __init__(
        self,
        figures: Callable[[], AccountFigures],
        decided: Callable[[], Mapping[SnapshotKey, Decided]],
    ) -> None:
        self._figures = figures
        self._decided = decided

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """No state is needed to name them."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        figures = self._figures()
        needed = needed_calls_per_second(self._decided())
        yield _by_account(
            "needed_calls_per_second",
            "Provider calls per second needed to keep all secrets in use fresh.",
            {name: needed.get(name, 0.0) for name in {*figures.allowed, *needed}},
        )
        yield _by_account(
            "allowed_calls_per_second",
            "Provider calls per second that spec.budget allows.",
            figures.allowed,
        )
        yield _by_account(
            "breaker_open",
            "1 while the account's provider is asked by one call at a time, for it was unavailable"
            " or throttled.",
            {name: float(name in figures.is_open) for name in figures.allowed},
        )
        yield _by_account(
            "ready",
            "1 if the account's last login worked, or needs none, and its breaker is closed. Absent"
            " while no secret of the account is in use.",
            {name: float(ready) for name, ready in figures.ready.items()},
        )


def _by_account(name: str, says: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"lastgood_account_{name}", says, labels=("account",))
    for account, value in values.items():
        family.add_metric([account], value)
    return family


class HeldPods(Collector):
    """Pods that wait for a secret, as last looked at by the leader."""

    def __init__(self, held: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        """`held`: by namespace and reason; replaced whole."""
        self._held = held

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """No state is needed to name them."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "lastgood_pods_held",
            "Pods that have not started, for a secret that they need is missing or unusable, by the"
            " reason of the first one. Absent where there is none.",
            labels=("namespace", "reason"),
        )
        for labels, count in self._held().items():
            family.add_metric(labels, count)
        yield family

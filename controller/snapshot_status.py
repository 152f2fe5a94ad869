"""A SecretSnapshot's `status`: what it says, from what the controller knows, and the API server's
form of it in both directions. Pure. No secret material and no digest of it.

A new field stands here, and in `api.snapshot`, from which its definition is made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from contract import freshness
from contract.freshness import FreshnessClass
from contract.reasons import FetchFailure, Found, Freshness, Serving
from contract.snapshot_format import Quarantined
from controller import conditions, remediation
from controller.times import rfc3339, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.ages import Entry
    from contract.snapshot_format import Meta
    from controller.reconcile import Decided
    from refresh.model import SnapshotKey, SnapshotState

_FAILURES = frozenset(FetchFailure)
MOST_MESSAGE = 800
"""Characters. An Event has 1,024 bytes, and says more than this."""
TIMES = ("lastSuccess", "lastAttempt")
"""What goes on in a status without anything being new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version that the controller holds, without its value."""

    version: str
    fetched_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an older controller's status on a cluster says instead of the class's rules."""

    rules: str
    """The class's name."""
    state: str
    """As of its writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The projection of what the controller knows. Times in seconds since the epoch."""

    account: str
    identity: str
    scheme: str
    reference: str
    rules: FreshnessClass | None
    """None: policy does not allow the source, and no class is known."""
    serving: str | None
    """A contract.reasons.Serving; None: never synced."""
    version: str | None
    """None: nothing is served."""
    fetched_at: float | None
    last_success: float | None
    last_attempt: float | None
    refresh_handled: float | None
    """The request for a refresh that was answered last; None: none was."""
    failures: int
    reason: str | None
    """A FetchFailure of the last attempt, a refusal of policy, or a Found; None: nothing is wrong.
    """
    message: str | None
    """The sentence that decided `reason`; None: the reason says all."""
    latest: str | None
    """The version that the provider last gave as current."""
    pin: str | None
    quarantined: tuple[Quarantined, ...]
    revoked: tuple[str, ...]
    history: tuple[StoredVersion, ...]
    """Other versions held, newest first."""
    consumers: tuple[str, ...]
    """Names of pods that demand it, sorted."""
    undemanded_since: float | None
    """None: a pod demands it."""
    refused_since: float | None = None
    """Since when policy does not allow the source; None: it does."""
    observed_generation: int = 0
    """The spec's generation that this status reflects."""
    told: Told | None = None
    """None: `rules` are known, or policy gives no class."""
    incarnation: str | None = None
    """Of `version`, as in contract.snapshot_format.Meta."""
    unnamed: int = 0
    """How many more pods demand it, whose names are not known."""

    @property
    def class_name(self) -> str | None:
        """None: policy gives no class."""
        if self.rules is not None:
            return self.rules.name
        return None if self.told is None else self.told.rules

    @property
    def pods(self) -> int:
        """How many pods demand it."""
        return len(self.consumers) + self.unnamed

    @property
    def source(self) -> str:
        """`provider:reference`, as teams write it."""
        return f"{self.scheme}:{self.reference}"

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that is known by name, the served one first."""
        kept = (item.version for item in self.history)
        refused = (item.version for item in self.quarantined)
        found = (self.version, self.pin, self.latest, *kept, *refused, *self.revoked)
        return tuple(dict.fromkeys(version for version in found if version is not None))

    def aged(self, entry: Entry) -> Status:
        """The status with the times of a freshness entry, and with what the last attempt gave, if
        the entry is about the same version and a later attempt. Statuses are not written again
        because time passes, and may be written later than the entry. A refusal of policy and a
        Found stay.
        """
        served, attempt = entry.served, entry.last_attempt
        if served is None or served.version != self.version or attempt is None:
            return self
        if served.incarnation != self.incarnation:
            return self
        if self.last_attempt is not None and attempt <= self.last_attempt:
            return self
        attempted = self.reason is None or self.reason in _FAILURES
        reason = entry.reason if attempted else self.reason
        return replace(
            self,
            last_success=served.last_success,
            last_attempt=attempt,
            reason=reason,
            message=self.message if reason == self.reason else None,
        )


def is_written(state: SnapshotState, meta: Meta | None) -> bool:
    """Whether the snapshot's own meta.json says what the state says; one never served has none."""
    if state.serving is None:
        return True
    served = (None, None) if state.served is None else state.served.identity
    return meta is not None and (
        ((meta.version, meta.incarnation), meta.serving, meta.pin, meta.revoked, meta.quarantined)
        == (served, state.serving, state.pin, state.revoked, state.quarantined)
    )


def status_of(
    key: SnapshotKey,
    state: SnapshotState,
    decided: Decided,
    consumers: tuple[str, ...],
    observed: int,
    *,
    handled: float | None = None,
    found: Found | None = None,
    login: str | None = None,
) -> Status:
    """What is known of one snapshot, and what was found about it. `observed` and `handled`: the
    generation and the request for a refresh that pods see the answer to. `login`: why the account
    can't log in, where the last attempt failed for that.
    """
    served = state.served
    if found is None and state.restored is not None:
        found = Found.RESTORED
    return Status(
        account=key.source.account,
        identity=key.source.identity,
        scheme=key.source.scheme,
        reference=key.source.reference,
        rules=None if decided.demanded is None else decided.demanded.rules,
        serving=state.serving,
        version=None if served is None else served.version,
        incarnation=None if served is None else served.incarnation,
        fetched_at=None if served is None else served.fetched_at,
        last_success=state.last_success,
        last_attempt=state.last_attempt,
        refresh_handled=handled,
        failures=state.failures,
        reason=decided.refusal or state.reason or found,
        message=_cut(decided.message if decided.refusal else _said(key, state) or login),
        latest=state.latest,
        pin=state.pin,
        quarantined=state.quarantined,
        revoked=state.revoked,
        history=tuple(
            StoredVersion(version=item.version, fetched_at=item.fetched_at)
            for item in state.history
        ),
        consumers=consumers,
        undemanded_since=decided.known.undemanded_since,
        refused_since=decided.known.refused_since,
        observed_generation=observed,
    )


def to_wire(
    status: Status, state: SnapshotState, before: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The API server's form of it, to be written. Null removes a field. Conditions keep the time of
    their last change.
    """
    freshness_ = _freshness(status, now)
    found = [
        conditions.ready(status, state),
        conditions.fresh(status, state, freshness_),
        *conditions.held(state),
        *conditions.restored(state),
    ]
    return {
        "observedGeneration": status.observed_generation,
        "source": status.source,
        "class": status.class_name,
        "rules": _rules(status),
        "state": _state(status, freshness_),
        "serving": status.serving,
        "version": status.version,
        "incarnation": status.incarnation,
        "fetchedAt": rfc3339(status.fetched_at),
        "latest": status.latest,
        "unconfirmedSince": rfc3339(_unconfirmed_since(status, freshness_)),
        "lastSuccess": rfc3339(status.last_success),
        "lastAttempt": rfc3339(status.last_attempt),
        "lastHandledRefresh": rfc3339(status.refresh_handled),
        "failures": status.failures,
        "reason": status.reason,
        "message": status.message,
        "pin": status.pin,
        "quarantined": [
            {"version": item.version, "reason": item.reason} for item in status.quarantined
        ],
        "revoked": list(status.revoked),
        "history": [
            {"version": item.version, "fetchedAt": rfc3339(item.fetched_at)}
            for item in status.history
        ],
        "consumers": len(status.consumers),
        "unusedSince": rfc3339(status.undemanded_since),
        "refusedSince": rfc3339(status.refused_since),
        "conditions": [
            conditions.dated(condition, status.observed_generation, before, now)
            for condition in found
        ],
    }


def from_wire(source: Mapping[str, Any], found: Mapping[str, Any]) -> Status:
    """Of the form that the API server has checked. `source` is the spec's."""
    rules = _rules_of(found)
    told = found.get("class") if rules is None else None
    history = (
        (item["version"], seconds(item.get("fetchedAt"))) for item in _list(found, "history")
    )
    return Status(
        account=source["account"],
        identity=source["identity"],
        scheme=source["provider"],
        reference=source["reference"],
        rules=rules,
        serving=found.get("serving"),
        version=found.get("version"),
        incarnation=found.get("incarnation"),
        fetched_at=seconds(found.get("fetchedAt")),
        last_success=seconds(found.get("lastSuccess")),
        last_attempt=seconds(found.get("lastAttempt")),
        refresh_handled=seconds(found.get("lastHandledRefresh")),
        failures=found.get("failures") or 0,
        reason=found.get("reason"),
        message=found.get("message"),
        latest=found.get("latest"),
        pin=found.get("pin"),
        quarantined=tuple(
            Quarantined(version=item["version"], reason=item["reason"])
            for item in _list(found, "quarantined")
        ),
        revoked=tuple(_list(found, "revoked")),
        history=tuple(
            StoredVersion(version=version, fetched_at=fetched_at or 0.0)
            for version, fetched_at in history
        ),
        consumers=(),
        undemanded_since=seconds(found.get("unusedSince")),
        refused_since=seconds(found.get("refusedSince")),
        observed_generation=found.get("observedGeneration") or 0,
        told=None if told is None else Told(rules=told, state=str(found.get("state")).lower()),
        unnamed=found.get("consumers") or 0,
    )


def timeless(status: Mapping[str, Any]) -> dict[str, Any]:
    """What a status says beside times, to be compared."""
    return {
        name: value for name, value in status.items() if value is not None and name not in TIMES
    }


def next_transition(status: Status, now: float) -> float:
    """When time alone changes what a status says, in seconds since the epoch; infinity: never."""
    if status.rules is None or status.version is None:
        return float("inf")
    found = freshness.next_change(status.rules, status.last_success, now)
    return float("inf") if found is None else found


def _said(key: SnapshotKey, state: SnapshotState) -> str | None:
    """What the reason means for this source; None: the reason says all."""
    if state.reason is FetchFailure.LOST_MEMBER:
        return conditions.held_message(state)
    return remediation.of_source(key.source.scheme, key.source.reference, state)


def _cut(message: str | None) -> str | None:
    """It may quote many of a policy's patterns."""
    if message is None or len(message) <= MOST_MESSAGE:
        return message
    return message[: MOST_MESSAGE - 3] + "..."


def _freshness(status: Status, now: float) -> Freshness | None:
    """None: nothing is served, or no class is known."""
    if status.version is None or status.rules is None:
        return None
    return freshness.assess(status.rules, status.last_success, now)


def _unconfirmed_since(status: Status, freshness_: Freshness | None) -> float | None:
    """When the served version was confirmed last, in seconds since the epoch; None: all is well.

    While it is not None that time stands still, so what is written stays true: a confirmation ends
    it, and then the status is written again.
    """
    well = status.reason is None and freshness_ is Freshness.FRESH
    return None if status.version is None or well else status.last_success


def _rules(status: Status) -> dict[str, Any] | None:
    rules = status.rules
    if rules is None:
        return None
    return {
        "refreshIntervalSeconds": int(rules.refresh_s),
        "freshnessBudgetSeconds": int(rules.budget_s),
        "maxAgeSeconds": int(rules.max_age_s),
        "onExpired": rules.on_expired,
    }


def _rules_of(found: Mapping[str, Any]) -> FreshnessClass | None:
    name, rules = found.get("class"), found.get("rules")
    if name is None or rules is None:
        return None
    return FreshnessClass(
        name=name,
        refresh_s=float(rules["refreshIntervalSeconds"]),
        budget_s=float(rules["freshnessBudgetSeconds"]),
        max_age_s=float(rules["maxAgeSeconds"]),
        on_expired=rules["onExpired"],
    )


def _state(status: Status, freshness_: Freshness | None) -> str:
    if freshness_ is not None:
        return conditions.STATES[freshness_]
    if status.serving is None:
        return "NeverSynced"
    by_serving = {Serving.REVOKED: "Revoked", Serving.WITHDRAWN: "Withdrawn"}
    return by_serving.get(Serving(status.serving), "Expired")


def _list(found: Mapping[str, Any], member: str) -> list[Any]:
    return found.get(member) or []

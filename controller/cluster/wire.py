"""SecretSnapshots as the API server has them <-> specs and statuses as the controller has them.
Pure. Operators' side of it is `controller.snapshots`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contract import freshness
from contract.annotations import REFRESH_REQUESTED
from contract.reasons import Found, Freshness, Serving
from contract.snapshot import MOST_VERSIONS, is_version
from controller.objects import Spec
from controller.snapshots import MADE_FOR, declaration, rfc3339, seconds
from policy import snapshot
from refresh.model import SnapshotKey, SourceKey
from refresh.versions import ROLLED_BACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.objects import Status
    from refresh.model import SnapshotState

TIMES = ("lastSuccess", "lastAttempt")
"""What goes on in a status without anything being new."""
NOT_GIVEN = {
    Found.FOREIGN_SECRET: (
        "Foreign",
        "ForeignSecret",
        "a Secret of this name is there that is not lastgood's; remove or rename it",
    ),
    Found.NO_RIGHTS: (
        "NotWritten",
        "NoRights",
        "lastgood may not write Secrets in this namespace; see controller.namespaces in its chart",
    ),
    Found.WRITE_REFUSED: (
        "NotWritten",
        "WriteRefused",
        "the API server refuses to write the Secret; look at the namespace's ResourceQuota",
    ),
    Found.WRITE_FAILED: (
        "NotWritten",
        "WriteFailed",
        "the API server did not take the Secret, more than once; it is tried again",
    ),
    Found.RECORD_NOT_WRITTEN: (
        "NotWritten",
        "RecordNotWritten",
        "the controller can't write its record of the snapshot in its own namespace",
    ),
}
"""Why pods are not given what the controller knows: state, the conditions' reason, message."""
_STATES = {
    Freshness.FRESH: "Fresh",
    Freshness.STALE: "Stale",
    Freshness.EXPIRED: "Expired",
}


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Seen:
    """What is kept of one SecretSnapshot."""

    namespace: str
    name: str
    uid: str
    key: SnapshotKey
    declared: bool
    """Somebody wants it ahead of pods."""
    spec: Spec
    status: Mapping[str, Any] = field(default_factory=dict)
    """As it stands there."""

    @property
    def named(self) -> bool:
        """Whether the name is the one that the source gives; others are passed over."""
        return self.name == self.key.source.snapshot

    @property
    def served(self) -> bool:
        """Whether there was a value when we last said; nobody else may write that."""
        return self.status.get("serving") is not None

    @property
    def asked(self) -> tuple[SnapshotKey, bool, Spec]:
        """What of it others wrote."""
        return self.key, self.declared, self.spec


def project(content: Mapping[str, Any]) -> Seen | None:
    """None: it is being deleted. ValueError: it is none that this version can read."""
    metadata = content["metadata"]
    if metadata.get("deletionTimestamp") is not None:
        return None
    spec = snapshot.Spec.model_validate(content.get("spec"))
    source = SourceKey(
        spec.source.account, spec.source.identity, spec.source.provider, spec.source.reference
    )
    notes = metadata.get("annotations") or {}
    return Seen(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        key=SnapshotKey(metadata["namespace"], source),
        declared=MADE_FOR not in notes,
        spec=Spec(
            generation=metadata.get("generation", 0),
            pin=spec.pin,
            quarantined=spec.quarantined,
            revoked=spec.revoked,
            refresh_requested=seconds(notes.get(REFRESH_REQUESTED)),
            retention_s=spec.retention,
        ),
        status=content.get("status") or {},
    )


def made(key: SnapshotKey, state: SnapshotState | None) -> dict[str, Any]:
    """A new SecretSnapshot. What the snapshot itself has recorded of operators' wishes goes on."""
    source = key.source
    body = declaration(
        key.namespace,
        account=source.account,
        identity=source.identity,
        provider=source.provider,
        reference=source.reference,
    )
    body["metadata"]["annotations"] = {MADE_FOR: "pods"}
    if state is not None:
        rolled_back = (item.version for item in state.quarantined if item.reason == ROLLED_BACK)
        if state.pin is not None and is_version(state.pin):
            body["spec"]["pin"] = state.pin
        body["spec"]["revoked"] = _named(state.revoked)
        body["spec"]["quarantined"] = _named(rolled_back)
    return body


def _named(versions: Iterable[str]) -> list[str]:
    """The last of them, where they are more than a list of the spec may have, so that there is room
    for others. The record has all of them.
    """
    found = [version for version in versions if is_version(version)]
    return found if len(found) <= MOST_VERSIONS else found[-MOST_VERSIONS // 2 :]


def shown(
    status: Status, state: SnapshotState, before: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The status to write. What is null in it is removed; conditions keep the time of their last
    change.
    """
    freshness_ = _freshness(status, now)
    conditions = [_ready(status, state), _fresh(status, state, freshness_), *_restored(state)]
    return {
        "observedGeneration": status.observed_generation,
        "source": status.source,
        "class": status.class_name,
        "rules": _rules(status),
        "state": _state(status, freshness_),
        "serving": status.serving,
        "version": status.version,
        "fetchedAt": rfc3339(status.fetched_at),
        "latest": status.latest,
        "unconfirmedSince": rfc3339(_unconfirmed_since(status, freshness_)),
        "lastSuccess": rfc3339(status.last_success),
        "lastAttempt": rfc3339(status.last_attempt),
        "failures": status.failures,
        "reason": status.reason,
        "pin": status.pin,
        "quarantined": [item.__dict__ for item in status.quarantined],
        "revoked": list(status.revoked),
        "history": [
            {"version": item.version, "fetchedAt": rfc3339(item.fetched_at)}
            for item in status.history
        ],
        "consumers": len(status.consumers),
        "unusedSince": rfc3339(status.undemanded_since),
        "refusedSince": rfc3339(status.refused_since),
        "conditions": [
            _dated(condition, status.observed_generation, before, now) for condition in conditions
        ],
    }


def ignored(seen: Seen, now: float) -> dict[str, Any]:
    """The status of an object whose name is not the one that its source gives."""
    message = (
        f"this source's SecretSnapshot is named {seen.key.source.snapshot}; this one is ignored"
    )
    condition = {"type": "Ready", "status": "False", "reason": "WrongName", "message": message}
    return {
        "observedGeneration": seen.spec.generation,
        "state": "Ignored",
        "conditions": [_dated(condition, seen.spec.generation, seen.status, now)],
    }


def not_given(
    status: dict[str, Any], found: Found, before: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The same, where pods are not given what the controller knows. `found` is one of NOT_GIVEN."""
    state, reason, message = NOT_GIVEN[found]
    ready = _condition("Ready", "False", reason, message)
    fresh = _condition("Fresh", "Unknown", reason, "pods are not given this snapshot")
    others = [it for it in status["conditions"] if it["type"] not in {"Ready", "Fresh"}]
    dated = [_dated(it, status["observedGeneration"], before, now) for it in (ready, fresh)]
    return status | {
        "state": state,
        "reason": found,
        "conditions": [*dated, *others],
    }


def timeless(status: Mapping[str, Any]) -> dict[str, Any]:
    """What a status says beside times, to be compared."""
    return {
        name: value for name, value in status.items() if value is not None and name not in TIMES
    }


def next_turn(status: Status, now: float) -> float:
    """When time alone changes what a status says, in seconds since the epoch; infinity: never."""
    if status.rules is None or status.version is None:
        return float("inf")
    found = freshness.next_change(status.rules, status.last_success, now)
    return float("inf") if found is None else found


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
    """As controller.snapshots reads them."""
    rules = status.rules
    if rules is None:
        return None
    return {
        "refreshIntervalSeconds": int(rules.refresh_s),
        "freshnessBudgetSeconds": int(rules.budget_s),
        "maxAgeSeconds": int(rules.max_age_s),
        "onExpired": rules.on_expired,
    }


def _state(status: Status, freshness_: Freshness | None) -> str:
    if freshness_ is not None:
        return _STATES[freshness_]
    if status.serving is None:
        return "NeverSynced"
    by_serving = {Serving.REVOKED: "Revoked", Serving.WITHDRAWN: "Withdrawn"}
    return by_serving.get(Serving(status.serving), "Expired")


def _ready(status: Status, state: SnapshotState) -> dict[str, Any]:
    if state.served is not None:
        return _condition("Ready", "True", "Served", f"version {status.version} is served")
    if state.serving is not None:
        return _condition("Ready", "False", state.serving.capitalize(), "nothing is served")
    why = f": {status.reason}" if status.reason else ""
    return _condition("Ready", "False", "NeverSynced", f"not fetched yet{why}")


def _fresh(status: Status, state: SnapshotState, freshness_: Freshness | None) -> dict[str, Any]:
    if freshness_ is None:
        return _condition("Fresh", "Unknown", "NothingServed", "there is no age to tell")
    well = freshness_ is Freshness.FRESH
    why = f"; the last attempt failed: {state.reason}" if state.reason else ""
    message = f"by class {status.rules.name}{why}" if status.rules is not None else "no class"
    return _condition("Fresh", "True" if well else "False", _STATES[freshness_], message)


def _restored(state: SnapshotState) -> list[dict[str, Any]]:
    """Of another cluster's backup only."""
    if state.restored is None:
        return []
    message = (
        "it was another cluster's, as a backup leaves it; its age counts from when its value was"
        " fetched, until the provider confirms it"
    )
    return [_condition("Restored", "True", "AnotherCluster", message)]


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _dated(
    condition: dict[str, Any], generation: int, before: Mapping[str, Any], now: float
) -> dict[str, Any]:
    known = {item.get("type"): item for item in before.get("conditions") or ()}
    last = known.get(condition["type"], {})
    same = last.get("status") == condition["status"] and "lastTransitionTime" in last
    since = last["lastTransitionTime"] if same else rfc3339(now)
    return {**condition, "lastTransitionTime": since, "observedGeneration": generation}

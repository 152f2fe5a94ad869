"""The conditions of a SecretSnapshot's status. Pure.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract.quoted import shown
from contract.reasons import Found, Freshness
from controller.remediation import NOTHING_SERVED, explained
from controller.times import rfc3339
from refresh.held_versions import what_is_lost
from refresh.versions import held_back

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.snapshot_status import Status
    from refresh.model import SnapshotState

NOT_GIVEN = {
    Found.FOREIGN_SECRET: (
        "Foreign",
        "ForeignSecret",
        (
            "a Secret with this name exists and does not belong to lastgood. Delete it, or create"
            " it under another name"
        ),
    ),
    Found.NO_RIGHTS: (
        "NotWritten",
        "NoRights",
        "lastgood may not write Secrets in this namespace. See controller.namespaces of the chart",
    ),
    Found.WRITE_REFUSED: (
        "NotWritten",
        "WriteRefused",
        "the API server rejects the Secret. Check the namespace's ResourceQuota",
    ),
    Found.WRITE_FAILED: (
        "NotWritten",
        "WriteFailed",
        "writing the Secret has failed more than once. The write is retried",
    ),
    Found.RECORD_NOT_WRITTEN: (
        "NotWritten",
        "RecordNotWritten",
        "the controller cannot write its record of the snapshot in its own namespace",
    ),
}
"""Why pods are not given what the controller knows: state, the conditions' reason, message."""
MOST_LOST = 500
"""Characters of members and pods in one sentence: tenants name both."""
_AGES = {
    Freshness.FRESH: "within the freshness budget",
    Freshness.STALE: "over the freshness budget",
    Freshness.EXPIRED: "over the maximum age",
}
STATES = {
    Freshness.FRESH: "Fresh",
    Freshness.STALE: "Stale",
    Freshness.EXPIRED: "Expired",
}


def ready(status: Status, state: SnapshotState) -> dict[str, Any]:
    """Whether pods are given a value."""
    if state.served is not None:
        return _condition("Ready", "True", "Served", f"version {status.version} is served")
    if state.serving is not None:
        message = NOTHING_SERVED[state.serving]
        return _condition("Ready", "False", state.serving.capitalize(), message)
    why = f": {explained(status.reason, status.message)}" if status.reason else ""
    return _condition("Ready", "False", "NeverSynced", f"not fetched yet{why}")


def fresh(status: Status, state: SnapshotState, freshness_: Freshness | None) -> dict[str, Any]:
    """Whether the value is within its freshness budget."""
    if freshness_ is None:
        why = "" if status.message is None else f": {status.reason}: {status.message}"
        return _condition(
            "Fresh", "Unknown", "NothingServed", f"no value is served, so it has no age{why}"
        )
    well = freshness_ is Freshness.FRESH
    why = f". The last attempt failed: {state.reason}" if state.reason else ""
    if status.message is not None:
        why = f". {status.reason}: {status.message}"
    message = (
        f"the value is {_AGES[freshness_]} of class {status.rules.name}{why}"
        if status.rules is not None
        else f"the policy assigns no class to the value{why}"
    )
    return _condition("Fresh", "True" if well else "False", STATES[freshness_], message)


def held_message(state: SnapshotState) -> str | None:
    """Which version is held, what it lacks, who uses that, and until when; None: none is held."""
    held = held_back(state)
    if not state.lost or held is None:
        return None
    lost, until = shown(what_is_lost(state.lost), MOST_LOST), rfc3339(state.held_until)
    return (
        f"version {held.version} lacks {lost}. The previous version is served until {until}, or"
        " until no pod uses what is missing"
    )


def held(state: SnapshotState) -> list[dict[str, Any]]:
    """Of a version that is held for what it lacks only."""
    message = held_message(state)
    return [] if message is None else [_condition("Held", "True", "LostMember", message)]


def restored(state: SnapshotState) -> list[dict[str, Any]]:
    """Of another cluster's backup only."""
    if state.restored is None:
        return []
    message = (
        "the snapshot comes from a backup of another cluster. Until the provider confirms the"
        " value, its age counts from when it was fetched"
    )
    return [_condition("Restored", "True", "AnotherCluster", message)]


def not_given(
    status: dict[str, Any], found: Found, before: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The same, where pods are not given what the controller knows. `found` is one of NOT_GIVEN."""
    state, reason, message = NOT_GIVEN[found]
    ready = _condition("Ready", "False", reason, message)
    fresh = _condition("Fresh", "Unknown", reason, "pods do not receive this snapshot")
    others = [it for it in status["conditions"] if it["type"] not in {"Ready", "Fresh"}]
    judged = [dated(it, status["observedGeneration"], before, now) for it in (ready, fresh)]
    return status | {
        "state": state,
        "reason": found,
        "message": message,
        "conditions": [*judged, *others],
    }


def dated(
    condition: dict[str, Any], generation: int, before: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """A condition with the time of its last change, which `before`, the status so far, knows."""
    known = {item.get("type"): item for item in before.get("conditions") or ()}
    last = known.get(condition["type"], {})
    same = last.get("status") == condition["status"] and "lastTransitionTime" in last
    since = last["lastTransitionTime"] if same else rfc3339(now)
    return {**condition, "lastTransitionTime": since, "observedGeneration": generation}


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}

"""Why a pod is held, refused or stale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cli.diagnosis import PodSecret, secrets, standing
from contract import layout
from controller.times import rfc3339
from tests import make
from tests.cli.given import NOW, RULES, SERVED

if TYPE_CHECKING:
    from contract.plan import Plan
    from controller.snapshot_status import Status

NEVER = replace(
    SERVED, serving=None, version=None, fetched_at=None, last_success=None, reason="denied"
)


def _plan(part: str = "password") -> Plan:
    file = make.planned_file("db", part=part)
    return make.plan(make.planned_snapshot(file, rules=RULES))


def _secret(status: Status | None, held: str | None = None) -> PodSecret:
    plan = _plan()
    known = {} if status is None else {plan.snapshots[0].snapshot: status}
    (found,) = secrets(plan, known, {} if held is None else {"db": held}, NOW)
    return found


@pytest.mark.parametrize(
    ("status", "held", "state", "blocks_start", "why"),
    [
        pytest.param(SERVED, None, "fresh", False, None, id="well"),
        pytest.param(
            replace(SERVED, reason="throttled"),
            None,
            "fresh",
            False,
            "throttled: the provider limits the request rate",
            id="fresh, and the last attempt failed",
        ),
        pytest.param(
            replace(SERVED, last_success=NOW - 600, reason="unavailable"),
            None,
            "stale",
            False,
            "last confirmed 10m ago, which is over the budget of 5m. Reason: unavailable: the",
            id="stale",
        ),
        pytest.param(
            replace(SERVED, last_success=NOW - 1000),
            None,
            "expired",
            True,
            "over the maximum age of 15m: pods that start must wait",
            id="expired",
        ),
        pytest.param(
            NEVER,
            None,
            "never-synced",
            True,
            "never fetched. Reason: denied: the provider denies",
            id="never",
        ),
        pytest.param(
            replace(NEVER, reason="not-allowed"),
            None,
            "never-synced",
            True,
            "not-allowed: the policy does not allow this secret. Ask the owner of",
            id="refused",
        ),
        pytest.param(
            replace(SERVED, serving="revoked", version=None),
            None,
            "revoked",
            True,
            "its version was revoked, and no other version replaces it",
            id="revoked",
        ),
        pytest.param(
            replace(SERVED, reason="foreign-secret"),
            None,
            "foreign",
            True,
            "foreign-secret: a Secret with the snapshot's name exists",
            id="a foreign Secret in its place",
        ),
        pytest.param(
            None, None, "never-synced", True, "its SecretSnapshot does not", id="no object"
        ),
        pytest.param(
            SERVED,
            "property-missing",
            "fresh",
            True,
            "the value has no property password",
            id="the gate misses a property",
        ),
        pytest.param(
            SERVED,
            "never-synced",
            "fresh",
            True,
            "the kubelet has not updated the pod's volume yet",
            id="the kubelet is behind",
        ),
    ],
)
def test_each_secret_says_what_is_wrong_with_it_and_what_to_do(
    status: Status | None, held: str | None, state: str, why: str | None, *, blocks_start: bool
) -> None:
    """And whether a starting pod waits for it."""
    found = _secret(status, held)
    assert (found.state, found.blocks_start) == (state, blocks_start)
    assert found.source.endswith("#password")
    if why is None:
        assert found.why is None
    else:
        assert found.why is not None
        assert why in found.why


def test_p1_a_property_that_no_pod_used_before_may_wait_for_the_controller() -> None:
    """Only one inside of a member: the controller adds it, and the provider is not needed."""
    for part, waits in (("tls/key", True), ("password", False)):
        plan = _plan(part)
        known = {plan.snapshots[0].snapshot: SERVED}
        (found,) = secrets(plan, known, {"db": "property-missing"}, NOW)
        assert found.why is not None
        assert f"the value has no property {part}, or the property is null or empty" in found.why
        assert ("the controller has not added it yet" in found.why) == waits
        assert ("no provider call" in found.why) == waits


def _pod(phase: str, gate: dict[str, Any] | None, *, scheduled: bool = True) -> dict[str, Any]:
    conditions = [{"type": "PodScheduled", "status": "True" if scheduled else "False"}]
    if not scheduled:
        conditions[0]["reason"] = "Unschedulable"
    status: dict[str, Any] = {"phase": phase, "conditions": conditions}
    if gate is not None:
        status["initContainerStatuses"] = [{"name": layout.GATE, **gate}]
    spec = {"initContainers": [{"name": layout.GATE}]}
    return {"metadata": {"name": "web"}, "spec": spec, "status": status}


RUNNING = {"state": {"running": {"startedAt": rfc3339(NOW - 65)}}}
PASSED = {"state": {"terminated": {"exitCode": 0}}}
ENDED_12 = {
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 12, "message": "another source"}},
}


@pytest.mark.parametrize(
    ("pod", "status", "verdict", "sentence"),
    [
        (_pod("Pending", RUNNING), NEVER, "waiting", "waits in its gate for db (for 1m 5s so far)"),
        (_pod("Pending", RUNNING), SERVED, "waiting", "and is about to pass"),
        (_pod("Running", PASSED), SERVED, "running", "its secrets have no problem"),
        (
            _pod("Running", PASSED),
            replace(SERVED, last_success=NOW - 600),
            "running",
            "has passed its gate, and db is stale",
        ),
        (_pod("Pending", ENDED_12), SERVED, "misconfigured", "Its gate reports: another source"),
        (
            _pod("Pending", {"state": {"waiting": {"reason": "ErrImagePull"}}}),
            SERVED,
            "pending",
            "has not reached its gate yet: ErrImagePull",
        ),
        (_pod("Pending", None), NEVER, "pending", "is being started by its kubelet"),
        (_pod("Pending", None, scheduled=False), NEVER, "pending", "no node yet: Unschedulable"),
        (_pod("Failed", PASSED), SERVED, "ended", "has ended (Failed)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_a_pod_stands(
    pod: dict[str, Any], status: Status, verdict: str, sentence: str
) -> None:
    """From its phase and its gate."""
    found = standing(pod, _plan(), [_secret(status)], NOW)
    assert found.verdict == verdict
    assert sentence in found.sentence


def test_a_mount_pod_without_a_gate_is_held_by_the_kubelet() -> None:
    """It can't mount what is not there."""
    pod = _pod("Pending", None)
    pod["spec"] = {}
    found = standing(pod, _plan(), [_secret(NEVER)], NOW)
    assert (found.verdict, "waits until the kubelet can mount db" in found.sentence) == (
        "waiting",
        True,
    )


@pytest.mark.parametrize(
    ("notes", "sentence"),
    [
        ({}, "requests no secret: it has no annotation lastgood.dev/secret.<name>"),
        (make.asking(db="aws-sm:/x"), "requests secrets but was not injected"),
    ],
    ids=["did not opt in", "no webhook"],
)
def test_a_pod_that_was_not_injected(notes: dict[str, str], sentence: str) -> None:
    """Whether it wanted to be."""
    pod = {"metadata": {"name": "web", "annotations": notes}, "spec": {}, "status": {}}
    found = standing(pod, None, [], NOW)
    assert (found.verdict, sentence in found.sentence) == ("not-injected", True)

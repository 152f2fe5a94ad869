"""`lastgood explain` on a real API server; what a kubelet would write of a pod is written by the
test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract import layout
from controller.times import rfc3339
from tests.e2e.command.world import ONE, SOURCE
from tests.e2e.controlled import PATIENCE_S
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.command.world import Commanded

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
PENDING = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "True"}],
    "initContainerStatuses": [
        {
            "name": layout.GATE,
            "image": "a",
            "imageID": "a",
            "ready": False,
            "restartCount": 0,
            "state": {"running": {"startedAt": (rfc3339(1_700_000_000) or "")[:19] + "Z"}},
        }
    ],
}


def test_a_pod_that_waits_for_what_was_never_fetched(commanded: Commanded) -> None:
    """By which secret, why, what to do, and the controller's Event; then it is there."""
    commanded.pod()
    commanded.stand("web-1", PENDING)
    commanded.controlled.lead()
    until("the Event", lambda: commanded.controlled.events("SecretNotSynced"), PATIENCE_S)
    said = commanded.here("explain", "web-1")
    assert "web-1 waits in its gate for db" in said
    assert (
        "db: never fetched. Reason: absent: the provider has no such secret. Create it there"
        in said
    )
    assert "Event SecretNotSynced" in said
    shown = commanded.shown("explain", "pod/web-1")
    assert shown["verdict"] == "waiting"
    (secret,) = shown["secrets"]
    assert (secret["name"], secret["source"], secret["state"], secret["blocksStart"]) == (
        *("db", SOURCE, "never-synced"),
        True,
    )
    commanded.put(ONE)
    commanded.here("refresh", SOURCE)
    commanded.stand("web-1", {**PENDING, "phase": "Running"})
    (secret,) = commanded.shown("explain", "web-1")["secrets"]
    assert (secret["state"], secret["blocksStart"]) == ("fresh", False)


def test_a_pod_whose_source_policy_refuses(commanded: Commanded) -> None:
    """Nothing is made of its plan; the Event names the reason."""
    commanded.pod()
    commanded.controlled.apply(commanded.controlled.policy())
    commanded.controlled.lead()
    until("the Event", lambda: commanded.controlled.events("SecretNotSynced"), PATIENCE_S)
    said = commanded.here("explain", "web-1")
    assert "its SecretSnapshot does not exist" in said
    assert "Reason: unknown-account. Policy " in said
    assert "has no account " in said


def test_a_pod_that_asks_for_nothing_and_one_that_is_not_there(commanded: Commanded) -> None:
    """The nearest name is told."""
    spec = {"containers": [{"name": "app", "image": "a"}], "nodeSelector": {"a/b": "none"}}
    plain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": spec}
    commanded.controlled.create(plain)
    assert "requests no secret" in commanded.here("explain", "plain")
    said = commanded.here("explain", "plane", code=1)
    assert "pod plane not found in namespace" in said
    assert 'Did you mean "plain"?' in said


def test_a_workload_whose_pods_were_refused(commanded: Commanded) -> None:
    """There is no pod; the Event of its ReplicaSet has the webhook's words."""
    about = {"kind": "ReplicaSet", "name": "web-5d8f", "namespace": commanded.namespace}
    refusal = 'admission webhook "pods.lastgood.dev" denied the request: no such account'
    commanded.controlled.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "web-5d8f.1"},
            "involvedObject": about,
            "reason": "FailedCreate",
            "message": refusal,
            "type": "Warning",
            "lastTimestamp": (rfc3339(1_800_000_000) or "")[:19] + "Z",
        }
    )
    said = commanded.here("explain", "web")
    assert "web-5d8f is refused: the webhook denies its pods" in said
    assert refusal in said
    assert commanded.shown("explain", "web")["verdict"] == "refused"

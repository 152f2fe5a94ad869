"""What pods demand and admins declare, and what of it is said. The controller is a process on
a real API server.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from contract.annotations import SYNC_REQUESTED
from contract.snapshot_format import META, SECRET_TYPE
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.one_secret import DB, ONE, TWO, rotate, served
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
TWO_IN_15_MINUTES = 0.0022
"""Calls a second, to two digits."""


def test_what_pods_demand_becomes_secret_age_and_snapshot(controlled: Controlled) -> None:
    """No SecretSnapshot was there; all three are made, and the pod is nudged."""
    served(controlled)
    secret = controlled.get("secret", controlled.snapshot(DB))
    assert secret is not None
    assert secret["type"] == SECRET_TYPE
    assert set(controlled.keys(DB)) == {"value", "p.password", META}
    assert set(controlled.record(DB)) == {"value", META, "history.json", "record.json"}
    status = controlled.status(DB)
    assert (status["state"], status["class"], status["consumers"]) == ("Fresh", "steady", 1)
    assert "ownerReferences" not in secret["metadata"]
    pod = controlled.get("pod", "web-1")
    assert pod is not None
    assert SYNC_REQUESTED in pod["metadata"]["annotations"]


def test_a_declared_snapshot_is_fetched_ahead_of_pods(controlled: Controlled) -> None:
    """A value that is no JSON object will do."""
    controlled.provide(DB, b"plain")
    controlled.declare(DB)
    controlled.lead()
    controlled.serves(DB, b"plain")
    assert controlled.status(DB)["consumers"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b'{"f:a":' * 9900 + b"{}" + b"}" * 9900, id="9,900 levels"),
        pytest.param(b'{"f:\xff":{}}', id="no UTF-8"),
    ],
)
def test_p13_a_pod_that_cant_be_parsed_stops_nobody(controlled: Controlled, fields: bytes) -> None:
    """The API server takes what a tenant writes into managedFields, and lists it; Python's parser
    goes 1,000 levels.
    """
    manager = {"manager": "odd", "operation": "Update", "apiVersion": "v1", "fieldsV1": "FIELDS"}
    metadata = {"name": "odd", "managedFields": [{**manager, "fieldsType": "FieldsV1"}]}
    spec = {"nodeName": "nowhere", "containers": [{"name": "app", "image": "app"}]}
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    made = subprocess.run(
        ["kubectl", "create", "-f-", "--raw", f"/api/v1/namespaces/{controlled.name}/pods"],
        input=pod.encode().replace(b'"FIELDS"', fields),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert fields in made.stdout
    served(controlled)
    # Pod garbage collection may have been quicker: no node has this name.
    controlled.kubectl("delete", "pod", "odd", "--force", "--grace-period=0", "--ignore-not-found")
    rotate(controlled)


def test_a_waiting_pods_event_names_source_error_and_what_to_do(controlled: Controlled) -> None:
    """The provider has no such secret; later it has, and the pod is nudged."""
    controlled.pod("web-1", DB)
    controlled.lead()
    until("the Event", lambda: controlled.events("SecretNotSynced"), PATIENCE_S)
    (event,) = controlled.events("SecretNotSynced")
    assert event["involvedObject"]["name"] == "web-1"
    for word in (f"file:{DB}", "absent", "Create it there"):
        assert word in event["message"]
    assert controlled.status(DB)["state"] == "NeverSynced"


def test_p12_a_terminating_pod_is_not_nudged_and_its_neighbour_is(controlled: Controlled) -> None:
    """A finalizer of others holds it. No count is expected of it: the control plane's pod garbage
    collector marks an unscheduled pod that is being deleted as Failed, after up to 20 s.
    """
    controlled.provide(DB, ONE)
    for name in ("web-0", "web-1"):
        controlled.pod(name, DB)
    held: dict[str, Any] = {"metadata": {"finalizers": ["lastgood.dev/held"]}}
    controlled.patch("pod", "web-0", held)
    try:
        controlled.kubectl("delete", "pod", "web-0", "--wait=false")
        controlled.lead()
        controlled.serves(DB, ONE)
        until("the first nudge", lambda: _nudged(controlled, "web-1"), PATIENCE_S)
        first = _nudged(controlled, "web-1")
        rotate(controlled)
        quarantined = {"spec": {"quarantined": [controlled.meta(DB)["version"]]}}
        controlled.patch("snap", controlled.snapshot(DB), quarantined)
        until("another", lambda: _nudged(controlled, "web-1") != first, PATIENCE_S)
        assert _nudged(controlled, "web-0") is None
    finally:
        controlled.patch("pod", "web-0", {"metadata": {"finalizers": None}})


def _nudged(world: Controlled, pod: str) -> str | None:
    """When; None: never. The pod is there."""
    found = world.get("pod", pod)
    assert found is not None
    stamp: str | None = found["metadata"].get("annotations", {}).get(SYNC_REQUESTED)
    return stamp


def test_another_name_than_the_sources_is_ignored_and_told_the_right_one(
    controlled: Controlled,
) -> None:
    """The name is a hash over the source: two objects never speak of one."""
    controlled.lead()
    source = {"account": controlled.name, "provider": "file", "reference": DB}
    controlled.create(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretSnapshot",
            "metadata": {"name": "db"},
            "spec": {"source": source},
        }
    )

    def ignored() -> list[str]:
        found = controlled.get("snap", "db")
        status = {} if found is None else found.get("status", {})
        return [item["message"] for item in status.get("conditions", [])]

    (message,) = until("the condition", ignored, PATIENCE_S)
    assert controlled.snapshot(DB) in message
    assert controlled.items("secrets") == [], "nothing is served, and nothing recorded"


def test_what_nobody_uses_goes_after_its_retention_and_not_before(controlled: Controlled) -> None:
    """Both Secrets, the SecretSnapshot that was made for pods, and no other."""
    controlled.provide("/prod/kept", TWO)
    controlled.pod("web-2", "/prod/kept")
    served(controlled)
    controlled.serves("/prod/kept", TWO)
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"retention": "3s"}})
    controlled.observed(DB)
    controlled.kubectl("delete", "pod", "web-1", "web-2", "--now")
    until("the Secrets to go", lambda: not controlled.keys(DB), PATIENCE_S)
    until("the object to go", lambda: not controlled.status(DB), PATIENCE_S)
    until("the record to go", lambda: not controlled.record(DB), PATIENCE_S)
    assert controlled.keys("/prod/kept")["value"] == TWO
    assert controlled.status("/prod/kept")["unusedSince"]


def test_an_identity_that_may_read_secrets_does_not_start(controlled: Controlled) -> None:
    """The tests' own may; the controller says what to take away, and ends."""
    process = controlled.start()
    assert process.wait(PATIENCE_S) == 1
    assert "may get Secrets" in controlled.logs[-1].read_text()


def test_an_account_and_a_policy_say_whether_they_are_in_use(controlled: Controlled) -> None:
    """In their status, until no snapshot needs them; the chart's policies refuse to delete them
    until then.
    """
    served(controlled)
    until("both to be held", lambda: _in_use(controlled) == [True, True], PATIENCE_S)
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"retention": "1s"}})
    controlled.kubectl("delete", "pod", "web-1", "--now")
    until("both to be released", lambda: _in_use(controlled) == [False, False], PATIENCE_S)


def test_an_account_says_how_many_calls_it_needs(controlled: Controlled) -> None:
    """Beside those that are allowed: one for each source and interval, and the pods of one source
    need no more than one pod does.
    """
    served(controlled)
    controlled.pod("web-2", DB, "/prod/absent")
    until("both to count", lambda: _needed(controlled) == TWO_IN_15_MINUTES, PATIENCE_S)
    header, row = controlled.kubectl("get", "sacc", controlled.name).splitlines()
    assert header.split()[1:6] == ["PROVIDER", "LOGIN", "BREAKER", "CALLS/S", "NEEDED/S"]
    assert float(row[header.index("NEEDED/S") :].split()[0]) == TWO_IN_15_MINUTES


def _needed(world: Controlled) -> float | None:
    """Calls a second, as the account says; None: it says none."""
    found = world.get("secretaccount", world.name)
    assert found is not None
    needed: float | None = found.get("status", {}).get("neededCallsPerSecond")
    return needed


def _in_use(world: Controlled) -> list[bool]:
    """As account and policy say."""
    said = []
    for kind in ("secretaccount", "secretpolicy"):
        found = world.get(kind, world.name)
        assert found is not None
        assert "finalizers" not in found["metadata"]
        said.append(bool(found.get("status", {}).get("inUse")))
    return said

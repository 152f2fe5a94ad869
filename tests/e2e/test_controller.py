"""The controller as a process on a real API server."""

from __future__ import annotations

import base64
import json
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from contract.annotations import SYNC_REQUESTED
from contract.snapshot import META, SECRET_TYPE
from policy.snapshot import KIND
from tests import make
from tests.e2e.controlled import PATIENCE_S
from tests.make.embedded import until

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DB = "/prod/db"
ONE, TWO = b'{"password":"one"}', b'{"password":"two"}'
TWO_IN_15_MINUTES = 0.0022
"""Calls a second, to two digits."""


def _served(world: Controlled) -> None:
    """A controller leads, and a pod's source is served."""
    world.provide(DB, ONE)
    world.pod("web-1", DB)
    world.lead()
    world.serves(DB, ONE)


def _rotate(world: Controlled) -> None:
    """The provider has a second version, and it is served."""
    world.provide(DB, TWO)
    _refresh(world)
    world.serves(DB, TWO)


def _refresh(world: Controlled) -> None:
    """An operator asks for a fetch."""
    asked = "lastgood.dev/refresh-requested=2100-01-01T00:00:00Z"
    world.kubectl("annotate", "snap", world.snapshot(DB), asked)


def test_what_pods_demand_becomes_secret_age_and_snapshot(controlled: Controlled) -> None:
    """No SecretSnapshot was there; all three are made, and the pod is nudged."""
    _served(controlled)
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


def test_p12_pin_rollback_and_revocation_need_no_provider(controlled: Controlled) -> None:
    """Each is a change of the spec; the provider is not called for any of them."""
    _served(controlled)
    first = controlled.meta(DB)["version"]
    _rotate(controlled)
    second, calls = controlled.meta(DB)["version"], controlled.calls()
    name = controlled.snapshot(DB)
    controlled.patch("snap", name, {"spec": {"pin": first}})
    controlled.serves(DB, ONE)
    controlled.patch("snap", name, {"spec": {"pin": None}})
    controlled.serves(DB, TWO)
    controlled.patch("snap", name, {"spec": {"quarantined": [second]}})
    controlled.serves(DB, ONE)
    until("the Event", lambda: controlled.events("RolledBack"), PATIENCE_S)
    (event,) = controlled.events("RolledBack")
    assert event["involvedObject"]["name"] == name
    assert event["message"] == f"from version {second}; version {first} is served"
    controlled.patch("snap", name, {"spec": {"revoked": [first, second], "quarantined": []}})
    until("the tombstone", lambda: controlled.keys(DB)["value"] == b"", PATIENCE_S)
    assert controlled.keys(DB)["p.password"] == b"", "mount pods project it; see the ledger"
    assert controlled.kept(DB) == 0
    controlled.observed(DB)
    assert controlled.status(DB)["state"] == "Revoked"
    assert controlled.calls() == calls


def test_p2_a_version_that_fails_its_checks_is_shown_and_not_served(controlled: Controlled) -> None:
    """An outage's error page where JSON belongs: status and an Event name version and check, and
    what pods are given stays to the byte.
    """
    source = make.source(controlled.name, "file:/**")
    checked = {**source, "validate": [{"json": True}]}
    controlled.patch("secretpolicy", controlled.name, {"spec": {"sources": [checked]}})
    _served(controlled)
    good, before = controlled.meta(DB)["version"], controlled.keys(DB)
    controlled.provide(DB, b"<html>502 Bad Gateway</html>")
    _refresh(controlled)
    until("the Event", lambda: controlled.events("VersionRejected"), PATIENCE_S)
    (event,) = controlled.events("VersionRejected")
    assert event["involvedObject"]["kind"] == KIND
    assert event["involvedObject"]["name"] == controlled.snapshot(DB)
    until("the status", lambda: controlled.status(DB).get("quarantined"), PATIENCE_S)
    status = controlled.status(DB)
    (bad,) = status["quarantined"]
    assert bad == {"version": status["latest"], "reason": "json"}
    assert event["message"] == (
        f"a new version failed its checks and is not served (version {bad['version']}, json)"
    )
    assert (status["version"], status["state"], status["reason"]) == (good, "Fresh", "invalid")
    assert bad["version"] != good
    after = controlled.keys(DB)
    assert {**after, META: b""} == {**before, META: b""}


def test_p5_a_killed_controller_forgets_nothing_and_asks_nothing(controlled: Controlled) -> None:
    """The next one takes value, age and pin from the API server, without one provider call."""
    _served(controlled)
    controlled.patch(
        "snap", controlled.snapshot(DB), {"spec": {"pin": controlled.meta(DB)["version"]}}
    )
    controlled.observed(DB)
    before, entry = controlled.meta(DB), controlled.entry(DB)
    controlled.kill()
    controlled.lead()
    assert controlled.said("controller.restored")[0]["snapshots"] >= 1
    controlled.observed(DB)
    assert controlled.calls() == 0
    assert controlled.meta(DB) == before
    assert controlled.entry(DB) == entry


def test_p11_a_deleted_snapshot_object_takes_no_value_and_no_wish_with_it(
    controlled: Controlled,
) -> None:
    """It is made again with what the record has, also after a restart without it."""
    _served(controlled)
    _rotate(controlled)
    version = controlled.meta(DB)["version"]
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"pin": version}})
    controlled.observed(DB)
    controlled.kill()
    controlled.kubectl("delete", "snap", "--all")
    controlled.lead()
    controlled.serves(DB, TWO)
    found = controlled.get("snap", controlled.snapshot(DB))
    assert found is not None
    assert found["spec"]["pin"] == version
    assert controlled.calls() == 0
    controlled.kubectl("delete", "snap", "--all")
    controlled.serves(DB, TWO)
    assert controlled.meta(DB)["pin"] == version


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
    _served(controlled)
    # Pod garbage collection may have been quicker: no node has this name.
    controlled.kubectl("delete", "pod", "odd", "--force", "--grace-period=0", "--ignore-not-found")
    _rotate(controlled)


def test_a_foreign_secret_is_told_of_though_the_provider_gives_nothing(
    controlled: Controlled,
) -> None:
    """As in an outage, when another controller takes over: what to do is not the provider's."""
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": controlled.snapshot(DB)}}
    controlled.create({**foreign, "type": "Opaque", "stringData": {"mine": "yes"}})
    controlled.pod("web-1", DB)
    controlled.lead()
    until("the Event", lambda: controlled.events("SecretNotSynced"), PATIENCE_S)
    until("its state", lambda: controlled.status(DB).get("state") == "Foreign", PATIENCE_S)
    assert "remove or rename" in controlled.events("SecretNotSynced")[-1]["message"]


def test_a_foreign_secret_is_never_adopted_and_says_so(controlled: Controlled) -> None:
    """One of another type keeps its content; status and an Event on the pod tell what to do."""
    controlled.provide(DB, ONE)
    name = controlled.snapshot(DB)
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    controlled.create({**foreign, "type": "Opaque", "stringData": {"mine": "yes"}})
    controlled.pod("web-1", DB)
    controlled.lead()
    until(
        "the status to say so",
        lambda: controlled.status(DB).get("reason") == "foreign-secret",
        PATIENCE_S,
    )
    until("the Event", lambda: controlled.events("SecretNotSynced"), PATIENCE_S)
    assert "remove or rename" in controlled.events("SecretNotSynced")[0]["message"]
    assert set(controlled.keys(DB)) == {"mine"}
    controlled.kubectl("delete", "secret", name)
    controlled.serves(DB, ONE)


def test_p13_a_forged_snapshot_of_another_source_is_written_over(controlled: Controlled) -> None:
    """What stands in a snapshot's place and is of our type gets the snapshot's own content."""
    controlled.provide(DB, ONE)
    controlled.provide("/prod/other", TWO)
    controlled.pod("web-1", "/prod/other")
    controlled.lead()
    controlled.serves("/prod/other", TWO)
    other = controlled.get("secret", controlled.snapshot("/prod/other"))
    assert other is not None
    metadata = {"name": controlled.snapshot(DB)}
    controlled.create({**other, "metadata": metadata})
    controlled.pod("web-2", DB)
    controlled.serves(DB, ONE)


def test_a_waiting_pods_event_names_source_error_and_what_to_do(controlled: Controlled) -> None:
    """The provider has no such secret; later it has, and the pod is nudged."""
    controlled.pod("web-1", DB)
    controlled.lead()
    until("the Event", lambda: controlled.events("SecretNotSynced"), PATIENCE_S)
    (event,) = controlled.events("SecretNotSynced")
    assert event["involvedObject"]["name"] == "web-1"
    for word in (f"file:{DB}", "absent", "create it at the provider"):
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
        _rotate(controlled)
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
    _served(controlled)
    controlled.serves("/prod/kept", TWO)
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"retention": "3s"}})
    controlled.observed(DB)
    controlled.kubectl("delete", "pod", "web-1", "web-2", "--now")
    until("the Secrets to go", lambda: not controlled.keys(DB), PATIENCE_S)
    until("the object to go", lambda: not controlled.status(DB), PATIENCE_S)
    until("the record to go", lambda: not controlled.record(DB), PATIENCE_S)
    assert controlled.keys("/prod/kept")["value"] == TWO
    assert controlled.status("/prod/kept")["unusedSince"]


def test_p5_a_restored_backup_is_as_old_as_its_value(controlled: Controlled) -> None:
    """Another cluster's UID in meta.json: its freshness entry is not believed."""
    _served(controlled)
    controlled.kill()
    (controlled.folder / "provider/prod/db").unlink()
    meta = {**controlled.meta(DB), "cluster": "another", "fetched_at": 1_000_000_000.0}
    text = base64.b64encode(json.dumps(meta).encode()).decode()
    controlled.patch("secret", controlled.record_name(DB), {"data": {META: text}})
    controlled.lead()
    until("it to be expired", lambda: controlled.status(DB)["state"] == "Expired", PATIENCE_S)
    assert controlled.status(DB)["lastSuccess"].startswith("2001-09-09")
    assert controlled.keys(DB)["value"] == ONE
    for reason in ("RestoredBackup", "Expired"):
        until(f"the Event {reason}", partial(controlled.events, reason), PATIENCE_S)
        assert {it["involvedObject"]["kind"] for it in controlled.events(reason)} == {KIND}
    assert "another cluster" in controlled.events("RestoredBackup")[0]["message"]
    status = controlled.status(DB)
    assert status["unconfirmedSince"] == status["lastSuccess"]
    assert [item["type"] for item in status["conditions"]] == ["Ready", "Fresh", "Restored"]
    alarms = controlled.said("controller.alarm")
    (alarm,) = (item for item in alarms if item["namespace"] == controlled.name)
    assert (alarm["kind"], alarm["snapshot"]) == ("restored", controlled.snapshot(DB))
    controlled.provide(DB, ONE)
    _refresh(controlled)
    until("it to be ours", lambda: len(controlled.status(DB)["conditions"]) == 2, PATIENCE_S)
    assert {"unconfirmedSince", "reason"}.isdisjoint(controlled.status(DB))


def test_an_identity_that_may_read_secrets_does_not_start(controlled: Controlled) -> None:
    """The tests' own may; the controller says what to take away, and ends."""
    process = controlled.start()
    assert process.wait(PATIENCE_S) == 1
    assert "may get Secrets" in controlled.logs[-1].read_text()


def test_p11_a_second_replica_takes_over_and_asks_nothing_again(controlled: Controlled) -> None:
    """The first is killed; the second leads when the Lease has run out."""
    _served(controlled)
    controlled.start("--without-self-check")
    until("the second to start", lambda: controlled.said("controller.started"), PATIENCE_S)
    assert not controlled.said("controller.restored")
    controlled.processes[0].kill()
    until("the second to lead", lambda: controlled.said("controller.restored"), 60.0)
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"quarantined": ["none"]}})
    controlled.observed(DB)
    assert controlled.calls() == 0
    assert controlled.keys(DB)["value"] == ONE


def test_an_account_and_a_policy_say_whether_they_are_in_use(controlled: Controlled) -> None:
    """In their status, until no snapshot needs them; the chart's policies refuse to delete them
    until then.
    """
    _served(controlled)
    until("both to be held", lambda: _in_use(controlled) == [True, True], PATIENCE_S)
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"retention": "1s"}})
    controlled.kubectl("delete", "pod", "web-1", "--now")
    until("both to be let go", lambda: _in_use(controlled) == [False, False], PATIENCE_S)


def test_an_account_says_how_many_calls_it_needs(controlled: Controlled) -> None:
    """Beside those that are allowed: one for each source and interval, and the pods of one source
    need no more than one pod does.
    """
    _served(controlled)
    controlled.pod("web-2", DB, "/prod/absent")
    until("both to count", lambda: _needed(controlled) == TWO_IN_15_MINUTES, PATIENCE_S)
    header, row = controlled.kubectl("get", "sacc", controlled.name).splitlines()
    assert header.split()[2:4] == ["CALLS/S", "NEEDED/S"]
    assert float(row.split()[3]) == TWO_IN_15_MINUTES


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

"""What the running controller does when policy says no, or is broken."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.make.embedded import POLICY, snapshot_of, until

if TYPE_CHECKING:
    from tests.make.embedded import World

DB = "/prod/payments/db"
ORDERS = "/prod/orders/db"
PRUNED = POLICY.replace('["payments", "orders"]', '["orders"]')


def test_p7_a_pod_that_asks_for_anothers_secret_gets_nothing(world: World) -> None:
    """The plan was written by hand, past the webhook: no call is made, and status says why."""
    world.secret(ORDERS, b"theirs")
    world.secret(DB, b"ours")
    world.pod("thief", ORDERS)
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"ours")
    assert world.volume(ORDERS) == {}
    assert world.calls() == 1
    shown = world.status(ORDERS)
    assert (shown["state"], shown["reason"]) == ("never-synced", "not-allowed")
    assert shown["consumers"] == ["thief"]


def test_p4_one_fetch_serves_every_namespace_that_may_have_it(world: World) -> None:
    """Twenty pods in two namespaces: one provider call."""
    world.secret("/shared/ca", b"certificate")
    for number in range(10):
        world.pod(f"api-{number}", "/shared/ca")
        world.pod(f"api-{number}", "/shared/ca", namespace="orders")
    world.start()
    world.serves("/shared/ca", b"certificate")
    world.serves("/shared/ca", b"certificate", "orders")
    assert world.calls() == 1


def test_p2_p7_a_source_that_policy_no_longer_allows_is_kept_and_not_fetched(world: World) -> None:
    """Alarmed, and its value stays for the grace time, also through a restart; operators can still
    revoke it.
    """
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    version = world.status(DB)["version"]
    world.configure(policy=PRUNED)
    until("the refusal", lambda: world.status(DB)["reason"] == "namespace-not-listed")
    assert world.events("controller.refused")[0]["reason"] == "namespace-not-listed"
    world.end(signal.SIGKILL)
    world.start()
    world.lastgood("refresh", f"file:{DB}")
    assert world.calls() == 0
    assert world.volume(DB)["value"] == b"one"
    world.lastgood("revoke", f"file:{DB}", version)
    assert world.volume(DB)["value"] == b""


@pytest.mark.parametrize("broken", ["{", "kind: SecretPolcy\n", POLICY + "  extra: 1\n"])
def test_p11_a_broken_policy_file_leaves_the_last_good_policies_in_force(
    world: World, broken: str
) -> None:
    """New pods are served by them, and the log says what is wrong."""
    world.start()
    world.configure(policy=broken)
    until("the complaint", lambda: world.events("policies.kept_last_good"))
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.serves(DB, b"one")


def test_no_policy_no_fetch(world: World) -> None:
    """An empty config folder demands nothing of anybody."""
    for path in (world.store / "config").iterdir():
        path.unlink()
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    until("a status", lambda: world.command("status", f"file:{DB}").returncode == 0)
    assert world.status(DB)["reason"] == "no-policy"
    assert world.calls() == 0


def test_an_account_that_can_not_be_used_stops_no_other(world: World) -> None:
    """It is named in the log, with what to do; the rest is fetched."""
    role = "arn:aws:iam::123456789012:role/x"
    (world.store / "config" / "aws.yaml").write_text(
        "apiVersion: lastgood.dev/v1alpha1\nkind: SecretAccount\nmetadata: {name: aws}\n"
        f"spec: {{provider: aws, aws: {{regions: [eu-west-1], roleARN: '{role}',"
        " stsEndpoint: 'http://127.0.0.1:9'}, budget: {callsPerSecond: 1, burst: 1}}\n"
    )
    world.variables |= {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own"}
    both = POLICY.replace(
        "  classes:", '    - {account: aws, allow: ["aws-sm:/x"], class: steady}\n  classes:'
    )
    world.configure(policy=both)
    world.secret(DB, b"one")
    world.pod("api-0", "/x", account="aws", provider="aws-sm")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    found = until("the complaint", lambda: world.events("controller.account_unusable"))
    assert found[0]["account"] == "aws"
    assert found[0]["why"] == (
        "its role can't be assumed (EndpointConnectionError);"
        " STS does not answer; it is tried again"
    )


def test_a_pod_that_ends_is_no_consumer(world: World) -> None:
    """Its snapshot stays."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    world.pod("api-1", DB, status={"phase": "Succeeded"})
    until("no consumer", lambda: world.status(DB)["consumers"] == [])
    assert world.volume(DB)["value"] == b"one"


def test_a_manifest_that_can_not_be_read_is_named_and_passed_over(world: World) -> None:
    """Half a file keeps the demand that it had."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    (world.store / "pods" / "payments.api-1.json").write_text('{"kind": "Po')
    found = until("the complaint", lambda: world.events("controller.file_passed_over"))
    assert found[0]["file"] == "payments.api-1.json"
    assert world.status(DB)["consumers"] == ["api-1"]


def test_snapshot_names_are_those_of_the_contract(world: World) -> None:
    """The folder is where a pod's projected volume names it."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    folders = {path.name for path in (world.store / "volumes" / "payments").iterdir()}
    assert folders == {snapshot_of(DB), snapshot_of(DB) + "-history", "lastgood-freshness"}

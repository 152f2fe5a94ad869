"""What the running controller does when policy says no, or is broken."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from contract import layout
from contract.object_names import snapshot_name
from controller.snapshot_objects import declaration
from kube.api_resources import (
    CONFIG_MAPS,
    SECRET_ACCOUNTS,
    SECRET_POLICIES,
    SECRET_SNAPSHOTS,
    SECRETS,
)
from tests import make
from tests.make.cluster import POLICY, snapshot_of
from tests.make.waiting import until

if TYPE_CHECKING:
    from kube.api_resources import Resource
    from tests.make.cluster import World

Json = dict[str, Any]
DB = "/prod/payments/db"
ORDERS = "/prod/orders/db"
PRUNED = POLICY.replace('["payments", "orders"]', '["orders"]')


def test_p7_a_pod_that_asks_for_anothers_secret_gets_nothing(world: World) -> None:
    """The plan was written by hand, past the webhook. No call is made. An Event on the pod says
    why, and so does the status of a SecretSnapshot that the team declares.
    """
    world.secret(ORDERS, b"theirs")
    world.secret(DB, b"ours")
    world.pod("thief", ORDERS)
    world.declare(ORDERS)
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"ours")
    assert world.volume(ORDERS) == {}
    assert world.calls() == 1
    (said,) = until("the Event", lambda: world.told("SecretNotSynced", "thief"))
    assert f"file:{ORDERS} of account files, which was never fetched. Reason: not-allowed" in said
    until("a status", lambda: world.shown(ORDERS).get("consumers"))
    shown = world.shown(ORDERS)
    assert (shown["state"], shown["reason"]) == ("NeverSynced", "not-allowed")
    assert shown["consumers"] == 1


def test_the_sentence_that_decided_a_refusal_is_said_everywhere(world: World) -> None:
    """On the pod, in the status and its conditions, and by `lastgood explain`: of an account that
    policy does not name, and of one snapshot too many.
    """
    world.configure(policy=POLICY.replace("snapshotsPerNamespace: 20", "snapshotsPerNamespace: 1"))
    world.secret(DB, b"ours")
    world.secret(DB + "2", b"ours")
    world.declare(DB)
    world.start()
    world.serves(DB, b"ours")
    world.declare(DB + "2")
    world.pod("api-1", DB + "2")
    world.pod("api-2", DB, account="other")
    limit = "policy payments allows 1 snapshots in namespace payments"
    account = "policy payments has no account other. Allowed: files"
    (said,) = until("the Event", lambda: world.told("SecretNotSynced", "api-1"))
    assert said.endswith(f"never fetched. Reason: limit. P{limit[1:]}")
    (said,) = until("the Event", lambda: world.told("SecretNotSynced", "api-2"))
    assert said.endswith(f"never fetched. Reason: unknown-account. P{account[1:]}")
    shown = until("a status", lambda: world.shown(DB + "2"))
    ready = next(item for item in shown["conditions"] if item["type"] == "Ready")
    assert (shown["reason"], shown["message"]) == ("limit", limit)
    assert ready["message"].endswith(f"limit: {limit}")
    assert f"limit: {limit}" in world.lastgood("explain", "api-1").stdout
    assert account[1:] in world.lastgood("explain", "api-2").stdout


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
    version = world.version(DB)
    world.configure(policy=PRUNED)
    until("the refusal", lambda: world.shown(DB).get("reason") == "namespace-not-listed")
    assert world.events("controller.refused")[0]["reason"] == "namespace-not-listed"
    world.end(signal.SIGKILL)
    world.start()
    world.lastgood("refresh", f"file:{DB}")
    assert world.calls() == 0
    assert world.volume(DB)["value"] == b"one"
    world.lastgood("revoke", f"file:{DB}", version)
    assert world.volume(DB)["value"] == b""


@pytest.mark.parametrize(
    "change",
    [{"namespaces": "payments"}, {"extra": 1}, None],
    ids=["another type", "unknown member", "no spec"],
)
def test_p11_a_policy_that_can_not_be_read_leaves_the_last_good_one_in_force(
    world: World, change: Json | None
) -> None:
    """As one of a newer version of lastgood, whose schema takes it. New pods are served by the last
    good form, and the log says what is wrong.
    """
    world.start()
    world.server.take_anything(SECRET_POLICIES)
    world.server.patch(SECRET_POLICIES, "payments", {"spec": change})
    (said,) = until("the complaint", lambda: world.events("policies.kept_last_good"))
    assert (said["kind"], said["name"]) == ("SecretPolicy", "payments")
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.serves(DB, b"one")


def test_no_policy_no_fetch(world: World) -> None:
    """Where no admin has set anything up, pods and SecretSnapshots are told so."""
    for resource, name in ((SECRET_POLICIES, "payments"), (SECRET_ACCOUNTS, "files")):
        world.server.delete(resource, name)
    world.server.apply(make.namespace("payments", policy=None))
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.declare(DB)
    world.start()
    until("the Event", lambda: world.told("SecretNotSynced", "api-1"))
    until("a status", lambda: world.shown(DB))
    assert world.shown(DB)["reason"] == "no-policy"
    assert world.calls() == 0


def test_an_account_that_can_not_be_used_stops_no_other(world: World) -> None:
    """It is named in the log, with what to do; the rest is fetched."""
    role = "arn:aws:iam::123456789012:role/x"
    world.apply(
        "apiVersion: lastgood.dev/v1alpha1\nkind: SecretAccount\nmetadata: {name: aws}\n"
        f"spec: {{provider: aws, aws: {{regions: [eu-west-1], roleARN: '{role}',"
        " stsEndpoint: 'http://127.0.0.1:9'}, budget: {callsPerSecond: 1, burst: 2}}\n"
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
        "its role cannot be assumed (EndpointConnectionError)."
        " STS does not respond. The call is retried"
    )


def test_a_pod_that_ends_is_no_consumer(world: World) -> None:
    """Its snapshot stays."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    world.stand("api-1", {"phase": "Succeeded"})
    until("no consumer", lambda: world.shown(DB)["consumers"] == 0)
    assert world.volume(DB)["value"] == b"one"


def test_a_pod_whose_plan_can_not_be_read_is_named_and_passed_over(world: World) -> None:
    """The demand of others stays."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    gate = make.container(layout.GATE, args=["gate", "--plan", '{"v'])
    world.server.apply(make.pod("api-2", annotations={}, initContainers=[gate]))
    found = until("the complaint", lambda: world.events("controller.passed_over"))
    assert found[0]["what"] == "pod payments/api-2"
    assert world.shown(DB)["consumers"] == 1


def test_snapshot_names_are_those_of_the_contract(world: World) -> None:
    """Secret and ConfigMap are where a pod's projected volume names them. Kept versions are
    elsewhere.
    """
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")

    def names(resource: Resource) -> set[str]:
        return {item["metadata"]["name"] for item in world.server.items(resource, "payments")}

    until("the SecretSnapshot", lambda: names(SECRET_SNAPSHOTS))
    assert names(SECRETS) == names(SECRET_SNAPSHOTS) == {snapshot_of(DB)}
    assert names(CONFIG_MAPS) == {"lastgood-freshness"}
    assert "history.json" in world.record(DB)


AWS = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: aws}
spec:
  provider: aws
  aws: {regions: [eu-west-1, eu-west-2]}
  budget: {callsPerSecond: 1, burst: 3}
"""


def _status(world: World, name: str) -> Json:
    found = world.server.get(SECRET_SNAPSHOTS, name, "payments") or {}
    return dict(found.get("status") or {})


def test_a_stored_account_whose_burst_is_too_small_is_named(world: World) -> None:
    """As an older version let it be stored. Event, status and `explain` say which account it is,
    and the log says what is wrong with it. What is served of another account goes on.
    """
    policy = POLICY.replace(
        "  classes:", '    - {account: aws, allow: ["aws-sm:/prod/**"], class: steady}\n  classes:'
    )
    world.server.take_anything(SECRET_ACCOUNTS)
    world.configure(policy=policy)
    world.apply(AWS)
    world.secret(DB, b"ours")
    world.pod("api-1", DB)
    world.pod("api-2", DB, account="aws", provider="aws-sm")
    name = snapshot_name("aws", "controller", "aws-sm", DB)
    declared = declaration(
        "payments", account="aws", identity="controller", scheme="aws-sm", reference=DB
    )
    world.server.apply(declared)
    world.start()
    world.serves(DB, b"ours")
    why = (
        "SecretAccount aws cannot be read. An admin must correct it. The controller's log shows"
        " what is wrong"
    )
    (said,) = until("the Event", lambda: world.told("SecretNotSynced", "api-2"))
    assert said.endswith(f"never fetched. Reason: unreadable-policy. {why}")
    shown = until("a status", lambda: _status(world, name))
    assert (shown["reason"], shown["message"]) == ("unreadable-policy", why)
    assert why in world.lastgood("explain", "api-2").stdout
    assert "budget.burst must be at least 2 per region in aws.regions" in world.logs[-1].read_text()

"""Accounts and policies: the admin's alone, and not deleted while they are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import make
from tests.e2e.enforced import LABEL
from tests.e2e.test_policies_objects import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chart.rendering import Manifest
    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e
UNCHANGED: tuple[Manifest, ...] = ({"metadata": {"managedFields": [{}]}}, {})
"""Patches of a status that say nothing of it."""


def test_p5_nobody_else_writes_a_snapshots_status(guarded: Enforced) -> None:
    """A tenant declares and pins; what is served and how old it is says the controller."""
    folder = f"/apis/lastgood.dev/v1alpha1/namespaces/{guarded.team}/secretsnapshots"
    source = {"account": "aws-prod", "provider": "aws-sm", "reference": "/prod/payments/db"}
    body = {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretSnapshot",
        "metadata": {"name": "lg-forged"},
        "spec": {"source": source},
        "status": {"version": "forged"},
    }
    act = guarded.server.act
    made = act("alice", "POST", folder, body)
    assert made.status == 201, made.message
    assert "status" not in made.body
    path, forged = f"{folder}/lg-forged", {"status": {"version": "forged"}}
    assert act("alice", "PATCH", path, {"spec": {"pin": "v1"}}).status == 200
    assert act("alice", "PATCH", f"{path}/status", forged).status == 403
    for change in (forged, *UNCHANGED):
        refused(act(None, "PATCH", f"{path}/status", change))
    assert not act("alice", "PATCH", path, forged).body.get("status")
    answer = act(guarded.controller, "PATCH", f"{path}/status", forged)
    assert not answer.by_policy
    assert answer.status in {200, 422}, answer.message
    assert act("alice", "DELETE", path).status == 200


PLURALS = {"SecretAccount": "secretaccounts", "SecretPolicy": "secretpolicies"}
ACCOUNT = {
    "provider": "aws",
    "aws": {"regions": ["eu-west-1"]},
    "budget": {"callsPerSecond": 1, "burst": 2},
}


def _made(guarded: Enforced, body: Manifest) -> Iterator[str]:
    """The path of an object that an admin makes; in the end it is deleted."""
    act, plural = guarded.server.act, PLURALS[body["kind"]]
    folder = f"/apis/lastgood.dev/v1alpha1/{plural}"
    body["metadata"]["labels"] = {LABEL: guarded.suffix}
    answer = act(None, "POST", folder, body)
    assert answer.status == 201, answer.message
    path = f"{folder}/{body['metadata']['name']}"
    yield path
    act(None, "PATCH", path, {"metadata": {"annotations": {"lastgood.dev/delete-in-use": "yes"}}})
    act(None, "DELETE", path)


@pytest.fixture
def account(guarded: Enforced) -> Iterator[str]:
    """The path of a SecretAccount."""
    yield from _made(guarded, make.account(f"acc-{guarded.suffix}", **ACCOUNT))


@pytest.fixture(params=["account", "policy"])
def admins(guarded: Enforced, request: pytest.FixtureRequest) -> Iterator[str]:
    """The path of a SecretAccount, and of a SecretPolicy."""
    name = f"used-{guarded.suffix}"
    allowed = make.source("aws-prod", "aws-sm:/prod/{namespace}/*")
    whole = {"account": make.account(name), "policy": make.policy(allowed, name=name)}
    yield from _made(guarded, whole[request.param])


def _used(guarded: Enforced, path: str, *, used: bool) -> None:
    body = {"status": {"inUse": used}}
    answer = guarded.server.act(guarded.controller, "PATCH", f"{path}/status", body)
    assert answer.status == 200, answer.message


def test_what_is_in_use_is_not_deleted(guarded: Enforced, admins: str) -> None:
    """Neither by its name nor with its collection; what is not in use is, and at once."""
    act, (folder, _, name) = guarded.server.act, admins.rpartition("/")
    _used(guarded, admins, used=True)
    kind = act(None, "GET", admins).body["kind"].lower()
    mine = f"{folder}?labelSelector={LABEL}={guarded.suffix}"
    for path in (admins, mine):
        answer = act(None, "DELETE", path)
        refused(answer)
        assert "it is in use" in answer.message
        assert f"annotate {kind} {name} lastgood.dev/delete-in-use=yes" in answer.message
    found = act(None, "GET", admins)
    assert "deletionTimestamp" not in found.body["metadata"]
    _used(guarded, admins, used=False)
    assert act(None, "DELETE", mine).status == 200
    assert act(None, "GET", admins).status == 404


def test_what_is_in_use_is_deleted_by_one_who_means_it(guarded: Enforced, admins: str) -> None:
    """With the annotation that the refusal names."""
    act = guarded.server.act
    _used(guarded, admins, used=True)
    for text, status in (("no", 403), ("yes", 200)):
        change = {"metadata": {"annotations": {"lastgood.dev/delete-in-use": text}}}
        assert act(None, "PATCH", admins, change).status == 200
        assert act(None, "DELETE", admins).status == status


def test_nobody_else_says_what_is_in_use(guarded: Enforced, admins: str) -> None:
    """Not the cluster's admin either, nor by metadata alone."""
    for change in ({"status": {"inUse": True}}, *UNCHANGED):
        refused(guarded.server.act(None, "PATCH", f"{admins}/status", change))


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"budget": {"callsPerSecond": 1000}}},
        {"spec": {"aws": {"roleARN": "arn:aws:iam::123456789012:role/other"}}},
        {"metadata": {"finalizers": ["example.com/mine"]}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"annotations": {"a": "b"}}},
    ],
    ids=["budget", "role", "finalizer", "labels", "annotations"],
)
def test_p7_the_controller_grants_itself_nothing(
    guarded: Enforced, account: str, change: dict[str, Any]
) -> None:
    """By RBAC; and by the way that it has, the status, nothing else of an object changes."""
    act = guarded.server.act
    assert act(guarded.controller, "PATCH", account, change).status == 403
    before = act(None, "GET", account).body
    assert act(guarded.controller, "PATCH", f"{account}/status", change).status == 200
    after = act(None, "GET", account).body
    for item in (before, after):
        del item["metadata"]["managedFields"], item["metadata"]["resourceVersion"]
    assert after == before

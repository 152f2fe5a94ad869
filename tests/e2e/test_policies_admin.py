"""Accounts and policies: the admin's alone, and not deleted while they are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.enforced import LABEL
from tests.e2e.test_policies_objects import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e


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
    refused(act(None, "PATCH", f"{path}/status", forged))
    assert not act("alice", "PATCH", path, forged).body.get("status")
    answer = act(guarded.controller, "PATCH", f"{path}/status", forged)
    assert not answer.by_policy
    assert answer.status in {200, 422}, answer.message
    assert act("alice", "DELETE", path).status == 200


ACCOUNT = {
    "provider": "aws",
    "aws": {"regions": ["eu-west-1"]},
    "budget": {"callsPerSecond": 1, "burst": 1},
}


@pytest.fixture
def account(guarded: Enforced) -> Iterator[str]:
    """The path of a SecretAccount."""
    folder, name = "/apis/lastgood.dev/v1alpha1/secretaccounts", f"acc-{guarded.suffix}"
    body = {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretAccount",
        "metadata": {"name": name, "labels": {LABEL: guarded.suffix}},
        "spec": ACCOUNT,
    }
    answer = guarded.server.act(None, "POST", folder, body)
    assert answer.status == 201, answer.message
    yield f"{folder}/{name}"
    allowed = {"metadata": {"annotations": {"lastgood.dev/delete-in-use": "yes"}}}
    guarded.server.act(None, "PATCH", f"{folder}/{name}", allowed)
    guarded.server.act(None, "DELETE", f"{folder}/{name}")


def _used(guarded: Enforced, account: str, *, used: bool) -> None:
    body = {"status": {"inUse": used}}
    answer = guarded.server.act(guarded.controller, "PATCH", f"{account}/status", body)
    assert answer.status == 200, answer.message


def test_an_account_in_use_is_not_deleted(guarded: Enforced, account: str) -> None:
    """Neither by its name nor with its collection; what is not in use is, and at once."""
    act, folder = guarded.server.act, account.rpartition("/")[0]
    _used(guarded, account, used=True)
    mine = f"{folder}?labelSelector={LABEL}={guarded.suffix}"
    for path in (account, mine):
        answer = act(None, "DELETE", path)
        refused(answer)
        assert "it is in use" in answer.message
        assert "lastgood.dev/delete-in-use=yes" in answer.message
    found = act(None, "GET", account)
    assert "deletionTimestamp" not in found.body["metadata"]
    _used(guarded, account, used=False)
    assert act(None, "DELETE", mine).status == 200
    assert act(None, "GET", account).status == 404


def test_an_account_in_use_is_deleted_by_one_who_means_it(guarded: Enforced, account: str) -> None:
    """With the annotation that the refusal names."""
    act = guarded.server.act
    _used(guarded, account, used=True)
    for text, status in (("no", 403), ("yes", 200)):
        change = {"metadata": {"annotations": {"lastgood.dev/delete-in-use": text}}}
        assert act(None, "PATCH", account, change).status == 200
        assert act(None, "DELETE", account).status == status


def test_nobody_else_says_that_an_account_is_not_in_use(guarded: Enforced, account: str) -> None:
    """Not the cluster's admin either."""
    refused(guarded.server.act(None, "PATCH", f"{account}/status", {"status": {"inUse": True}}))


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

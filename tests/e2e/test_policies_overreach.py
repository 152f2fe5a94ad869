"""The policies hold also where somebody gave the controller and the webhook every right: they do
not rest on RBAC.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.enforced import LABEL, kubectl
from tests.e2e.opted_in import bare
from tests.e2e.test_policies_admin import ACCOUNT
from tests.e2e.test_policies_objects import refused, secret, secrets_of
from tests.e2e.test_policies_webhook import WEBHOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def overpowered(guarded: Enforced) -> Iterator[Enforced]:
    """Both service accounts are the cluster's admins."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"overpowered-{guarded.suffix}"},
        "roleRef": role,
        "subjects": [
            {"kind": "ServiceAccount", "name": f"lastgood-{name}", "namespace": guarded.system}
            for name in ("webhook", "controller")
        ],
    }
    _allowed_soon(guarded, body, allowed=True)
    yield guarded
    _allowed_soon(guarded, body, allowed=False)


def _allowed_soon(guarded: Enforced, binding: dict[str, Any], *, allowed: bool) -> None:
    verb = ("apply",) if allowed else ("delete",)
    kubectl(*verb, "-f", "-", given=binding)
    deadline = time.monotonic() + 20
    asked = {"verb": "delete", "resource": "nodes"}
    for user in (guarded.webhook, guarded.controller):
        while guarded.server.may(user, **asked) is not allowed:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.fixture
def pod(overpowered: Enforced) -> Iterator[str]:
    """The path of a pod that did not opt in."""
    act, folder = overpowered.server.act, f"/api/v1/namespaces/{overpowered.team}/pods"
    body = bare()
    del body["metadata"]["annotations"]
    answer = act(None, "POST", folder, body)
    assert answer.status == 201, answer.message
    path = f"{folder}/{answer.body['metadata']['name']}"
    yield path
    act(None, "DELETE", f"{path}?gracePeriodSeconds=0")


@pytest.mark.parametrize(
    ("method", "under", "body"),
    [
        ("DELETE", "", None),
        ("PATCH", "/status", {"status": {"phase": "Failed"}}),
        ("PATCH", "/ephemeralcontainers", {"spec": {"ephemeralContainers": []}}),
        ("POST", "/eviction", {"apiVersion": "policy/v1", "kind": "Eviction"}),
    ],
    ids=["delete", "status", "debug", "evict"],
)
def test_p13_the_controller_does_nothing_else_to_a_pod(
    overpowered: Enforced, pod: str, method: str, under: str, body: dict[str, Any] | None
) -> None:
    """No pod is ended, entered or judged."""
    if body is not None and under == "/eviction":
        body = {**body, "metadata": {"name": pod.rsplit("/", 1)[1]}}
    refused(overpowered.server.act(overpowered.controller, method, pod + under, body))


def test_p13_the_controller_makes_no_pod(overpowered: Enforced) -> None:
    """A pod of its own could mount any Secret."""
    folder = f"/api/v1/namespaces/{overpowered.team}/pods"
    body = bare()
    del body["metadata"]["annotations"]
    refused(overpowered.server.act(overpowered.controller, "POST", folder, body))


def _configuration(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [],
    }


def test_p13_the_webhook_touches_no_other_configuration(overpowered: Enforced) -> None:
    """None is made, changed or deleted by it, not even its own deleted."""
    act, user = overpowered.server.act, overpowered.webhook
    other = f"other-{overpowered.suffix}"
    for name in (other, overpowered.configuration):
        refused(act(user, "POST", WEBHOOKS, _configuration(name)))
        assert act(None, "POST", WEBHOOKS, _configuration(name)).status == 201
        try:
            refused(act(user, "DELETE", f"{WEBHOOKS}/{name}"))
            change = {"metadata": {"annotations": {"a": "b"}}}
            refused(act(user, "PATCH", f"{WEBHOOKS}/{name}", change))
        finally:
            act(None, "DELETE", f"{WEBHOOKS}/{name}")


def test_p13_the_webhook_reaches_no_other_secret(overpowered: Enforced) -> None:
    """Neither by an empty patch nor by a dry-run delete, in its own namespace or a team's."""
    act = overpowered.server.act
    for namespace in (overpowered.system, overpowered.team):
        path = secrets_of(namespace, "theirs")
        assert act(None, "POST", secrets_of(namespace), secret("theirs", "Opaque")).status == 201
        try:
            refused(act(overpowered.webhook, "PATCH", path, {}))
            refused(act(overpowered.webhook, "DELETE", path, dry=True))
        finally:
            act(None, "DELETE", path)


def test_p7_the_controller_changes_no_account(overpowered: Enforced) -> None:
    """Nor makes one, or deletes one that is not in use."""
    act, user = overpowered.server.act, overpowered.controller
    folder, name = "/apis/lastgood.dev/v1alpha1/secretaccounts", f"over-{overpowered.suffix}"
    metadata = {"name": name, "labels": {LABEL: overpowered.suffix}}
    body = {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretAccount",
        "metadata": metadata,
        "spec": ACCOUNT,
    }
    refused(act(user, "POST", folder, body))
    assert act(None, "POST", folder, body).status == 201
    try:
        refused(act(user, "PATCH", f"{folder}/{name}", {"spec": {"budget": {"burst": 9}}}))
        refused(act(user, "DELETE", f"{folder}/{name}"))
    finally:
        act(None, "DELETE", f"{folder}/{name}")

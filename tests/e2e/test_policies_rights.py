"""Who may do what: RBAC by SubjectAccessReview, and with a real token."""

from __future__ import annotations

import json
import ssl
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e import enforced
from tests.e2e.enforced import kubectl
from tests.e2e.test_policies_objects import refused, secret, secrets_of

if TYPE_CHECKING:
    from tests.e2e.enforced import Answer, Enforced

pytestmark = pytest.mark.e2e

MINE, TEAM, OTHER, CLUSTER = "the release's", "a team's", "kube-system", "the cluster"
"""Where a right is asked for."""

CORE, OURS = "", "lastgood.dev"
EXTERNAL = "external-secrets.io"
REGISTRATION, LEASES = "admissionregistration.k8s.io", "coordination.k8s.io"

WEBHOOK_MAY = [
    ("list watch", OURS, "secretaccounts secretpolicies", "", CLUSTER),
    ("list watch", CORE, "namespaces", "", CLUSTER),
    (
        "get list watch patch",
        REGISTRATION,
        "mutatingwebhookconfigurations",
        "lastgood-webhook",
        CLUSTER,
    ),
    ("create", CORE, "secrets", "", MINE),
    ("get list watch patch", CORE, "secrets", "lastgood-webhook-ca", MINE),
]
WEBHOOK_MAY_NOT = [
    ("get list watch create update patch delete", CORE, "secrets", "", TEAM),
    ("get list watch update delete deletecollection", CORE, "secrets", "", MINE),
    ("get list watch create update patch delete", CORE, "secrets", "", OTHER),
    ("get list watch create update patch delete", CORE, "configmaps pods nodes", "", CLUSTER),
    ("create update patch delete", OURS, "secretaccounts secretpolicies", "", CLUSTER),
    ("get list create update patch delete", OURS, "secretsnapshots", "", CLUSTER),
    ("create update delete", REGISTRATION, "mutatingwebhookconfigurations", "", CLUSTER),
    ("get patch", REGISTRATION, "mutatingwebhookconfigurations", "another", CLUSTER),
    ("get patch", REGISTRATION, "validatingwebhookconfigurations", "", CLUSTER),
    ("get patch delete", REGISTRATION, "validatingadmissionpolicies", "", CLUSTER),
]
CONTROLLER_MAY = [
    ("list watch", OURS, "secretaccounts secretpolicies", "", CLUSTER),
    ("patch", OURS, "secretaccounts/status secretpolicies/status", "", CLUSTER),
    ("list watch create delete", OURS, "secretsnapshots", "", CLUSTER),
    ("patch", OURS, "secretsnapshots/status", "", CLUSTER),
    ("get list watch", CORE, "namespaces", "", CLUSTER),
    ("list watch patch", CORE, "pods", "", CLUSTER),
    ("list watch", EXTERNAL, "externalsecrets", "", CLUSTER),
    ("create update delete", CORE, "secrets", "", CLUSTER),
    ("get list", CORE, "secrets", "", MINE),
    ("create", CORE, "configmaps", "", CLUSTER),
    ("create", "events.k8s.io", "events", "", CLUSTER),
    ("get patch", CORE, "configmaps", "lastgood-freshness", CLUSTER),
    ("create", LEASES, "leases", "", MINE),
    ("get patch", LEASES, "leases", "lastgood-controller", MINE),
]
CONTROLLER_MAY_NOT = [
    ("get create update patch delete", EXTERNAL, "externalsecrets", "", CLUSTER),
    ("get list watch", EXTERNAL, "secretstores clustersecretstores", "", CLUSTER),
    ("get list watch patch deletecollection", CORE, "secrets", "", CLUSTER),
    ("get list watch patch deletecollection", CORE, "secrets", "", OTHER),
    ("watch patch deletecollection", CORE, "secrets", "", MINE),
    ("get patch delete", CORE, "configmaps", "another", CLUSTER),
    ("list watch update delete deletecollection", CORE, "configmaps", "", CLUSTER),
    ("get create update delete deletecollection", CORE, "pods", "", CLUSTER),
    ("create get", CORE, "pods/exec pods/attach pods/portforward", "", CLUSTER),
    ("create", CORE, "pods/eviction pods/binding serviceaccounts/token", "", CLUSTER),
    ("update patch", CORE, "pods/status pods/ephemeralcontainers pods/resize", "", CLUSTER),
    ("get", CORE, "pods/log", "", CLUSTER),
    ("get list create patch", CORE, "nodes serviceaccounts", "", CLUSTER),
    ("create update patch delete", CORE, "namespaces", "", CLUSTER),
    ("create update patch delete", OURS, "secretaccounts secretpolicies", "", CLUSTER),
    ("create patch", REGISTRATION, "validatingadmissionpolicies", "", CLUSTER),
    ("get patch", REGISTRATION, "mutatingwebhookconfigurations", "", CLUSTER),
    ("create", "rbac.authorization.k8s.io", "rolebindings clusterrolebindings", "", CLUSTER),
    ("get create", LEASES, "leases", "", OTHER),
    ("impersonate", CORE, "users groups serviceaccounts", "", CLUSTER),
]

Row = tuple[str, str, str, str, str]


def _rows(found: list[Row]) -> list[Any]:
    return [pytest.param(row, id=f"{row[0]} {row[2]} {row[3]} in {row[4]}") for row in found]


def _answers(place: Enforced, user: str, row: Row) -> dict[str, bool]:
    """What may be done, by verb and resource."""
    verbs, group, resources, name, where = row
    name = place.configuration if name == "lastgood-webhook" else name
    namespace = {MINE: place.system, TEAM: place.team, OTHER: "kube-system", CLUSTER: ""}[where]
    found = {}
    for verb in verbs.split():
        for resource in resources.split():
            plural, _, sub = resource.partition("/")
            asked = {"verb": verb, "group": group, "resource": plural, "subresource": sub}
            asked |= {"name": name, "namespace": namespace}
            found[f"{verb} {resource}"] = place.server.may(user, **asked)
    return found


@pytest.mark.parametrize("row", _rows(WEBHOOK_MAY))
def test_the_webhook_may(guarded: Enforced, row: Row) -> None:
    """All that it needs."""
    assert all(_answers(guarded, guarded.webhook, row).values())


@pytest.mark.parametrize("row", _rows(WEBHOOK_MAY_NOT))
def test_p13_the_webhook_may_not(guarded: Enforced, row: Row) -> None:
    """And nothing more: no Secret but its own CA's, and no policy."""
    found = _answers(guarded, guarded.webhook, row)
    assert not [asked for asked, allowed in found.items() if allowed]


@pytest.mark.parametrize("row", _rows(CONTROLLER_MAY))
def test_the_controller_may(guarded: Enforced, row: Row) -> None:
    """All that it needs."""
    assert all(_answers(guarded, guarded.controller, row).values())


@pytest.mark.parametrize("row", _rows(CONTROLLER_MAY_NOT))
def test_p13_the_controller_may_not(guarded: Enforced, row: Row) -> None:
    """And nothing more: of Secrets it reads its own namespace's, it asks for no token, and it only
    annotates pods.
    """
    found = _answers(guarded, guarded.controller, row)
    assert not [asked for asked, allowed in found.items() if allowed]


def test_a_namespaces_admin_may_not_write_status(guarded: Enforced) -> None:
    """What a tenant's role gives is the snapshot's spec."""
    row = ("update patch", OURS, "secretsnapshots/status", "", TEAM)
    found = _answers(guarded, "alice", row)
    assert not [asked for asked, allowed in found.items() if allowed]


def test_p13_a_real_token_is_held_to_the_same(guarded: Enforced) -> None:
    """Not only an impersonated name: the controller's token, from TokenRequest, at the server."""
    path = secrets_of(guarded.team)
    body = secret("token-target", "Opaque")
    assert guarded.server.act("alice", "POST", path, body).status == 201
    with _as_account(guarded, "lastgood-controller") as client:
        target = f"{path}/token-target"
        kind = {"Content-Type": "application/merge-patch+json"}
        for answer in (
            client.put(target, json={**body, "type": "lastgood.dev/snapshot"}),
            client.delete(target, params={"dryRun": "All"}),
        ):
            refused(_told(answer))
        assert client.patch(target, json={}, headers=kind).status_code == 403
        assert client.get(target).status_code == 403
        assert client.post(path, json=secret("lg-by-token"), params={"dryRun": "All"}).is_success


def _told(answer: httpx.Response) -> Answer:
    return enforced.Answer(answer.status_code, answer.json())


def _as_account(place: Enforced, name: str) -> httpx.Client:
    """A client of the API server itself, by a token alone."""
    token = kubectl("create", "token", name, "-n", place.system).strip()
    shown = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    cluster = shown["clusters"][0]["cluster"]
    authority = b64decode(cluster["certificate-authority-data"]).decode()
    return httpx.Client(
        base_url=cluster["server"],
        verify=ssl.create_default_context(cadata=authority),
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )

"""Who may do what: RBAC by SubjectAccessReview, the webhook's own configuration, status, and that
Kubernetes itself can still delete.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.chart.rendering import of_kind, render
from tests.e2e import enforced
from tests.e2e.enforced import as_list, kubectl
from tests.e2e.test_policies_objects import refused, secret, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.enforced import Answer, Enforced

pytestmark = pytest.mark.e2e

MINE, TEAM, OTHER, CLUSTER = "the release's", "a team's", "kube-system", "the cluster"
"""Where a right is asked for."""

CORE, OURS = "", "lastgood.dev"
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
    ("list watch patch", OURS, "secretaccounts secretpolicies", "", CLUSTER),
    ("list watch create delete", OURS, "secretsnapshots", "", CLUSTER),
    ("patch", OURS, "secretsnapshots/status", "", CLUSTER),
    ("get list watch", CORE, "namespaces", "", CLUSTER),
    ("list watch patch", CORE, "pods", "", CLUSTER),
    ("create patch delete", CORE, "secrets", "", CLUSTER),
    ("create", CORE, "configmaps", "", CLUSTER),
    ("create", "events.k8s.io", "events", "", CLUSTER),
    ("get patch", CORE, "configmaps", "lastgood-freshness", CLUSTER),
    ("create", LEASES, "leases", "", MINE),
    ("get patch", LEASES, "leases", "lastgood-controller", MINE),
]
CONTROLLER_MAY_NOT = [
    ("get list watch update deletecollection", CORE, "secrets", "", CLUSTER),
    ("get list watch update deletecollection", CORE, "secrets", "", MINE),
    ("get patch delete", CORE, "configmaps", "another", CLUSTER),
    ("list watch update delete deletecollection", CORE, "configmaps", "", CLUSTER),
    ("get create update delete deletecollection", CORE, "pods", "", CLUSTER),
    ("create get", CORE, "pods/exec pods/attach pods/portforward", "", CLUSTER),
    ("create", CORE, "pods/eviction pods/binding serviceaccounts/token", "", CLUSTER),
    ("update patch", CORE, "pods/status pods/ephemeralcontainers pods/resize", "", CLUSTER),
    ("get", CORE, "pods/log", "", CLUSTER),
    ("get list create patch", CORE, "nodes serviceaccounts", "", CLUSTER),
    ("create update patch delete", CORE, "namespaces", "", CLUSTER),
    ("create update delete", OURS, "secretaccounts secretpolicies", "", CLUSTER),
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
    """And nothing more: no Secret is read, no token asked for, no pod but annotated."""
    found = _answers(guarded, guarded.controller, row)
    assert not [asked for asked, allowed in found.items() if allowed]


def test_a_namespaces_admin_may_not_write_status(guarded: Enforced) -> None:
    """What a tenant's role gives is the snapshot's spec."""
    row = ("update patch", OURS, "secretsnapshots/status", "", TEAM)
    found = _answers(guarded, "alice", row)
    assert not [asked for asked, allowed in found.items() if allowed]


@pytest.fixture(scope="module")
def definitions(guarded: Enforced) -> None:
    """The chart's CustomResourceDefinitions, where the cluster has none."""
    path = "/apis/lastgood.dev/v1alpha1/secretsnapshots"
    if guarded.server.act(None, "GET", path).status == 200:
        return
    kubectl("apply", "-f", "-", given=as_list(of_kind(render(), "CustomResourceDefinition")))
    _until(lambda: guarded.server.act(None, "GET", path).status == 200, 20)


def _until(true: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.mark.usefixtures("definitions")
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
def account(guarded: Enforced, definitions: None) -> Iterator[str]:
    """The path of a SecretAccount."""
    del definitions
    folder, name = "/apis/lastgood.dev/v1alpha1/secretaccounts", f"acc-{guarded.suffix}"
    body = {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretAccount",
        "metadata": {"name": name, "finalizers": ["example.com/theirs"]},
        "spec": ACCOUNT,
    }
    answer = guarded.server.act(None, "POST", folder, body)
    assert answer.status == 201, answer.message
    yield f"{folder}/{name}"
    free = {"metadata": {"finalizers": None}}
    guarded.server.act(None, "PATCH", f"{folder}/{name}", free)
    guarded.server.act(None, "DELETE", f"{folder}/{name}")


def test_the_controller_holds_an_account_in_use(guarded: Enforced, account: str) -> None:
    """By a finalizer of its own, which it takes off again."""
    for finalizers in (["example.com/theirs", "lastgood.dev/in-use"], ["example.com/theirs"]):
        change = {"metadata": {"finalizers": finalizers}}
        answer = guarded.server.act(guarded.controller, "PATCH", account, change)
        assert answer.status == 200, answer.message


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"budget": {"callsPerSecond": 1000}}},
        {"spec": {"aws": {"roleARN": "arn:aws:iam::123456789012:role/other"}}},
        {"metadata": {"finalizers": []}},
        {"metadata": {"finalizers": ["example.com/theirs", "example.com/mine"]}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"annotations": {"a": "b"}}},
    ],
    ids=["budget", "role", "another's finalizer", "a foreign finalizer", "labels", "annotations"],
)
def test_p7_the_controller_grants_itself_nothing(
    guarded: Enforced, account: str, change: dict[str, Any]
) -> None:
    """Accounts and policies are the admin's."""
    refused(guarded.server.act(guarded.controller, "PATCH", account, change))


WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@pytest.fixture
def configuration(guarded: Enforced) -> Iterator[str]:
    """A configuration with the name of the webhook's own, which matches nothing."""
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": guarded.configuration},
        "webhooks": [
            {
                "name": "pods.lastgood.dev",
                "clientConfig": {"service": {"name": "a", "namespace": guarded.system}},
                "rules": [
                    {
                        "apiGroups": ["nothing.example"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["nothings"],
                    }
                ],
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    answer = guarded.server.act(None, "POST", WEBHOOKS, body)
    assert answer.status == 201, answer.message
    path = f"{WEBHOOKS}/{guarded.configuration}"
    yield path
    guarded.server.act(None, "DELETE", path)


def _replace(path: str, value: object) -> list[dict[str, object]]:
    return [{"op": "add", "path": path, "value": value}]


CA = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K"
FIRST = "/webhooks/0"
JSON_PATCH = "application/json-patch+json"


@pytest.mark.parametrize(
    "change",
    [
        _replace(f"{FIRST}/rules/0/resources/0", "secrets"),
        _replace(f"{FIRST}/failurePolicy", "Fail"),
        _replace(f"{FIRST}/namespaceSelector", {"matchLabels": {"a": "b"}}),
        _replace(f"{FIRST}/matchConditions", [{"name": "a", "expression": "true"}]),
        _replace(f"{FIRST}/timeoutSeconds", 30),
        _replace(f"{FIRST}/clientConfig/service/name", "other"),
        _replace(f"{FIRST}/reinvocationPolicy", "IfNeeded"),
        _replace("/metadata/finalizers", ["example.com/keep"]),
        _replace("/metadata/labels", {"a": "b"}),
        [{"op": "remove", "path": FIRST}],
    ],
    ids=lambda change: change[0]["path"].rsplit("/", 1)[-1],
)
def test_p13_the_webhook_changes_no_rule_of_its_own(
    guarded: Enforced, configuration: str, change: list[dict[str, object]]
) -> None:
    """A webhook that chose its own rules could look at every Secret that is written."""
    answer = guarded.server.act(guarded.webhook, "PATCH", configuration, change, kind=JSON_PATCH)
    assert answer.by_policy, (answer.status, answer.body)
    assert "caBundle only" in answer.message


def test_the_webhook_publishes_its_ca(guarded: Enforced, configuration: str) -> None:
    """The one field that is its own."""
    certificate = _certificate()
    change = _replace(f"{FIRST}/clientConfig/caBundle", certificate)
    answer = guarded.server.act(guarded.webhook, "PATCH", configuration, change, kind=JSON_PATCH)
    assert answer.status == 200, answer.message
    assert answer.body["webhooks"][0]["clientConfig"]["caBundle"] == certificate


def _certificate() -> str:
    """Any certificate, as caBundle has it: the cluster's own."""
    shown = kubectl("get", "-n", "kube-system", "configmap/kube-root-ca.crt", "-o", "json")
    return b64encode(json.loads(shown)["data"]["ca.crt"].encode()).decode()


@pytest.mark.parametrize(
    "body",
    [
        secret("another", "Opaque"),
        secret("lastgood-webhook-ca", "lastgood.dev/snapshot"),
        secret(
            "lastgood-webhook-ca",
            "kubernetes.io/service-account-token",
            annotations={"kubernetes.io/service-account.name": "lastgood-controller"},
        ),
    ],
    ids=["another name", "a snapshot", "the controller's token"],
)
def test_p13_the_webhook_writes_one_secret(guarded: Enforced, body: dict[str, Any]) -> None:
    """Its CA's, so that it can't have a token of the controller's made for it."""
    path = secrets_of(guarded.system)
    refused(guarded.server.act(guarded.webhook, "POST", path, body))
    own = secret("lastgood-webhook-ca", "Opaque")
    assert guarded.server.act(guarded.webhook, "POST", path, own, dry=True).status == 201


def test_p13_a_real_token_is_held_to_the_same(guarded: Enforced) -> None:
    """Not only an impersonated name: the controller's token, from TokenRequest, at the server."""
    path = secrets_of(guarded.team)
    body = secret("token-target", "Opaque")
    assert guarded.server.act("alice", "POST", path, body).status == 201
    with _as_account(guarded, "lastgood-controller") as client:
        target = f"{path}/token-target"
        kind = {"Content-Type": "application/merge-patch+json"}
        for answer in (
            client.patch(target, json={}, headers=kind),
            client.delete(target, params={"dryRun": "All"}),
        ):
            refused(_told(answer))
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


@pytest.mark.timeout(110)
def test_p11_a_namespace_with_snapshots_can_be_deleted(guarded: Enforced) -> None:
    """The namespace controller deletes what nobody else may."""
    name = f"lg-gone-{guarded.suffix}"
    (place,) = enforced.namespaces(guarded.suffix, name)
    kubectl("apply", "-f", "-", given=place)
    act = guarded.server.act
    assert act(guarded.controller, "POST", secrets_of(name), secret("lg-a")).status == 201
    ages = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lastgood-freshness"}}
    folder = f"/api/v1/namespaces/{name}/configmaps"
    assert act(guarded.controller, "POST", folder, ages).status == 201
    refused(act(None, "DELETE", secrets_of(name, "lg-a")))
    subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], check=True)
    _until(lambda: act(None, "GET", f"/api/v1/namespaces/{name}").status == 404, 100)


@pytest.mark.parametrize("resource", ["secrets", "configmaps", "pods"])
def test_p10_a_collection_without_ours_can_be_deleted(guarded: Enforced, resource: str) -> None:
    """The API server asks about the collection first, with no object at hand."""
    path = f"/api/v1/namespaces/{guarded.team}/{resource}?labelSelector=nobody=has"
    for user in ("alice", None):
        answer = guarded.server.act(user, "DELETE", path)
        assert answer.status == 200, answer.message


def test_p13_the_collection_is_guarded_too(guarded: Enforced) -> None:
    """Deleting all Secrets of a namespace takes no snapshot."""
    path = secrets_of(guarded.team)
    body = secret("lg-swept")
    assert guarded.server.act(guarded.controller, "POST", path, body).status == 201
    refused(guarded.server.act("alice", "DELETE", path))
    assert guarded.server.act(guarded.controller, "PATCH", f"{path}/lg-swept", {}).status == 200
    assert guarded.server.act(guarded.controller, "DELETE", f"{path}/lg-swept").status == 200

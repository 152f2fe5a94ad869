"""What the webhook may not do, also with its rights."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.enforced import kubectl
from tests.e2e.test_policies_objects import refused, secret, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e

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
        [{"op": "add", "path": "/metadata/generateName", "value": "evil-"}],
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

"""Where an API server on this machine calls a webhook by URL: namespaces, account, policy, and the
configuration.

Names that are the cluster's get a suffix, and only the test's namespaces are looked at.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.annotations import POLICY_LABEL
from tests import make
from tests.e2e.enforced import LABEL, as_list, kubectl
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Answer, Server
    from tests.e2e.replica import Webhook

Json = dict[str, Any]
INSTALLED = "https://lastgood-webhook."
"""How the API server names the webhook of an installed chart that it could not reach."""
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test is."""

    server: Server
    suffix: str
    system: str
    """Namespace of the CA's Secret."""
    team: str
    """Namespace whose label names `policy`."""

    @property
    def configuration(self) -> str:
        """Sorts before that of an installed chart, so that it is asked first."""
        return f"aa-lastgood-{self.suffix}"

    @property
    def policy(self) -> str:
        """Also the account's name."""
        return f"team-{self.suffix}"

    def pod(self, **annotations: str) -> Json:
        """A pod with these `lastgood.dev/` annotations; `secret_db` gives `secret.db`."""
        found = {
            f"lastgood.dev/{key.replace('_', '.', 1)}": text for key, text in annotations.items()
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": "web-", "annotations": found},
            "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]},
        }

    def opted_in(self, **annotations: str) -> Json:
        """One that asks for what the policy allows."""
        return self.pod(secret_db=f"aws-sm:/prod/{self.team}/db#password", **annotations)

    def create(self, pod: Json) -> Answer:
        """As the API server answers a dry run. What the webhook of an installed chart fails is not
        ours: another test may be installing it just now.
        """
        path = f"/api/v1/namespaces/{self.team}/pods"
        deadline = time.monotonic() + 60
        while True:
            answer = self.server.act(None, "POST", path, pod, dry=True)
            if INSTALLED not in answer.message or time.monotonic() > deadline:
                return answer
            time.sleep(0.2)


@contextlib.contextmanager
def place(server: Server, suffix: str | None = None) -> Iterator[Place]:
    """Two namespaces, an account and a policy. With the suffix of `Enforced` the chart's policies
    hold there too.
    """
    suffix = suffix or secrets.token_hex(4)
    found = Place(server, suffix, f"lg-wh-system-{suffix}", f"lg-wh-team-{suffix}")
    crds = REPOSITORY / "charts/lastgood/crds"
    kubectl("apply", "-f", str(crds))
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(crds))
    things = as_list([*_namespaces(found), *admins(found)])
    try:
        kubectl("apply", "-f", "-", given=things)
        yield found
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", given=things)


def _namespaces(found: Place) -> list[Json]:
    labels = {LABEL: found.suffix}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.system}},
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": found.team, "labels": {**labels, POLICY_LABEL: found.policy}},
        },
    ]


def admins(found: Place, *, allow_env_value: bool = False, max_age: str = "24h") -> list[Json]:
    """The account and the policy."""
    allowed = make.source(found.policy, "aws-sm:/prod/{namespace}/*")
    policy = make.policy(
        allowed,
        name=found.policy,
        namespaces=[found.team],
        classes={"steady": {**make.STEADY, "maxAge": max_age}},
        allowEnvValue=allow_env_value,
    )
    return [make.account(found.policy), policy]


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def configuration(found: Place, port: int) -> Json:
    """What has the API server call this port; without a caBundle, as the chart's."""
    return _configuration(found.configuration, entry(found, port))


def _configuration(name: str, webhook: Json) -> Json:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


@contextlib.contextmanager
def called(found: Place, port: int) -> Iterator[None]:
    """The API server calls this port."""
    with called_as(found.configuration, entry(found, port)):
        yield


@contextlib.contextmanager
def called_as(name: str, webhook: Json) -> Iterator[None]:
    """A MutatingWebhookConfiguration of one webhook, applied."""
    try:
        kubectl("apply", "-f", "-", given=_configuration(name, webhook))
        yield
    finally:
        kubectl("delete", "--ignore-not-found", MWC, name)


MWC = "mutatingwebhookconfiguration"


def entry(found: Place, port: int, name: str = "pods.lastgood.dev") -> Json:
    """One webhook, as the chart's."""
    condition = (
        "object.metadata.?annotations.orValue({}).exists(key, key.startsWith('lastgood.dev/') &&"
        " !(key in ['lastgood.dev/injected', 'lastgood.dev/sync-requested', 'lastgood.dev/plan']))"
    )
    return {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": f"https://127.0.0.1:{port}/mutate"},
        "failurePolicy": "Fail",
        "matchConditions": [{"name": "asks", "expression": condition}],
        "namespaceSelector": {"matchLabels": {LABEL: found.suffix}},
        "reinvocationPolicy": "IfNeeded",
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
                "scope": "Namespaced",
            }
        ],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }


def admitted(place: Place, replica: Webhook) -> None:
    """Wait until the API server has followed the configuration, and calls this replica."""

    def asked() -> bool:
        answer = place.create(place.opted_in())
        return answer.status == 201 and bool(replica.events("admission.decided"))

    until("the API server to call the webhook", asked)


def path(place: Place) -> str:
    """Of the configuration."""
    return f"{WEBHOOKS}/{place.configuration}"


def bundle(place: Place) -> str | None:
    """The caBundle as it is now, base64."""
    found = place.server.act(None, "GET", path(place))
    text: str | None = found.body["webhooks"][0]["clientConfig"].get("caBundle")
    return text


def wipe(place: Place) -> None:
    """Somebody takes the caBundle away."""
    change = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
    kind = "application/json-patch+json"
    assert place.server.act(None, "PATCH", path(place), change, kind=kind).status == 200

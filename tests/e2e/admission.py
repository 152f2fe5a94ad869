"""The webhook as a process of this machine, and an API server that calls it by URL.

Names that are the cluster's get a suffix, and only the test's namespaces are looked at.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from contract.annotations import POLICY_LABEL
from tests.e2e.enforced import LABEL, as_list, kubectl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.enforced import Answer, Server

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
IMAGE = "registry.example/lastgood@sha256:" + "0" * 64
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
        return f"lastgood-webhook-{self.suffix}"

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
        """As the API server answers a dry run."""
        path = f"/api/v1/namespaces/{self.team}/pods"
        return self.server.act(None, "POST", path, pod, dry=True)


@contextlib.contextmanager
def place(server: Server) -> Iterator[Place]:
    """Two namespaces, an account and a policy."""
    suffix = secrets.token_hex(4)
    found = Place(server, suffix, f"lg-wh-system-{suffix}", f"lg-wh-team-{suffix}")
    crds = ROOT / "charts/lastgood/templates/crds"
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
    account = {
        "provider": "aws",
        "aws": {"regions": ["eu-west-1"]},
        "budget": {"callsPerSecond": 20, "burst": 40},
    }
    steady = {"refreshInterval": "15m", "freshnessBudget": "1h", "maxAge": max_age}
    allow = ["aws-sm:/prod/{namespace}/*"]
    policy = {
        "namespaces": [found.team],
        "sources": [{"account": found.policy, "allow": allow, "class": "steady"}],
        "classes": {"steady": steady},
        "allowEnvValue": allow_env_value,
    }
    return [
        _admins("SecretAccount", found, account),
        _admins("SecretPolicy", found, policy),
    ]


def _admins(kind: str, found: Place, spec: Json) -> Json:
    metadata = {"name": found.policy}
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
    }


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def called(found: Place, *ports: int) -> Iterator[None]:
    """A MutatingWebhookConfiguration that calls these ports, without a caBundle, as the chart's."""
    whole = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": found.configuration},
        "webhooks": [entry(found, port) for port in ports],
    }
    try:
        kubectl("create", "-f", "-", given=whole)
        yield
    finally:
        kubectl("delete", "--ignore-not-found", MWC, found.configuration)


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


@dataclass(slots=True)
class Webhook:
    """One replica."""

    process: subprocess.Popen[bytes]
    port: int
    lines: list[Json] = field(default_factory=list)

    def follow(self) -> None:
        """Keep its log."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self, name: str) -> list[Json]:
        """The log lines of one event."""
        return [line for line in list(self.lines) if line["event"] == name]

    def get(self, path: str) -> httpx.Response:
        """As a probe does, which verifies no certificate."""
        return httpx.get(f"https://127.0.0.1:{self.port}{path}", verify=False, timeout=5)  # noqa: S501 - likewise

    def ready(self) -> bool:
        """Whether its readiness probe holds."""
        with contextlib.suppress(httpx.HTTPError):
            return self.get("/readyz").status_code == 200
        return False


@contextlib.contextmanager
def webhook(found: Place, port: int, **settings: str) -> Iterator[Webhook]:
    """A replica with the cluster's policies and our own CA."""
    given = {
        "LISTEN": f"127.0.0.1:{port}",
        "AGENT_IMAGE": IMAGE,
        "KUBECONFIG": os.environ["KUBECONFIG"],
        "NAMESPACE": found.system,
        "CONFIGURATION": found.configuration,
        "NAMES": "127.0.0.1",
        "DRAIN_S": "0",
        **settings,
    }
    environment = {f"LASTGOOD_WEBHOOK_{name}": text for name, text in given.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "webhook"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    replica = Webhook(process, port)
    following = threading.Thread(target=replica.follow, daemon=True)
    following.start()
    try:
        yield replica
    finally:
        process.kill()
        process.wait()
        following.join(5)
        if process.stdout is not None:
            process.stdout.close()


def until(true: Callable[[], object], *, within_s: float = 30.0) -> None:
    """Wait for what has no event."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)

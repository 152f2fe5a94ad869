"""A healthy installation on the stand-in API server, to be broken, and the command to check it."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import yaml

from apiserver import install
from apiserver.install import INSTALLED, SERVICE
from apiserver.running import running
from apiserver.server import ADMIN
from certs import dev_ca
from cli.arguments import parser
from cli.check import check
from cli.checks.enforcement import OBJECTS, PODS, POLICIES, refusal
from cli.policy_verbs import policy
from cli.settings import Settings
from cli.terminal import Terminal
from contract import layout
from contract.annotations import INJECTED, SECRET
from contract.version import VERSION
from controller.times import rfc3339
from kube import api_resources as kinds
from tests import make
from tests.make.standin import SYSTEM, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from apiserver.authorization import User
    from kube.api_resources import Resource

Json = dict[str, Any]
NOW = dt.datetime(2026, 11, 26, 12, 0, tzinfo=dt.UTC).timestamp()
SETTINGS = Settings(image=None, kubeconfigs=())
LABELS = {"app.kubernetes.io/name": "lastgood", "app.kubernetes.io/version": VERSION}
SNAPSHOT = "/prod/payments/db"


class _Handler(BaseHTTPRequestHandler):
    """The webhook's denial of a pod without a policy, and what the API server says when one of the
    chart's policies refuses, which the stand-in does not evaluate.
    """

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(content)["request"]
        message = _denial(self.path.partition("?")[0], request["object"])
        response: Json = {"uid": request["uid"], "allowed": message is None}
        if message is not None:
            response["status"] = {"code": 403, "message": message}
        answer = json.dumps({"response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _denial(path: str, content: Json) -> str | None:
    notes = content["metadata"].get("annotations") or {}
    asks = any(key.startswith(SECRET) for key in notes)
    if path == "/mutate":
        return "namespace default has no label lastgood.dev/policy" if asks else None
    if content.get("type") == "lastgood.dev/snapshot":
        return f"{refusal(OBJECTS)} with binding '{OBJECTS}' denied request: no"
    containers = (content.get("spec") or {}).get("containers") or ()
    forged = any(it["name"] == layout.GATE for it in containers)
    if (forged or asks) and INJECTED not in notes:
        return f"{refusal(PODS)} with binding '{PODS}' denied request: no"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What answers for webhook and policies."""

    address: str
    ca: str
    """Its CA in base64."""


@contextmanager
def hook(folder: Path) -> Iterator[Hook]:
    """Until the block ends."""
    names = ["127.0.0.1", f"{SERVICE[1]}.{SERVICE[0]}.svc"]
    dev_ca.write_pair(folder, names, dt.datetime.now(dt.UTC))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / dev_ca.CERT_FILE, folder / dev_ca.KEY_FILE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    ca = base64.b64encode((folder / dev_ca.CA_FILE).read_bytes()).decode()
    try:
        yield Hook(address=f"127.0.0.1:{server.server_port}", ca=ca)
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class FakeClock:
    """Sleeping takes no time."""

    slept: float = 0.0
    at: float = field(default_factory=lambda: dt.datetime.now(dt.UTC).timestamp())

    def now(self) -> float:
        return self.at + self.slept

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@dataclass
class Installation:
    """One API server with what the chart installs, and one secret in use."""

    server: StandIn
    hook: Hook
    clock: FakeClock = field(default_factory=FakeClock)
    user: User = ADMIN
    _users: int = 0

    def create(self, resource: Resource, content: Json, namespace: str | None = None) -> None:
        """A new object, with its status."""
        self.server.client.call("POST", resource.path(namespace), content)
        if "status" in content and resource is not kinds.LEASES:
            name = content["metadata"]["name"]
            change = {"status": content["status"]}
            self.server.client.patch(resource.path(namespace, name, "status"), change)

    def patch(
        self, resource: Resource, name: str, change: Json, namespace: str | None = None
    ) -> None:
        """A JSON merge patch of the object."""
        self.server.patch(resource, name, change, namespace=namespace)

    def status(
        self, resource: Resource, name: str, change: Json, namespace: str | None = None
    ) -> None:
        """The same of its status."""
        self.server.patch(
            resource, name, {"status": change}, namespace=namespace, subresource="status"
        )

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        """It was there."""
        assert self.server.get(resource, name, namespace) is not None
        self.server.delete(resource, name, namespace)

    def version(self, text: str) -> None:
        """As the API server says it."""
        self.server.be(text)

    def checked(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `lastgood check`."""
        return self.typed("check", *words)

    def typed(self, *words: str) -> tuple[int, str, str]:
        """The same of one of the two verbs."""
        self._users += 1
        file = self.server.kubeconfig(f"user-{self._users}", self.user)
        terminal = Terminal(stdin=io.StringIO(), out=io.StringIO(), err=io.StringIO())
        arguments = parser(SETTINGS, "lastgood").parse_args([*words, "--kubeconfig", str(file)])
        run = check if arguments.verb == "check" else policy
        code = run(arguments, SETTINGS, self.clock, terminal)
        assert isinstance(terminal.out, io.StringIO)
        assert isinstance(terminal.err, io.StringIO)
        return code, terminal.out.getvalue(), terminal.err.getvalue()

    def lines(self, *words: str) -> dict[str, Json]:
        """By the names of checks."""
        code, out, _ = self.checked(*words, "-o", "json")
        found = json.loads(out)
        assert code == (0 if found["ok"] else 1)
        return {it["name"]: it for it in found["checks"]}

    def make(self) -> None:
        """Everything that the chart, an admin and a team make."""
        self._webhook()
        for component in ("webhook", "controller"):
            self._deployment(component)
        for name in POLICIES:
            self.create(
                kinds.GUARDS, {"metadata": {"name": name}, "spec": {"failurePolicy": "Fail"}}
            )
            spec = {"policyName": name, "validationActions": ["Deny"]}
            self.create(kinds.GUARD_BINDINGS, {"metadata": {"name": name}, "spec": spec})
        self.lead(SYSTEM)
        self._admin()
        self._team()

    def _webhook(self) -> None:
        found = [*yaml.safe_load_all(INSTALLED.read_text())]
        (configuration,) = (it for it in found if it["kind"] == "MutatingWebhookConfiguration")
        configuration["webhooks"][0]["clientConfig"]["caBundle"] = self.hook.ca
        self.create(kinds.MUTATING_WEBHOOKS, configuration)
        guards = {
            "name": "guards.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {
                "url": f"https://{self.hook.address}/guard",
                "caBundle": self.hook.ca,
            },
            "rules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["pods", "secrets"],
                }
            ],
        }
        metadata = {"name": "zz-guards"}
        self.create(kinds.MUTATING_WEBHOOKS, {"metadata": metadata, "webhooks": [guards]})
        self.route(self.hook.address)

    def route(self, address: str | None) -> None:
        """Where the webhook's Service leads; None: there is none."""
        self.server.route(SERVICE, address)

    def _deployment(self, component: str, namespace: str = SYSTEM) -> None:
        name = f"lastgood-{component}"
        labels = {**LABELS, "app.kubernetes.io/component": component}
        environment = [{"name": "LASTGOOD_WEBHOOK_NAMESPACE", "value": namespace}]
        container = {
            "name": component,
            "image": f"localhost:5000/lastgood/{component}:{VERSION}",
            "env": environment if component == "webhook" else [],
        }
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 2, "template": template}
        status = {"availableReplicas": 2, "readyReplicas": 2}
        metadata = {"name": name, "labels": labels}
        body = {"metadata": metadata, "spec": spec, "status": status}
        self.create(kinds.DEPLOYMENTS, body, namespace)
        for number in range(2):
            metadata = {"name": f"{name}-{number}", "labels": labels}
            pod = {"metadata": metadata, "spec": {"containers": [container]}}
            self.create(kinds.PODS, {**pod, "status": {"phase": "Running"}}, namespace)

    def second(self, namespace: str) -> None:
        """A second release, without its cluster-scoped objects."""
        self.server.apply(make.namespace(namespace, None))
        self._deployment("controller", namespace)

    def lead(self, namespace: str, renewed: float | None = None) -> None:
        """A Lease that a controller renewed; None: just now."""
        renewed = self.clock.now() if renewed is None else renewed
        spec = {
            "holderIdentity": f"controller-of-{namespace}",
            "leaseDurationSeconds": 15,
            "renewTime": rfc3339(renewed),
        }
        self.server.delete(kinds.LEASES, "lastgood-controller", namespace)
        self.create(
            kinds.LEASES, {"metadata": {"name": "lastgood-controller"}, "spec": spec}, namespace
        )

    def _admin(self) -> None:
        policy = make.policy(
            make.source("prod", "aws-sm:/prod/{namespace}/*", rules="steady"),
            name="payments",
            namespaces=["payments"],
            classes={"steady": make.STEADY},
        )
        for item in (make.account("prod"), policy, make.namespace("payments", "payments")):
            self.server.apply(item)
        self.status(kinds.SECRET_ACCOUNTS, "prod", {"neededCallsPerSecond": 0.1})

    def _team(self) -> None:
        pod = make.pod("web-1", annotations={INJECTED: VERSION})
        self.server.apply(pod)
        self.server.apply(
            {
                "apiVersion": "lastgood.dev/v1alpha1",
                "kind": "SecretSnapshot",
                "metadata": {"name": "lg-db", "namespace": "payments"},
                "spec": {
                    "source": {"account": "prod", "provider": "aws-sm", "reference": SNAPSHOT}
                },
            }
        )
        self.status(kinds.SECRET_SNAPSHOTS, "lg-db", {"consumers": 1}, "payments")

    def saved(self) -> Callable[[], None]:
        """What brings everything back to how it is now."""
        return self.server.saved()


@contextmanager
def healthy(certificates: Path, folder: Path, answers: Hook) -> Iterator[Installation]:
    """A new one, until the block ends."""
    ca, certificate, key = (
        certificates / name for name in (dev_ca.CA_FILE, dev_ca.CERT_FILE, dev_ca.KEY_FILE)
    )
    with running(ca=ca, certificate=certificate, key=key) as found:
        found.run(lambda server: install.install(server, webhook=False))
        made = Installation(StandIn(found, folder), answers)
        made.make()
        yield made

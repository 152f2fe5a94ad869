"""The webhook as a process of this machine, and an API server that calls it by URL.

Names that are the cluster's get a suffix, and only the test's namespaces are looked at.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
IMAGE = "localhost/lastgood-agent:dev"
"""As the chart has it: its policies, where it is installed, accept no other."""
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
def called(found: Place, port: int) -> Iterator[None]:
    """The API server calls this port; the configuration has no caBundle, as the chart's."""
    with called_as(found.configuration, entry(found, port)):
        yield


@contextlib.contextmanager
def called_as(name: str, webhook: Json) -> Iterator[None]:
    """A MutatingWebhookConfiguration of one webhook."""
    whole = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
    try:
        kubectl("create", "-f", "-", given=whole)
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


def under_load(found: Place, *, rate: int, seconds: float) -> list[Answer]:
    """Opted-in pods at an even rate; every answer."""
    begin, count = time.monotonic(), int(rate * seconds)

    def one(index: int) -> Answer:
        time.sleep(max(0.0, begin + index / rate - time.monotonic()))
        return found.create(found.opted_in())

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, range(count)))


class Relay:
    """The way to the API server, which can be cut: a TCP relay, and a kubeconfig through it."""

    def __init__(self, kubeconfig: Path, address: tuple[str, int]) -> None:
        self.kubeconfig = kubeconfig
        self._address = address
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Every connection ends, and no new one comes to be."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._pumps:
            thread.join(5)
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._address)
            self._open += [near, far]
            for ends in ((near, far), (far, near)):
                self._pumps.append(threading.Thread(target=self._pump, args=ends, daemon=True))
                self._pumps[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                sink.sendall(content)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay() -> Iterator[Relay]:
    """With the kubeconfig of this test run, in a folder of its own."""
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    cluster = config["clusters"][0]["cluster"]
    url = httpx.URL(cluster["server"])
    with tempfile.TemporaryDirectory() as folder:
        way = Relay(Path(folder) / "config", (url.host, url.port or 443))
        cluster["server"] = f"https://127.0.0.1:{way.port}"
        cluster.setdefault("tls-server-name", url.host)
        way.kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        try:
            yield way
        finally:
            way.cut()


class Other:
    """A mutating webhook of somebody else: adds one container, once."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, ROOT / "certs/dev_ca.py", folder, "--san", "127.0.0.1"]
        subprocess.run([*map(str, command)], check=True, timeout=60)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self._ca = (folder / "ca.crt").read_bytes()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Adding)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def entry(self, base: Json) -> Json:
        """One webhook that calls this one, and is trusted."""
        base["clientConfig"]["caBundle"] = base64.b64encode(self._ca).decode()
        return base

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Adding(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """An AdmissionReview."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        response: Json = {"uid": request["uid"], "allowed": True}
        names = [item["name"] for item in request["object"]["spec"]["containers"]]
        if "added" not in names:
            value = {"name": "added", "image": "registry.example/added:1"}
            patch = json.dumps([{"op": "add", "path": "/spec/containers/-", "value": value}])
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(patch.encode()).decode()
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        body = json.dumps({**review, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


@contextlib.contextmanager
def other_webhook() -> Iterator[Other]:
    """It serves."""
    with tempfile.TemporaryDirectory() as folder:
        found = Other(Path(folder))
        try:
            yield found
        finally:
            found.close()

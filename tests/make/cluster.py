"""A cluster of a test's own: the controller and the command line as processes that production runs,
on the stand-in for the API server. The provider is a folder. No pod is ever scheduled.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from apiserver.install import CONTROLLER
from contract import ages, layout, plan
from contract.annotations import REFRESH_REQUESTED
from contract.object_names import snapshot_name
from contract.snapshot_format import META, Meta
from contract.snapshot_format import from_wire as meta_from_wire
from controller.lease import LEASE
from controller.snapshot_record import record_name
from controller.times import rfc3339, seconds
from kube.api_resources import (
    CONFIG_MAPS,
    CORE_EVENTS,
    LEASES,
    PODS,
    SECRET_SNAPSHOTS,
    SECRETS,
)
from tests import make
from tests.make.command import typed
from tests.make.standin import FREE, SYSTEM, StandIn, certificates, installed
from tests.make.waiting import PAGE_S, PATIENCE_S, REPOSITORY, until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ACCOUNT", "POLICY", "World", "certificates", "configured", "snapshot_of", "world"]

Json = dict[str, Any]
ACCOUNT = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {{name: files}}
spec:
  provider: file
  file: {{root: {root}}}
  budget: {{callsPerSecond: {rate}, burst: {burst}}}
"""
POLICY = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: ["payments", "orders"]
  sources:
    - {account: files, allow: ["file:/prod/{namespace}/*", "file:/shared/*"], class: steady}
  classes:
    steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h, onExpired: serve}
  limits: {snapshotsPerNamespace: 20}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
---
apiVersion: v1
kind: Namespace
metadata: {name: orders, labels: {lastgood.dev/policy: payments}}
"""


@dataclass
class World:
    """One cluster with its provider, its controller, and an operator who types commands."""

    server: StandIn
    files: Path
    """What the provider has."""
    folder: Path
    """For logs."""
    process: subprocess.Popen[bytes] | None = None
    logs: list[Path] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    """Of the controller's environment, beside our own."""
    words: list[str] = field(default_factory=list)
    """Further arguments of the controller."""
    listen: str = "127.0.0.1:0"
    """Where the controller serves its pages."""

    def __post_init__(self) -> None:
        self._controllers = self.server.kubeconfig("controller", CONTROLLER)
        self.kubeconfig = self.server.kubeconfig("operator", namespace="payments")
        """An operator's, whose namespace is `payments`."""

    def configure(self, *, rate: float = 1000, burst: int = 1000, policy: str = POLICY) -> None:
        """Applies what the admin applies."""
        self.apply(ACCOUNT.format(root=self.files, rate=rate, burst=burst), policy)

    def apply(self, *texts: str) -> None:
        """YAML of cluster-scoped objects."""
        for content in yaml.safe_load_all("---\n".join(texts)):
            self.server.apply(content)

    def secret(self, reference: str, value: bytes) -> None:
        """Sets what the provider has."""
        path = self.files / reference.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(value)
        temporary.rename(path)

    def pod(
        self,
        name: str,
        *references: str,
        namespace: str = "payments",
        account: str = "files",
        provider: str = "file",
    ) -> None:
        """A pod that was injected."""
        planned = [
            make.planned_snapshot(
                make.planned_file(f"s{number}"),
                account=account,
                identity="controller",
                scheme=provider,
                reference=reference,
            )
            for number, reference in enumerate(references)
        ]
        args = ["gate", "--plan", plan.to_wire(make.plan(*planned))]
        gate = make.container(layout.GATE, args=args)
        self.server.apply(
            make.pod(name, namespace=namespace, annotations={}, initContainers=[gate])
        )

    def declare(
        self, reference: str, namespace: str = "payments", *, name: str | None = None
    ) -> None:
        """A SecretSnapshot that a team makes itself. One that policy refuses has a status by it.
        `name` None: the right one.
        """
        source = {"account": "files", "provider": "file", "reference": reference}
        self.server.apply(
            {
                "apiVersion": SECRET_SNAPSHOTS.api_version,
                "kind": "SecretSnapshot",
                "metadata": {"name": name or snapshot_of(reference), "namespace": namespace},
                "spec": {"source": source},
            }
        )

    def start(self) -> None:
        """Starts the controller and waits until it leads and knows what was there. The Lease of a
        controller that was killed is not waited for.
        """
        self.free()
        self.launch()
        until("the controller", lambda: self.ended() or self.events("controller.restored"))
        assert not self.ended(), self.log()

    def free(self) -> None:
        """Makes the Lease nobody's."""
        self.server.patch(LEASES, LEASE, {"spec": FREE}, namespace=SYSTEM)

    def launch(self) -> None:
        """Starts the controller."""
        log = self.folder / f"controller-{len(self.logs)}.log"
        self.logs.append(log)
        command = [sys.executable, "-m", "controller", "--without-self-check"]
        command += ["--account-files", str(self.folder), *self.words]
        reach = ["--kubeconfig", str(self._controllers), "--listen", self.listen]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--with-file-accounts", *reach],
                cwd=REPOSITORY,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.variables},
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends the controller; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def log(self) -> str:
        """Everything that controllers have said, the last one last."""
        return "".join(log.read_text() for log in self.logs)

    def events(self, event: str) -> list[Json]:
        """Log lines of the last controller, by event."""
        found = []
        for line in self.logs[-1].read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [item for item in found if item.get("event") == event]

    def told(self, reason: str, about: str, namespace: str = "payments") -> list[str]:
        """Messages of Events of this reason about the object of that name."""
        return [
            item["message"]
            for item in self.server.items(CORE_EVENTS, namespace)
            if (item["reason"], item["involvedObject"]["name"]) == (reason, about)
        ]

    def get(self, path: str) -> str:
        """What the controller serves. The page of metrics is made at most once a second, so that it
        is asked for after that.
        """
        if path == "/metrics":
            time.sleep(PAGE_S)
        address = self.events("controller.started")[0]["listen"]
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return bytes(answer.read()).decode()

    def calls(self) -> int:
        """Provider calls of the running controller."""
        lines = self.get("/metrics").splitlines()
        counted = [line for line in lines if line.startswith("lastgood_provider_requests_total{")]
        return int(sum(float(line.rpartition(" ")[2]) for line in counted))

    def volume(self, reference: str, namespace: str = "payments") -> dict[str, bytes]:
        """The keys of a snapshot's Secret; none when it was never published."""
        return self.keys(snapshot_of(reference), namespace)

    def record(self, reference: str, namespace: str = "payments") -> dict[str, bytes]:
        """The keys of the controller's record of a snapshot; none when there is none."""
        return self.keys(record_name(namespace, snapshot_of(reference)), SYSTEM)

    def keys(self, name: str, namespace: str = "payments") -> dict[str, bytes]:
        """Of a Secret; none when there is none."""
        found = self.server.get(SECRETS, name, namespace)
        data = {} if found is None else found.get("data") or {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    def meta(self, reference: str, namespace: str = "payments") -> Meta | None:
        """None: it was never published."""
        raw = self.volume(reference, namespace).get(META)
        return None if raw is None else meta_from_wire(raw)

    def age(self, reference: str, namespace: str = "payments") -> ages.Entry | None:
        """The freshness entry; None: there is none."""
        return self._entry(snapshot_of(reference), namespace)

    def _entry(self, name: str, namespace: str) -> ages.Entry | None:
        found = self.server.get(CONFIG_MAPS, ages.CONFIG_MAP, namespace) or {}
        raw = (found.get("data") or {}).get(name)
        return None if raw is None else ages.from_wire(raw)

    def snapshot(self, reference: str, namespace: str = "payments") -> Json:
        """The SecretSnapshot; empty: there is none."""
        return self.server.get(SECRET_SNAPSHOTS, snapshot_of(reference), namespace) or {}

    def shown(self, reference: str) -> Json:
        """The SecretSnapshot's status; empty: there is none."""
        found: Json = self.snapshot(reference).get("status", {})
        return found

    def serves(self, reference: str, value: bytes, namespace: str = "payments") -> None:
        """Waits until that is what pods are given, and status and age say so."""

        def ready() -> bool:
            if self.volume(reference, namespace).get("value") != value:
                return False
            meta, entry = self.meta(reference, namespace), self.age(reference, namespace)
            status = self.snapshot(reference, namespace).get("status", {})
            known = meta is not None and status.get("version") == meta.version
            return bool(known and entry is not None and entry.served is not None)

        until(f"{reference} to be served", ready)

    def version(self, reference: str) -> str:
        """That pods are given."""
        meta = self.meta(reference)
        assert meta is not None
        assert meta.version is not None
        return meta.version

    def refresh(self, reference: str, account: str = "files", provider: str = "file") -> None:
        """Asks for a fetch as `lastgood refresh` does, which takes longer to start. Waits until it
        was tried, and pods are given what follows from it.
        """
        name = snapshot_name(account, "controller", provider, reference)
        until("its object", lambda: self.server.get(SECRET_SNAPSHOTS, name, "payments"))
        asked = max(time.time(), (self._attempted(name) or 0.0) + 1e-3)
        note = {"metadata": {"annotations": {REFRESH_REQUESTED: rfc3339(asked)}}}
        self.server.patch(SECRET_SNAPSHOTS, name, note, namespace="payments")

        def tried() -> bool:
            return (self._attempted(name) or 0.0) >= asked - 1e-5 and self._is_given(name)

        until("the refresh", tried)

    def _attempted(self, name: str) -> float | None:
        """When a snapshot was fetched last, in seconds since the epoch; None: never."""
        status = (self.server.get(SECRET_SNAPSHOTS, name, "payments") or {}).get("status", {})
        entry = self._entry(name, "payments")
        told = None if entry is None else entry.last_attempt
        times = seconds(status.get("lastAttempt")), told
        return max((at for at in times if at is not None), default=None)

    def _is_given(self, name: str) -> bool:
        """Whether the Secret has the version that the age is of."""
        entry, raw = self._entry(name, "payments"), self.keys(name).get(META)
        if entry is None or entry.served is None or raw is None:
            return raw is None
        return meta_from_wire(raw).version == entry.served.version

    def lastgood(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Types a command; its exit code has to be `code`."""
        done = self.command(*words)
        assert done.returncode == code, (words, done.stdout, done.stderr, self.log())
        return done

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Types a command."""
        return typed(*words, variables=self.kubeconfigured)

    @property
    def kubeconfigured(self) -> dict[str, str]:
        """Variables of the operator's environment."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    def status(self, reference: str) -> Json:
        """What `lastgood status` says of one snapshot to programs."""
        shown = self.lastgood("status", f"file:{reference}", "-n", "payments", "--output", "json")
        found: Json = json.loads(shown.stdout)[0]
        return found

    def stand(self, pod: str, status: Json) -> None:
        """Writes a pod's status, as its kubelet would."""
        self.server.patch(PODS, pod, {"status": status}, namespace="payments", subresource="status")


def snapshot_of(reference: str) -> str:
    """The snapshot's name of a file."""
    return snapshot_name("files", "controller", "file", reference)


@contextmanager
def configured(certificates: Path) -> Iterator[World]:
    """A configured cluster whose controller is not started yet, and is ended with the block."""
    with (
        tempfile.TemporaryDirectory(prefix="lastgood-test-") as folder,
        installed(certificates) as server,
    ):
        made = World(server=server, files=Path(folder, "provider"), folder=Path(folder))
        made.files.mkdir()
        made.configure()
        try:
            yield made
        finally:
            if made.process is not None:
                made.process.kill()
                made.process.wait()


@pytest.fixture
def world(certificates: Path) -> Iterator[World]:
    """One of a test's own."""
    with configured(certificates) as made:
        yield made

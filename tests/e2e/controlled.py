"""A controller as a process on this machine, at work on the real API server: its provider is a
folder, its pods are never scheduled, and its namespace, account and policy are the test's own.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from contract import ages, layout, plan
from contract.object_names import snapshot_name
from contract.snapshot_format import META
from controller.lease import LEASE
from controller.snapshot_record import record_name
from tests import make
from tests.e2e import needs
from tests.make.waiting import PAGE_S, REPOSITORY, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]
PATIENCE_S = 30.0
FREE = {"holderIdentity": "", "leaseDurationSeconds": 1}


@dataclass
class Controlled:
    """One namespace, and the controllers that were started for it."""

    name: str
    """Of namespace, account and policy."""
    folder: Path
    """For the provider's files and the logs."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    @property
    def provider(self) -> Path:
        return self.folder / "provider"

    @property
    def system(self) -> str:
        """The controller's own namespace."""
        return self.name

    def kubectl(self, *words: str, stdin: str | None = None, code: int = 0) -> str:
        """Its output; it has to end with `code`."""
        done = subprocess.run(
            ["kubectl", "--namespace", self.name, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (words, done.stderr)
        return done.stdout

    def administer(self) -> None:
        """The kinds, and the objects of an admin's, as they are applied."""
        crds = ("-f", str(REPOSITORY / "charts/lastgood/crds"))
        self.kubectl("apply", *crds)
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *crds)
        self.apply(*self.admin())

    def admin(self) -> list[Json]:
        """The namespace, the account and the policy."""
        account = make.file_account(self.name, self.provider)
        return [make.namespace(self.name, self.name), account, self.policy()]

    def policy(self, *more: Json) -> Json:
        """Allows every file, and `more` sources."""
        return make.policy(
            make.source(self.name, "file:/**"),
            *more,
            name=self.name,
            namespaces=[self.name],
            classes={"steady": make.STEADY},
        )

    def apply(self, *objects: Json) -> None:
        self.kubectl("apply", "-f", "-", stdin=make.as_file(*objects))

    def create(self, manifest: Json) -> None:
        self.kubectl("create", "-f", "-", stdin=json.dumps(manifest))

    def get(self, kind: str, name: str) -> Json | None:
        """None: there is none."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text else None

    def items(self, kind: str) -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return found

    def patch(self, kind: str, name: str, patch: Json, *more: str) -> None:
        self.kubectl("patch", kind, name, "--type", "merge", "-p", json.dumps(patch), *more)

    def provide(self, reference: str, value: bytes) -> None:
        """Sets what the provider has."""
        path = self.provider / reference.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name + ".new").write_bytes(value)
        path.with_name(path.name + ".new").rename(path)

    def snapshot(self, reference: str) -> str:
        return snapshot_name(self.name, "controller", "file", reference)

    def pod(self, name: str, *references: str) -> None:
        """A pod that was injected; no node ever takes it."""
        planned = [
            make.planned_snapshot(
                make.planned_file(f"s{number}"),
                account=self.name,
                identity="controller",
                scheme="file",
                reference=reference,
            )
            for number, reference in enumerate(references)
        ]
        args = ["gate", "--plan", plan.to_wire(make.plan(*planned))]
        gate = make.container(layout.GATE, args=args)
        spec: Json = {"initContainers": [gate], "nodeSelector": {"lastgood.dev/none": "none"}}
        manifest = make.pod(name, namespace=self.name, annotations={}, **spec)
        self.create(manifest)

    def declare(self, reference: str, **changes: object) -> str:
        """A SecretSnapshot ahead of pods; its name."""
        source = {"account": self.name, "provider": "file", "reference": reference}
        name = self.snapshot(reference)
        self.create(
            {
                "apiVersion": "lastgood.dev/v1alpha1",
                "kind": "SecretSnapshot",
                "metadata": {"name": name},
                "spec": {"source": source, **changes},
            }
        )
        return name

    def status(self, reference: str) -> Json:
        found = self.get("snap", self.snapshot(reference))
        return {} if found is None else found.get("status", {})

    def keys(self, reference: str) -> dict[str, bytes]:
        """Of the snapshot's Secret; none when there is none."""
        found = self.get("secret", self.snapshot(reference))
        data = {} if found is None else found["data"]
        return {key: base64.b64decode(value) for key, value in data.items()}

    def record(self, reference: str) -> dict[str, bytes]:
        """Keys of the controller's record of the snapshot; none when there is none."""
        text = self.kubectl(
            *("get", "secret", self.record_name(reference), "--namespace", self.system),
            *("-o", "json", "--ignore-not-found"),
        )
        data = json.loads(text)["data"] if text else {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    def record_name(self, reference: str) -> str:
        return record_name(self.name, self.snapshot(reference))

    def kept(self, reference: str) -> int:
        """How many versions are kept beside the one that is served."""
        return sum(key.startswith("v.") for key in self.record(reference))

    def meta(self, reference: str) -> Json:
        found: Json = json.loads(self.keys(reference)[META])
        return found

    def entry(self, reference: str) -> ages.Entry | None:
        """The freshness entry; None: there is none."""
        found = self.get("configmap", ages.CONFIG_MAP)
        raw = None if found is None else found.get("data", {}).get(self.snapshot(reference))
        return None if raw is None else ages.from_wire(raw)

    def serves(self, reference: str, value: bytes) -> None:
        """Waits until that is what pods are given, and status and age say so."""

        def ready() -> bool:
            if self.keys(reference).get("value") != value or self.entry(reference) is None:
                return False
            return bool(self.status(reference).get("version") == self.meta(reference)["version"])

        until(f"{reference} to be served", ready, PATIENCE_S)

    def observed(self, reference: str) -> None:
        """Waits until the status reflects the spec."""

        def seen() -> bool:
            found = self.get("snap", self.snapshot(reference))
            if found is None:
                return False
            generation = found["metadata"]["generation"]
            return bool(found.get("status", {}).get("observedGeneration") == generation)

        until("the request to be seen", seen, PATIENCE_S)

    def events(self, reason: str) -> list[Json]:
        return [item for item in self.items("events") if item["reason"] == reason]

    def free(self) -> None:
        """Makes the Lease nobody's, as a leader does that ends well; so no start has to wait."""
        self.patch("lease", LEASE, {"spec": FREE}, "--namespace", self.system)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """One more controller."""
        log = self.folder / f"controller-{len(self.logs)}.log"
        self.logs.append(log)
        command = [sys.executable, "-m", "controller", "--namespace", self.system]
        reach = ["--kubeconfig", self.kubeconfig(), "--listen", "127.0.0.1:0"]
        command += ["--with-file-accounts", *reach, *words]
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=out)
        self.processes.append(process)
        return process

    def kubeconfig(self) -> str:
        """The path of the controller's."""
        return os.environ["KUBECONFIG"]

    def lead(self) -> None:
        """Starts a controller, and waits until it leads and knows what was there."""
        self.free()
        self._lead("--without-self-check")

    def _lead(self, *words: str) -> None:
        """The same, with these words and a Lease that is as it is."""
        process = self.start(*words)
        until(
            "the controller to lead",
            lambda: process.poll() is not None or self.leads(),
            PATIENCE_S,
        )
        assert process.poll() is None, self.logs[-1].read_text()

    def leads(self) -> bool:
        """Whether the last controller leads and knows what was there."""
        return bool(self.said("controller.restored"))

    def kill(self) -> None:
        """Kills the last controller."""
        process = self.processes[-1]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def said(self, event: str, log: int = -1) -> list[Json]:
        """Log lines of a controller, the last one's, by event."""
        found = []
        for line in self.logs[log].read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [item for item in found if item.get("event") == event]

    def metrics(self, log: int = -1) -> str:
        time.sleep(PAGE_S)
        address = self.said("controller.started", log)[0]["listen"]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return bytes(answer.read()).decode()

    def calls(self, log: int = -1) -> int:
        """Calls of our account by a running controller."""
        ours = f'lastgood_provider_requests_total{{account="{self.name}"'
        counted = [line for line in self.metrics(log).splitlines() if line.startswith(ours)]
        return int(sum(float(line.rpartition(" ")[2]) for line in counted))

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def controlled(tmp_path: Path) -> Iterator[Controlled]:
    """A namespace, an account and a policy; no controller is started yet."""
    needs.no_chart()
    name = f"lgc-{secrets.token_hex(4)}"
    made = Controlled(name=name, folder=tmp_path)
    made.provider.mkdir()
    made.administer()
    try:
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": FREE}
        made.create({**lease, "metadata": {"name": LEASE}})
        yield made
    finally:
        made.end()
        for kind in ("secretpolicy", "secretaccount"):
            made.kubectl("delete", kind, name, "--ignore-not-found")
        made.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")

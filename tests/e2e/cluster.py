"""What the tests do to the cluster, by `kubectl`; values go by standard input alone."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract import ages, layout, plan
from contract.annotations import PLAN, SYNC_REQUESTED
from contract.reasons import Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import META, SECRET_TYPE
from refresh.model import Kept, SnapshotKey, SnapshotState, SourceKey
from refresh.snapshot_data import entry, publication, secret_data
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from contract.plan import Plan, PlannedSnapshot
    from tests.e2e.settings import Settings

Json = dict[str, Any]
APP = (Path(__file__).parent / "app.py").read_text(encoding="utf-8")
PATIENCE_S = 60.0
GRACE_S = 120
"""What pods have to end: longer than the tests wait, so that only those that end by themselves
do.
"""
POLICY = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {{name: files}}
spec:
  provider: file
  file: {{root: /srv}}
  budget: {{callsPerSecond: 1, burst: 1}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {{name: e2e}}
spec:
  namespaces: ["{namespace}"]
  sources:
    - {{account: files, allow: ["file:/steady/*"], class: steady}}
    - {{account: files, allow: ["file:/strict/*"], class: strict}}
  classes:
    steady: {{refreshInterval: 1m, freshnessBudget: 15m, maxAge: 24h, onExpired: serve}}
    strict: {{refreshInterval: 1m, freshnessBudget: 15m, maxAge: 1h, onExpired: refuse}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: "{namespace}", labels: {{lastgood.dev/policy: e2e}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One namespace of the tests' own, and the admin's policy for it in a folder."""

    namespace: str
    settings: Settings
    policy: Path

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Its output; it has to succeed. Its words hold no value."""
        command = ["kubectl", "--namespace", self.namespace, *words]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def get(self, kind: str, name: str) -> Json:
        found: Json = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def render(self, manifest: Json) -> Json:
        """The manifest with ours in it, by the command line: the webhook's own decision."""
        words = ["render", "-f", "-", "--policy", str(self.policy), "-n", self.namespace]
        image = ["--image", self.settings.agent_image, "-o", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words, *image],
            cwd=REPOSITORY,
            input=json.dumps(manifest),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rendered: Json = json.loads(done.stdout)
        return rendered

    def create(self, manifest: Json) -> None:
        self.kubectl("create", "-f", "-", stdin=json.dumps(manifest))

    def publish(self, pod: Json, value: str, *, version: str = "v1", age_s: float = 0) -> None:
        """Creates the Secrets and the ages of all snapshots of a rendered pod, as the controller
        would.
        """
        for planned in plan_of(pod).snapshots:
            keys = self._keys(planned, value, version, age_s)
            metadata = {"name": planned.snapshot}
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
            self.create({**secret, "type": SECRET_TYPE, "data": keys})
        self.confirm(pod, version=version, age_s=age_s)

    def rotate(self, pod: Json, value: str, *, version: str = "v2") -> None:
        """A new version of all snapshots of a rendered pod."""
        for planned in plan_of(pod).snapshots:
            keys = self._keys(planned, value, version, 0)
            self._patch("secret", planned.snapshot, {"data": keys})
        self.confirm(pod, version=version)

    def confirm(self, pod: Json, *, version: str = "v1", age_s: float = 0) -> None:
        """Freshness entries for a rendered pod: that version was confirmed `age_s` ago."""
        text = ages.to_wire(entry(_state(SecretBytes(b"-"), version, time.time() - age_s)))
        written = {planned.snapshot: text for planned in plan_of(pod).snapshots}
        self._patch("configmap", ages.CONFIG_MAP, {"data": written})

    def restate(self, name: str, **members: object) -> None:
        """Other members in a snapshot's meta.json."""
        raw = base64.b64decode(self.get("secret", name)["data"][META])
        text = json.dumps({**json.loads(raw), **members})
        self._patch("secret", name, {"stringData": {META: text}})

    def delete(self, name: str) -> None:
        """Asks for a pod's end, and does not wait for it."""
        self.kubectl("delete", "pod", name, "--wait=false")

    def remove(self) -> None:
        """Deletes the namespace. Its workloads go first: the namespace controller sleeps for half
        the grace time of pods that it finds.
        """
        self.kubectl(
            "delete", "deployments,jobs,pods", "--all", "--grace-period=2", "--timeout=60s"
        )
        self.kubectl("delete", "namespace", self.namespace, "--timeout=100s")

    def exists(self, name: str) -> bool:
        return bool(self.kubectl("get", "pod", name, "--ignore-not-found", "-o", "name"))

    def nudge(self, name: str) -> None:
        """What makes the kubelet look at a pod's volumes at once."""
        self.kubectl("annotate", "--overwrite", "pod", name, f"{SYNC_REQUESTED}={time.time()}")

    def pod_of(self, label: str) -> str:
        """The name of the pod that a workload made, as soon as it has."""
        return (
            until(
                f"a pod of {label}",
                lambda: self.kubectl("get", "pod", "-l", label, "-o", "name"),
                PATIENCE_S,
            )
            .split()[0]
            .removeprefix("pod/")
        )

    def events(self, name: str, event: str, container: str = "app") -> list[Json]:
        """What a container has said of one event, oldest first."""
        said = self.kubectl("logs", name, "-c", container, "--ignore-errors").splitlines()
        lines = [json.loads(line) for line in said if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def said(self, name: str, event: str, container: str = "app", count: int = 1) -> Json:
        """The last of `count` events, waited for."""

        def ready() -> list[Json]:
            if not self._has_run(name, container):
                return []
            found = self.events(name, event, container)
            return found if len(found) >= count else []

        return until(f"{event} of {name}/{container}", ready, PATIENCE_S)[-1]

    def ready(self, name: str) -> None:
        """Waits until all containers of the pod are ready."""
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={PATIENCE_S}s")

    def container(self, name: str, container: str) -> Json:
        """The status of one container of a pod; nothing when there is none yet."""
        status = self.get("pod", name).get("status", {})
        lists = ("initContainerStatuses", "containerStatuses")
        everyone = (item for member in lists for item in status.get(member, ()))
        return next((item for item in everyone if item["name"] == container), {})

    def ended(self, name: str, container: str) -> Json:
        """How a container ended, now or before it was started again; waited for."""

        def terminated() -> Json:
            found = self.container(name, container)
            states = (found.get("state", {}), found.get("lastState", {}))
            return next((item["terminated"] for item in states if "terminated" in item), {})

        return until(f"the end of {name}/{container}", terminated, PATIENCE_S)

    def execute(self, name: str, container: str, script: str) -> str:
        """The output of a Python script in a container."""
        words = ("exec", name, "-c", container, "--", "python3", "-I", "-S", "-c", script)
        return self.kubectl(*words).strip()

    def _has_run(self, name: str, container: str) -> bool:
        state = self.container(name, container).get("state", {})
        return "running" in state or "terminated" in state

    def _keys(self, planned: PlannedSnapshot, value: str, version: str, age_s: float) -> Json:
        source = SourceKey(
            account=planned.account,
            identity=planned.identity,
            scheme=planned.scheme,
            reference=planned.reference,
        )
        state = _state(SecretBytes(value.encode()), version, time.time() - age_s)
        properties = [file.property for file in planned.files if file.property is not None]
        key = SnapshotKey(namespace=self.namespace, source=source)
        written = secret_data(publication(key, state, properties, "e2e"))
        return {name: base64.b64encode(raw).decode() for name, raw in written.items()}

    def _patch(self, kind: str, name: str, change: Json) -> None:
        words = ("patch", kind, name, "--type", "merge", "--patch-file", "/dev/stdin")
        self.kubectl(*words, stdin=json.dumps(change))


def plan_of(pod: Json) -> Plan:
    """The plan that a rendered pod carries."""
    spec = pod["spec"]
    for item in (*spec.get("initContainers", ()), *spec["containers"]):
        if item["name"] in layout.CONTAINERS:
            return plan.from_wire(item["args"][item["args"].index("--plan") + 1])
    return plan.from_wire(pod["metadata"]["annotations"][PLAN])


def digest(value: str) -> str:
    """As the app names a value."""
    return sha256(value.encode()).hexdigest()


def container(settings: Settings, name: str = "app", **fields: object) -> Json:
    """The app's container, as Pod Security `restricted` demands it."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    own = fields.pop("securityContext", {})
    assert isinstance(own, dict)
    return {
        "name": name,
        "image": settings.app_image,
        "command": ["python3", "-I", "-S", "-c", APP],
        "securityContext": {**security, **own},
        **fields,
    }


def pod(
    name: str, annotations: dict[str, str], *containers: Json, security: Json, **spec: object
) -> Json:
    """An opted-in pod that `restricted` admits."""
    restricted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": GRACE_S,
            "securityContext": {**restricted, **security},
            "containers": list(containers),
            **spec,
        },
    }


def template(rendered: Json) -> Json:
    """The pod of a pod, a Deployment or a Job."""
    found: Json = rendered if rendered["kind"] == "Pod" else rendered["spec"]["template"]
    return found


def _state(value: SecretBytes, version: str, at: float) -> SnapshotState:
    served = Kept(version=version, value=value, fetched_at=at, rank=1)
    return SnapshotState(
        serving=Serving.SERVED, served=served, latest=version, last_success=at, last_attempt=at
    )

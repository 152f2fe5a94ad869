"""`kubectl` and `helm`, as an admin and a team would use them; values go by standard input."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.chart.rendering import helm
from tests.make.waiting import until

Json = dict[str, Any]
PATIENCE_S = 90.0


def run(*command: str, given: str | None = None, timeout_s: float = 300) -> str:
    """Its output; it has to succeed."""
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, (command, done.stderr[-2000:])
    return done.stdout


def run_helm(*words: str, values: Json | None = None) -> str:
    """Helm's output; it has to succeed."""
    given = [] if values is None else ["--values", "-"]
    document = None if values is None else json.dumps(values)
    return run(helm() or "helm", *words, *given, given=document)


@dataclass(frozen=True, slots=True)
class Place:
    """One namespace."""

    namespace: str

    def kubectl(self, *words: str, given: str | None = None) -> str:
        return run("kubectl", "--namespace", self.namespace, *words, given=given)

    def refused(self, manifest: Json) -> str:
        """What the API server says to a manifest that it does not take."""
        command = ["kubectl", "--namespace", self.namespace, "create", "-f", "-"]
        done = subprocess.run(
            command,
            input=json.dumps(manifest),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode != 0, done.stdout
        return done.stderr

    def apply(self, *manifests: Json) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "-f", "-", given=json.dumps(document))

    def create(self, manifest: Json) -> None:
        self.kubectl("create", "-f", "-", given=json.dumps(manifest))

    def items(self, kind: str, *words: str) -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", kind, "-o", "json", *words))["items"]
        return found

    def get(self, kind: str, name: str) -> Json:
        found: Json = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def patch(self, kind: str, name: str, change: Json) -> None:
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def scale(self, name: str, replicas: int, within_s: float = PATIENCE_S) -> None:
        """Waits until all are ready, or all are gone."""
        self.kubectl("scale", f"deployment/{name}", f"--replicas={replicas}")
        self.rolled_out(name, within_s)
        until(
            f"{replicas} pods of {name}",
            lambda: len(self.pods(name)) == replicas,
            within_s,
        )

    def rolled_out(self, name: str, within_s: float = PATIENCE_S) -> None:
        self.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={within_s}s")

    def pods(self, app: str) -> list[Json]:
        """Pods of the label `app`, or of our chart's component of that name."""
        component = app.removeprefix("lastgood-")
        label = f"app={app}" if component == app else f"app.kubernetes.io/component={component}"
        return self.items("pods", "-l", label)

    def said(self, pod: str, container: str = "app") -> list[Json]:
        """What an app has said, one line of JSON each. Waits for the first: a container that runs,
        or is Ready, may not have said it yet.
        """

        def lines() -> list[Json]:
            found = self.kubectl("logs", pod, "-c", container).splitlines()
            return [json.loads(line) for line in found if line.startswith("{")]

        return until(f"a line of {pod}/{container}", lines, PATIENCE_S)

    def told(self, application: str) -> dict[str, list[Json]]:
        """What the apps of all pods labelled so have said, by pod. Waits for the first line of each
        that runs.
        """

        def told() -> list[dict[str, list[Json]]]:
            running = {item["metadata"]["name"] for item in self.pods(application) if _runs(item)}
            found = self._told(application)
            return [found] if running <= found.keys() else []

        return until(f"a line of each {application}", told, PATIENCE_S)[0]

    def _told(self, application: str) -> dict[str, list[Json]]:
        words = ("-l", f"app={application}", "-c", "app", "--prefix", "--tail=-1")
        out = self.kubectl("logs", *words, "--max-log-requests=60", "--ignore-errors")
        told: dict[str, list[Json]] = {}
        for line in out.splitlines():
            head, _, text = line.partition("] ")
            if text.startswith("{"):
                told.setdefault(head.split("/")[1], []).append(json.loads(text))
        return told

    def execute(self, pod: str, container: str, script: str) -> str:
        """The output of a Python script in a container."""
        words = ("exec", "-i", pod, "-c", container, "--", "python3", "-")
        return self.kubectl(*words, given=script)


def _runs(pod: Json) -> bool:
    """Whether its app does, and is not asked to end."""
    states = pod["status"].get("containerStatuses", ())
    ending = "deletionTimestamp" in pod["metadata"]
    return not ending and any(it["name"] == "app" and "running" in it["state"] for it in states)

"""What the processes and the API server have said: kept when a test fails, and searched for
values that must not be there.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from contract.snapshot_format import SECRET_TYPE
from controller.snapshot_record import RECORD_TYPE
from tests.e2e.install.kubectl import Json, run
from tests.e2e.install.world import OTHER, PROVIDER, SYSTEM, TEAM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.install.kubectl import Place

PROCESSES = """
import glob, sys
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        with open(path, "rb") as file:
            sys.stdout.buffer.write(file.read())
    except OSError:
        pass
"""
METRICS = """
import urllib.error, urllib.request
try:
    import ssl
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
except ImportError:
    anyone = None  # the agent's image has no TLS, and serves without
ports = set()
for path in ("/proc/net/tcp", "/proc/net/tcp6"):
    with open(path) as file:
        rows = [line.split() for line in file][1:]
    ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
for port in sorted(ports):
    for scheme in ("http", "https"):
        try:
            page = f"{scheme}://127.0.0.1:{port}/metrics"
            answer = urllib.request.urlopen(page, timeout=5, context=anyone)
            print(answer.read().decode())
        except (OSError, ValueError) as error:
            print(f"# {page}: {error!r}")
"""
VALUES = frozenset({SECRET_TYPE, RECORD_TYPE})
"""Types of Secrets that hold values: snapshots, and the controller's records of them."""


def attempted(*command: str, given: str | None = None) -> str:
    """Its output and its errors, whatever its end."""
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except subprocess.TimeoutExpired as error:
        return f"{command[:6]} did not end: {error.timeout:.0f} s"
    return done.stdout + done.stderr


def containers(place: Place) -> Iterator[tuple[str, str, Json]]:
    """Pod, container and the container's status."""
    for pod in place.items("pods"):
        status = pod.get("status", {})
        for member in ("initContainerStatuses", "containerStatuses"):
            for item in status.get(member, ()):
                yield pod["metadata"]["name"], item["name"], item


def logs(place: Place) -> Iterator[tuple[str, str]]:
    """By pod and container, of those that ran before a restart too."""
    for pod, container, status in containers(place):
        words = ("kubectl", "-n", place.namespace, "logs", pod, "-c", container)
        yield f"log {pod} {container}", attempted(*words)
        if status["restartCount"]:
            yield f"log {pod} {container} before", attempted(*words, "--previous")


def processes(place: Place) -> Iterator[tuple[str, str]]:
    """Environments and command lines, as each container sees them."""
    for pod, container, status in containers(place):
        if "running" in status["state"]:
            words = ("kubectl", "-n", place.namespace, "exec", "-i", pod, "-c", container)
            yield (
                f"proc {pod} {container}",
                attempted(*words, "--", "python3", "-", given=PROCESSES),
            )


def metrics(place: Place, *selected: str) -> Iterator[tuple[str, str]]:
    """The page /metrics of whatever listens in a pod; `selected` by more words of `kubectl get`."""
    for pod in place.items("pods", "--field-selector=status.phase=Running", *selected):
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][-1]["name"]
        words = ("kubectl", "-n", place.namespace, "exec", "-i", name, "-c", container)
        yield f"metrics {name}", attempted(*words, "--", "python3", "-", given=METRICS)


def end(place: Place, pod: str, container: str) -> None:
    """SIGTERM for a container's first process; the command may be killed with it."""
    words = ("kubectl", "-n", place.namespace, "exec", pod, "-c", container)
    attempted(*words, "--", "python3", "-c", "import os; os.kill(1, 15)")


def objects() -> Iterator[tuple[str, str]]:
    """Every object of every kind that can be listed, but the Secrets that hold values."""
    kinds = run("kubectl", "api-resources", "--verbs=list", "-o", "name").split()
    for kind in kinds:
        text = attempted("kubectl", "get", kind, "-A", "-o", "json")
        if kind == "secrets":
            text = json.dumps(
                [item for item in json.loads(text)["items"] if item.get("type") not in VALUES]
            )
        yield f"object {kind}", text


def keep(folder: Path) -> None:
    """Logs, Events and objects of all our namespaces."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = "pods,deployments,secretsnapshots,secretaccounts,secretpolicies,configmaps"
    for place in (SYSTEM, PROVIDER, TEAM, OTHER):
        said: dict[str, str] = {}
        try:
            said.update(logs(place))
        except (AssertionError, subprocess.SubprocessError) as error:
            said["not kept"] = repr(error)
        words = ("kubectl", "-n", place.namespace, "get")
        said["events"] = attempted(*words, "events", "--sort-by=.lastTimestamp")
        said["objects"] = attempted(*words, kinds, "-o", "yaml")
        said["overview"] = attempted(*words, kinds, "-o", "wide")
        for name, text in said.items():
            file = folder / f"{place.namespace} {name}.log".replace(" ", "_")
            file.write_text(text, encoding="utf-8", errors="surrogateescape")


def condition(pod: Json, name: str) -> Json:
    """A pod's condition, or nothing."""
    found = pod.get("status", {}).get("conditions", ())
    return next((item for item in found if item["type"] == name), {})

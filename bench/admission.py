"""The webhook on one core against a bare endpoint: requests/s, latency and memory.

A 6 KiB pod with three secrets, TLS, keep-alive. Webhook and yardstick run at the same time on one
core but are loaded in turns, from the other core; each figure is that of its best turn, because
what else runs on the machine only ever slows one down.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import make

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 8
BUSY_S, QUIET_S = 0.8, 0.3
CONNECTIONS = 16
RATE_AIM, MEMORY_AIM = 0.6, 1.5
ROOT = Path(__file__).parent.parent

POLICY = make.as_file(
    make.account(),
    make.policy(
        make.source("aws-prod", "aws-sm:/prod/{namespace}/*"),
        make.source("aws-prod", "aws-sm:/prod/{namespace}/signing/*", rules="critical"),
    ),
    make.namespace(),
)


def pod() -> dict[str, Any]:
    """A pod of usual size, 6 KiB, as the API server sends it."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10}
    token = {
        "name": "kube-api-access-x7v2p",
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": True,
    }
    containers = [
        {
            "name": name,
            "image": f"registry.example.com/payments/{name}@sha256:{'0' * 64}",
            "args": ["--listen", "0.0.0.0:8080", "--region", "ap-southeast-2"],
            "env": [{"name": f"SETTING_{at}", "value": "x" * 40} for at in range(24)],
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "resources": {
                "requests": {"cpu": "500m", "memory": "512Mi"},
                "limits": {"memory": "512Mi"},
            },
            "livenessProbe": probe,
            "readinessProbe": probe,
            "volumeMounts": [{"name": "tmp", "mountPath": "/scratch"}, token],
        }
        for name in ("api", "worker")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "payments-6c7d8f9b5-",
            "labels": {"app": "payments", "pod-template-hash": "6c7d8f9b5"},
            "annotations": {
                "prometheus.io/scrape": "true",
                "lastgood.dev/secret.db-password": "aws-sm:/prod/payments/db#password",
                "lastgood.dev/secret.api-key": "aws-sm:/prod/payments/api-key",
                "lastgood.dev/secret.tls-key": "aws-sm:/prod/payments/signing/tls",
                "lastgood.dev/env.DB_PASSWORD_FILE": "db-password",
            },
        },
        "spec": {
            "containers": containers,
            "securityContext": {"runAsNonRoot": True, "fsGroup": 2000},
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "kube-api-access-x7v2p", "projected": {"defaultMode": 420, "sources": []}},
            ],
            "restartPolicy": "Always",
            "serviceAccountName": "payments",
        },
    }


def review() -> bytes:
    """The request that an API server sends for it."""
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "payments",
        "operation": "CREATE",
        "dryRun": False,
        "object": pod(),
    }
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(document, separators=(",", ":")).encode()


def pinned(core: int) -> list[str]:
    """A prefix that keeps a command on one core, where the system can."""
    enough = (os.cpu_count() or 1) > 1
    return ["taskset", "-c", str(core)] if enough and shutil.which("taskset") else []


@contextlib.contextmanager
def serving(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """A server as a process: its port and pid. It prints its port, or a log line with it, first."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*pinned(0), sys.executable, "-m", *command], cwd=ROOT, stdout=file, env=environment
        )
        try:
            yield _port(log, process), process.pid
        finally:
            process.terminate()
            process.wait(20)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        line = log.read_bytes().partition(b"\n")
        if line[1]:
            found = json.loads(line[0])
            return int(found["port"] if isinstance(found, dict) else found)
    raise RuntimeError("the server did not start")


def loaded(
    port: int, folder: Path, connections: int, seconds: float, file: str = "review.json"
) -> dict[str, float]:
    """Figures of one turn of load."""
    arguments = [
        str(port),
        str(folder / "ca.crt"),
        str(folder / file),
        str(connections),
        str(seconds),
    ]
    command = [*pinned(1), sys.executable, "-m", "bench._admission_load", *arguments]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def rss_mib(pid: int) -> float:
    """Resident memory, in MiB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def ask(port: int, folder: Path) -> str:
    """The webhook's answer, which the yardstick then gives too."""
    import ssl  # noqa: PLC0415 - this one call

    context = ssl.create_default_context(cafile=folder / "ca.crt")
    request = urllib.request.Request(f"https://127.0.0.1:{port}/mutate", data=review())
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310 - ours
        text: str = answer.read().decode()
    return text


def prepare(folder: Path) -> dict[str, str]:
    """Certificates, policy and review; the webhook's environment."""
    command = [sys.executable, ROOT / "certs/dev_ca.py", folder, "--san", "127.0.0.1"]
    subprocess.run([*map(str, command)], check=True, timeout=60)
    (folder / "policy").mkdir()
    (folder / "policy/policy.yaml").write_text(POLICY, encoding="utf-8")
    (folder / "review.json").write_bytes(review())
    (folder / "distinct.json").write_bytes(review().replace(b'api-key",', b'NUMBER_",'))
    prefix = "LASTGOOD_WEBHOOK_"
    return {
        **os.environ,
        prefix + "LISTEN": "127.0.0.1:0",
        prefix + "CERT_FILE": str(folder / "tls.crt"),
        prefix + "KEY_FILE": str(folder / "tls.key"),
        prefix + "POLICY_DIR": str(folder / "policy"),
        prefix + "AGENT_IMAGE": f"registry.example.com/lastgood/agent@sha256:{'0' * 64}",
        prefix + "DRAIN_S": "0",
    }


def measure(folder: Path) -> None:
    """Load both in turns and print the lines."""
    environment = prepare(folder)
    figures: dict[str, list[dict[str, float]]] = {"webhook": [], "bare": [], "first": []}
    quiet: dict[str, list[dict[str, float]]] = {"webhook": [], "bare": []}
    with serving(["webhook"], folder / "webhook.log", environment) as (port, pid):
        pair = [str(folder / "tls.crt"), str(folder / "tls.key")]
        bare = ["bench._admission_yardstick", *pair, ask(port, folder)]
        with serving(bare, folder / "bare.log") as (bare_port, bare_pid):
            servers = {"webhook": port, "bare": bare_port}
            for _ in range(ROUNDS):
                for name, where in servers.items():
                    figures[name].append(loaded(where, folder, CONNECTIONS, BUSY_S))
                    quiet[name].append(loaded(where, folder, 1, QUIET_S))
                first = loaded(port, folder, CONNECTIONS, BUSY_S, "distinct.json")
                figures["first"].append(first)
            memory = {"webhook": rss_mib(pid), "bare": rss_mib(bare_pid)}
    report(figures, quiet, memory)


def report(
    figures: dict[str, list[dict[str, float]]],
    quiet: dict[str, list[dict[str, float]]],
    memory: dict[str, float],
) -> None:
    """`bench NAME RATIO aim AIM ok|short`, then the absolute figures."""
    best = {name: max(turn["per_s"] for turn in turns) for name, turns in figures.items()}
    for line, name in (("admission-rate", "webhook"), ("admission-rate-first-pods", "first")):
        ratio = best[name] / best["bare"]
        state = "ok" if ratio >= RATE_AIM else "short"
        print(f"bench {line} {ratio:.2f} aim {RATE_AIM} {state}")
    share = memory["webhook"] / memory["bare"]
    state = "ok" if share <= MEMORY_AIM else "short"
    print(f"bench admission-rss {share:.2f} aim {MEMORY_AIM} {state}")
    for name in ("webhook", "bare"):
        p50, p99 = (min(turn[key] for turn in quiet[name]) * 1000 for key in ("p50_s", "p99_s"))
        print(
            f"  {name}: {best[name]:.0f} requests/s at {CONNECTIONS} connections;"
            f" at one p50 {p50:.2f} ms, p99 {p99:.2f} ms; RSS {memory[name]:.1f} MiB"
        )
    print(f"  first pods of templates, nothing remembered: {best['first']:.0f} requests/s")
    print(f"  review of {len(review())} bytes on {dt.date.today()}")  # noqa: DTZ011 - for the reader


def main() -> int:
    """Exit code 0 when it ran to its end."""
    with tempfile.TemporaryDirectory(prefix="lastgood-bench-") as folder:
        measure(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The chart on the cluster of KUBECONFIG, with a provider, and a namespace and policy of ours."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.cluster.figures import say
from tests.e2e.install import world
from tests.e2e.install.kubectl import Json, Place, run
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

TEAM = Place("lastgood-bench-team")
POLICY = "lastgood-bench-team"
REFERENCE = "/bench/db"
ASKS = {"lastgood.dev/secret.db": f"aws-sm:{REFERENCE}"}
SYNC_S = 120.0
WATCH = """
import hashlib, json, os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
PATHS = json.loads(os.environ["PATHS"])
def seen():
    found = {}
    for name, path in PATHS.items():
        try:
            with open(path, "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            found[name] = ""
    return found
def say(files):
    os.write(1, json.dumps({"at": time.time(), "files": files}).encode() + b"\\n")
before = seen()
say(before)
while True:
    time.sleep(0.1)
    now = seen()
    if now != before:
        before = now
        say(now)
"""
"""An app that says when it has begun, and when a file has become another, by digests."""


def app(settings: Settings, paths: dict[str, str]) -> Json:
    """The spec of a pod that runs WATCH on these files, and has nothing of ours in it."""
    spec: Json = world.app(settings, PATHS=json.dumps(paths))
    spec["containers"][0]["command"] = ["python3", "-I", "-S", "-c", WATCH]
    return {**spec, "terminationGracePeriodSeconds": 1}


@contextmanager
def installed(settings: Settings) -> Iterator[Provider]:
    """Helm install; all of it is removed at the end, however that comes."""
    remove()
    try:
        provider = world.Provider(settings)
        provider.start()
        provider.fault("pass")
        provider.put(REFERENCE, "the first value")
        world.install(settings, provider)
        run("kubectl", "apply", "-f", "-", given=json.dumps(_policy()))
        labels = {"lastgood.dev/policy": POLICY, "pod-security.kubernetes.io/enforce": "restricted"}
        namespace = world.namespace(TEAM.namespace, labels)
        run("kubectl", "apply", "-f", "-", given=json.dumps(namespace))
        say("installed")
        yield provider
    finally:
        remove()


def remove() -> None:
    """What `installed` makes, and what a run that was killed left of it."""
    TEAM.kubectl("delete", "deployments,pods", "--all", "--grace-period=1", "--ignore-not-found")
    run("kubectl", "delete", "namespace", TEAM.namespace, "--ignore-not-found", "--timeout=180s")
    world.remove()
    # While the chart is there, a policy in use is kept.
    kinds = run("kubectl", "api-resources", "--cached=false", "-o", "name").split()
    if "secretpolicies.lastgood.dev" in kinds:
        words = ("--ignore-not-found", "--timeout=30s")
        run("kubectl", "delete", f"secretpolicy/{POLICY}", *words)


def snapshot() -> Json:
    """The team's SecretSnapshot; nothing when there is none yet."""
    found = TEAM.items("secretsnapshots")
    return found[0] if found else {}


def served(version: str) -> None:
    """Waits until the controller serves this version."""
    until(
        f"{version} to be served",
        lambda: snapshot().get("status", {}).get("version") == version,
        SYNC_S,
    )


def _policy() -> Json:
    rules = {
        "refreshInterval": "10s",
        "freshnessBudget": "10m",
        "maxAge": "24h",
        "onExpired": "serve",
        "propagation": "nudge",
    }
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "namespaces": [TEAM.namespace],
            "sources": [{"account": "moto", "allow": ["aws-sm:/bench/*"], "class": "steady"}],
            "classes": {"steady": rules},
        },
    }

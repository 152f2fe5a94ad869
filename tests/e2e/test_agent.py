"""The agent in a real sidecar: rotations, reloads, its own death, and the pod's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import RELOAD
from tests.e2e.cluster import PATIENCE_S, container, digest, plan_of, pod
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster, Json
    from tests.e2e.settings import Settings

pytestmark = pytest.mark.e2e
OWNER = {"runAsUser": 1000}
LISTEN = [{"name": "LISTEN", "value": "1"}]
KILL_AGENT = """import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read().split(b"\\0")
    if b"/opt/lastgood" in words and b"follow" in words:
        os.kill(int(pid), signal.SIGKILL)"""


def running(
    cluster: Cluster, settings: Settings, name: str, value: str, reload: str | None, **spec: object
) -> Json:
    """A pod in `follow` mode that runs; as rendered."""
    asked = {**asking(db=f"file:/steady/{name}"), **({RELOAD: reload} if reload else {})}
    app = container(settings, env=LISTEN)
    rendered = cluster.render(pod(name, asked, app, security=OWNER, **spec))
    cluster.publish(rendered, value)
    cluster.create(rendered)
    cluster.said(name, "started")
    cluster.ready(name)
    return rendered


def test_a_rotation_reaches_the_file_and_reloads_the_app(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """A new version and a nudge: the app reads the new value and is called; its process stays."""
    url = "http://127.0.0.1:8080/reload"
    rendered = running(cluster, settings, "rotated", value, url)
    cluster.rotate(rendered, "the next")
    cluster.nudge("rotated")
    reload = cluster.said("rotated", "reload")
    assert reload["files"]["db"]["digest"] == digest("the next")
    changed = cluster.said("rotated", "changed")
    assert changed["files"]["db"]["digest"] == digest("the next")
    assert cluster.container("rotated", "app")["restartCount"] == 0


def test_a_reload_by_signal_reaches_the_app(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """In a shared process namespace the app gets SIGHUP, and neither agent nor pause does harm."""
    rendered = running(
        cluster, settings, "signalled", value, "signal:HUP", shareProcessNamespace=True
    )
    cluster.rotate(rendered, "the next")
    cluster.nudge("signalled")
    told = cluster.said("signalled", "signal")
    assert told["files"]["db"]["digest"] == digest("the next")
    assert cluster.container("signalled", layout.AGENT)["restartCount"] == 0


def test_a_killed_agent_takes_nothing_and_comes_back(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """Killed by SIGKILL it starts again; the app kept its files and follows the next version."""
    rendered = running(cluster, settings, "bereft", value, "signal:HUP", shareProcessNamespace=True)
    cluster.execute("bereft", "app", KILL_AGENT)
    until(
        "the agent's restart",
        lambda: cluster.container("bereft", layout.AGENT).get("restartCount") == 1,
        PATIENCE_S,
    )
    cluster.ready("bereft")
    assert cluster.events("bereft", "changed") == []
    assert cluster.container("bereft", "app")["restartCount"] == 0
    cluster.rotate(rendered, "the next")
    cluster.nudge("bereft")
    changed = cluster.said("bereft", "changed")
    assert changed["files"]["db"]["digest"] == digest("the next")


def test_a_secret_that_vanishes_takes_nothing(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """The Secret is deleted under a running pod: the agent says so, and the app keeps its file."""
    rendered = running(cluster, settings, "kept", value, None)
    cluster.kubectl("delete", "secret", plan_of(rendered).snapshots[0].snapshot)
    cluster.nudge("kept")
    holding = cluster.said("kept", "agent.holding", layout.AGENT)
    assert holding["secrets"] == {"db": "missing"}
    assert cluster.events("kept", "changed") == []


def test_a_revoked_version_leaves_the_pod(cluster: Cluster, settings: Settings, value: str) -> None:
    """A tombstone in the Secret takes the file out of the running pod, and the app goes on."""
    rendered = running(cluster, settings, "revoked", value, None)
    name = plan_of(rendered).snapshots[0].snapshot
    cluster.restate(name, serving="revoked", version=None, fetched_at=None, revoked=["v1"])
    cluster.nudge("revoked")
    assert cluster.said("revoked", "changed")["files"] == {}
    assert cluster.container("revoked", "app")["restartCount"] == 0


def test_a_running_pod_ends_within_its_grace_time(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """Agent and app end on SIGTERM: the pod is gone long before it would be killed."""
    running(cluster, settings, "ending", value, None)
    cluster.delete("ending")
    until("the pod to be gone", lambda: not cluster.exists("ending"), PATIENCE_S)

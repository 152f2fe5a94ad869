"""Each row of the table in docs/contract.md, started by a real kubelet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import ENV, MODE, RELOAD
from tests.e2e.cluster import container, digest, pod, template
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster, Json
    from tests.e2e.settings import Settings

pytestmark = pytest.mark.e2e
APP_UID = 1000
OWNER = {"runAsUser": APP_UID}


def names(found: Json, member: str) -> list[str]:
    """The names of a pod's containers."""
    return [item["name"] for item in template(found)["spec"].get(member, ())]


def test_a_deployment_follows(cluster: Cluster, settings: Settings, value: str) -> None:
    """Gate, app, agent: the pod turns ready, and the app read its file by the variable's path."""
    asked = {**asking(db="file:/steady/web#password"), ENV + "DB_FILE": "db"}
    whole = pod("web", asked, container(settings), security=OWNER)
    metadata = {"labels": {"app": "web"}, "annotations": whole["metadata"]["annotations"]}
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": metadata, "spec": whole["spec"]},
        },
    }
    rendered = cluster.render(wanted)
    assert names(rendered, "initContainers") == [layout.GATE]
    assert names(rendered, "containers") == ["app", layout.AGENT]
    cluster.publish(template(rendered), value)
    cluster.create(rendered)
    name = cluster.pod_of("app=web")
    started = cluster.said(name, "started")
    cluster.ready(name)
    assert started["files"]["db"]["digest"] == digest(json.loads(value)["password"])
    assert started["variables"] == {"DB_FILE": layout.DEFAULT_MOUNT_PATH + "/db"}


def test_a_job_ends(cluster: Cluster, settings: Settings, value: str) -> None:
    """The agent is a native sidecar, and the Job completes beside it."""
    once = container(settings, env=[{"name": "ONCE", "value": "1"}])
    asked = asking(db="file:/steady/job")
    whole = pod("once", asked, once, security=OWNER, restartPolicy="Never")
    metadata = {"annotations": whole["metadata"]["annotations"]}
    wanted = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"backoffLimit": 0, "template": {"metadata": metadata, "spec": whole["spec"]}},
    }
    rendered = cluster.render(wanted)
    assert names(rendered, "initContainers") == [layout.GATE, layout.AGENT]
    assert names(rendered, "containers") == ["app"]
    cluster.publish(template(rendered), value)
    cluster.create(rendered)
    cluster.kubectl("wait", "--for=condition=Complete", "job/once", "--timeout=60s")
    name = cluster.pod_of("job-name=once")
    assert cluster.said(name, "started")["files"]["db"]["digest"] == digest(value)
    assert cluster.ended(name, layout.AGENT)["exitCode"] == 0


def test_mount_adds_nothing(cluster: Cluster, settings: Settings, value: str) -> None:
    """In `mount` mode the app alone mounts the snapshot, under its file's name."""
    asked = {**asking(db="file:/steady/bare"), MODE: "mount"}
    rendered = cluster.render(pod("bare", asked, container(settings), security=OWNER))
    assert names(rendered, "initContainers") == []
    assert names(rendered, "containers") == ["app"]
    cluster.publish(rendered, value)
    cluster.create(rendered)
    started = cluster.said("bare", "started")
    cluster.ready("bare")
    assert started["files"]["db"] == {"mode": "0o444", "uid": 0, "gid": 0, "digest": digest(value)}


def test_mount_with_refusal_has_a_gate(cluster: Cluster, settings: Settings, value: str) -> None:
    """An expired value of a class that refuses holds the pod, until its age is young again."""
    asked = {**asking(db="file:/strict/bare"), MODE: "mount"}
    rendered = cluster.render(pod("held-bare", asked, container(settings), security=OWNER))
    assert names(rendered, "initContainers") == [layout.GATE]
    assert names(rendered, "containers") == ["app"]
    cluster.publish(rendered, value, age_s=7200)
    cluster.create(rendered)
    held = cluster.said("held-bare", "gate.waiting", layout.GATE)
    assert held["secrets"] == {"db": "expired"}
    assert "running" in cluster.container("held-bare", layout.GATE)["state"]
    cluster.confirm(rendered)
    cluster.nudge("held-bare")
    assert cluster.said("held-bare", "started")["files"]["db"]["digest"] == digest(value)


def test_mount_with_reload_has_an_agent(cluster: Cluster, settings: Settings, value: str) -> None:
    """A new version in the mount makes the agent call the app, which then reads it."""
    url = "http://127.0.0.1:8080/reload"
    asked = {**asking(db="file:/steady/reloaded"), MODE: "mount", RELOAD: url}
    listening = container(settings, env=[{"name": "LISTEN", "value": "1"}])
    rendered = cluster.render(pod("reloaded", asked, listening, security=OWNER))
    assert names(rendered, "initContainers") == []
    assert names(rendered, "containers") == ["app", layout.AGENT]
    cluster.publish(rendered, value)
    cluster.create(rendered)
    cluster.said("reloaded", "started")
    cluster.ready("reloaded")
    cluster.rotate(rendered, "the next")
    cluster.nudge("reloaded")
    reload = cluster.said("reloaded", "reload")
    assert reload["path"] == "/reload"
    assert reload["files"]["db"]["digest"] == digest("the next")


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        pytest.param("assured", None, id="each-container"),
        pytest.param("together", {"cpu": "200m", "memory": "64Mi"}, id="whole-pod"),
    ],
)
def test_a_guaranteed_pod_stays_guaranteed(
    cluster: Cluster, settings: Settings, value: str, name: str, whole: Json | None
) -> None:
    """Ours ask for what they may use, pod-level resources grow to hold them, and the pod starts."""
    amounts = {"cpu": "100m", "memory": "48Mi"}
    app = container(settings)
    if whole is None:
        app["resources"] = {"requests": amounts, "limits": amounts}
    spec = {} if whole is None else {"resources": {"requests": whole, "limits": whole}}
    asked = asking(db=f"file:/steady/{name}")
    rendered = cluster.render(pod(name, asked, app, security=OWNER, **spec))
    cluster.publish(rendered, value)
    cluster.create(rendered)
    cluster.said(name, "started")
    cluster.ready(name)
    assert cluster.get("pod", name)["status"]["qosClass"] == "Guaranteed"

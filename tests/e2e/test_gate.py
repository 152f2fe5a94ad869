"""The gate in a real init container: what it waits for, what releases it, and what it leaves
behind.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.cluster import PATIENCE_S, container, digest, plan_of, pod
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster, Json
    from tests.e2e.settings import Settings

pytestmark = pytest.mark.e2e
OWNER = {"runAsUser": 1000}


def asked_for(cluster: Cluster, settings: Settings, name: str, source: str) -> Json:
    """A rendered pod in `follow` mode with one secret, not created."""
    return cluster.render(pod(name, asking(db=source), container(settings), security=OWNER))


def test_the_gate_leaves_one_line(cluster: Cluster, settings: Settings, value: str) -> None:
    """Its termination message is its JSON line, and it names no value."""
    rendered = asked_for(cluster, settings, "line", "file:/steady/line")
    cluster.publish(rendered, value)
    cluster.create(rendered)
    ended = cluster.ended("line", layout.GATE)
    message = json.loads(ended["message"])
    assert ended["exitCode"] == 0
    assert (message["v"], message["result"]) == (1, "started")
    assert (message["fresh"], message["stale"], message["expired"]) == (1, 0, 0)
    assert value not in ended["message"]


def test_p1_a_source_never_synced_is_waited_for(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """No Secret: the gate runs and waits, without a restart; made and nudged, the app starts."""
    rendered = asked_for(cluster, settings, "early", "file:/steady/early")
    cluster.create(rendered)
    held = cluster.said("early", "gate.waiting", layout.GATE)
    assert held["secrets"] == {"db": "never-synced"}
    assert "running" in cluster.container("early", layout.GATE)["state"]
    cluster.publish(rendered, value)
    cluster.nudge("early")
    assert cluster.said("early", "started")["files"]["db"]["digest"] == digest(value)
    assert cluster.container("early", layout.GATE)["restartCount"] == 0


def test_what_has_expired_and_is_refused_is_held_until_it_is_young(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """The value is there but too old; a younger age in the ConfigMap alone lets the pod go."""
    rendered = asked_for(cluster, settings, "old", "file:/strict/old")
    cluster.publish(rendered, value, age_s=7200)
    cluster.create(rendered)
    held = cluster.said("old", "gate.waiting", layout.GATE)
    assert held["secrets"] == {"db": "expired"}
    cluster.confirm(rendered)
    cluster.nudge("old")
    assert cluster.said("old", "started")["files"]["db"]["digest"] == digest(value)


def test_what_has_expired_and_is_served_starts(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """A class that serves starts with an expired value, and the gate's line says that it is."""
    rendered = asked_for(cluster, settings, "stale", "file:/steady/stale")
    cluster.publish(rendered, value, age_s=3 * 86400)
    cluster.create(rendered)
    assert cluster.said("stale", "started")["files"]["db"]["digest"] == digest(value)
    assert json.loads(cluster.ended("stale", layout.GATE)["message"])["expired"] == 1


def test_another_sources_snapshot_is_misconfigured(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """A Secret of the right name that is of another source: exit code 12 and a sentence, no app."""
    rendered = asked_for(cluster, settings, "foreign", "file:/steady/foreign")
    name = plan_of(rendered).snapshots[0].snapshot
    cluster.publish(rendered, value)
    cluster.restate(name, reference="/steady/other")
    cluster.create(rendered)
    ended = cluster.ended("foreign", layout.GATE)
    assert ended["exitCode"] == layout.GATE_MISCONFIGURED
    assert json.loads(ended["message"])["result"] == "misconfigured"
    assert name in ended["message"]
    assert "waiting" in cluster.container("foreign", "app")["state"]


def test_a_waiting_gate_ends_with_its_pod(cluster: Cluster, settings: Settings) -> None:
    """A pod that waits is deleted well within its grace time."""
    rendered = asked_for(cluster, settings, "waiting", "file:/steady/never")
    cluster.create(rendered)
    cluster.said("waiting", "gate.waiting", layout.GATE)
    cluster.delete("waiting")
    until("the pod to be gone", lambda: not cluster.exists("waiting"), PATIENCE_S)

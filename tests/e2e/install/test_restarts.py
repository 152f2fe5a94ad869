"""P10 and P11: what restarts while apps run and the provider is down; P5: ages stay true."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import RELOAD
from tests.e2e.install import evidence, machine
from tests.e2e.install.team import (
    confirmed,
    one,
    restarts,
    snapshot,
    status_of,
    well,
)
from tests.e2e.install.world import SYSTEM, TEAM, app, deployment
from tests.e2e.test_agent import KILL_AGENT
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.machine import Machine
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
STEADY = "/e2e/restarts"
APPS = ("steady", "shared")
AGES_WRITTEN_S = 60.0
"""Ages are written at least every quarter of the smallest budget: 33 s."""


@pytest.fixture(scope="module")
def outage(installed: Provider, settings: Settings, value: str) -> Iterator[float]:
    """Two pods, of which one can kill its agent; from then on the provider answers nothing. When it
    does again the age is a younger one.
    """
    installed.put(STEADY, value)
    asks = asking(db=f"aws-sm:{STEADY}")
    TEAM.create(deployment("steady", app(settings, LISTEN="1"), asks))
    shared = {**app(settings), "shareProcessNamespace": True}
    TEAM.create(deployment("shared", shared, {**asks, RELOAD: "signal:HUP"}))
    for name in APPS:
        TEAM.rolled_out(name)
    installed.fault("blackhole")
    time.sleep(1)  # what was in progress has ended
    began = time.time()
    yield began
    well(installed, STEADY)
    until("an age that is younger", lambda: confirmed(STEADY) > began, AGES_WRITTEN_S)


@pytest.fixture
def unchanged(outage: float) -> Iterator[None]:
    """Apps keep their process and files, and no age is younger than the provider's last word."""
    before = {name: TEAM.told(name) for name in APPS}
    assert all(before.values())
    yield
    assert {name: TEAM.told(name) for name in APPS} == before
    assert confirmed(STEADY) < outage
    for name in APPS:
        seen = status_of(one(name)).secrets["db"].last_success
        assert seen is not None
        assert seen < outage


@pytest.mark.usefixtures("unchanged")
def test_p11_the_deletion_of_a_snapshot_is_refused() -> None:
    """P11: the deletion of a snapshot's Secret tried, by an admin: refused with a reason, and
    running apps keep their files.
    """
    secret = snapshot(STEADY)["metadata"]["name"]
    words = ["kubectl", "-n", TEAM.namespace, "delete", "secret", secret]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    assert tried.returncode != 0
    assert "controller" in tried.stderr


@pytest.mark.usefixtures("unchanged")
def test_p11_controller_and_webhook_restart_and_apps_keep_their_files() -> None:
    """P11: controller and webhook restarted while the provider answers nothing: running apps keep
    process and files, and ages stay true.
    """
    for name in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.kubectl("rollout", "restart", f"deployment/{name}")
    for name in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.rolled_out(name)


@pytest.mark.usefixtures("unchanged")
def test_p10_an_agent_that_is_killed_comes_back() -> None:
    """P10: agents ended and killed: each starts again, and the app keeps process and files."""
    evidence.end(TEAM, one("steady"), layout.AGENT)
    TEAM.execute(one("shared"), "app", KILL_AGENT)
    for name in APPS:
        until("the agent's restart", partial(_restarted, one(name)), 30)
        TEAM.rolled_out(name)


@pytest.fixture
def node(settings: Settings) -> Machine:
    """A node of which the processes can be killed."""
    found = machine.here(settings)
    if found is None:
        pytest.skip("the cluster's processes are not this machine's to kill")
    return found


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", ["apiserver", "kubelet"])
def test_p11_the_clusters_own_processes_restart(node: Machine, name: str) -> None:
    """P11: the API server, or the kubelet, is killed and started again: running apps keep process
    and files, ages stay true, and no agent restarts.
    """
    before = [restarts(one(each)) for each in APPS]
    try:
        node.kill(name)
        time.sleep(3)
    finally:
        node.start()
    for each in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.rolled_out(each)
    assert [restarts(one(each)) for each in APPS] == before


def _restarted(pod: str) -> bool:
    found = restarts(pod)
    return found[layout.AGENT] == 1 and found["app"] == 0

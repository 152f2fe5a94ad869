"""P10: what the agent's failures do to its pod: nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.install import evidence
from tests.e2e.install.team import one, read_by_all, refresh, restarts, snapshot, state
from tests.e2e.install.world import TEAM, app, deployment
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
FULL = "/e2e/full"
FAILURES = 20
FILLER = f"{layout.CACHE_MOUNT}/filler"
FILL = f"""
with open({FILLER!r}, "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)):
            pass
    except OSError as error:
        print(error.strerror)
"""
COUNT = f"""
import urllib.request
page = urllib.request.urlopen("http://127.0.0.1:{layout.AGENT_PORT}/metrics", timeout=5)
lines = page.read().decode().splitlines()
print(next(line.split()[1] for line in lines if 'failures_total{{part="cache"}}' in line))
"""


def test_p10_failures_of_the_agents_work_leave_the_pod_ready(
    installed: Provider, settings: Settings, value: str, record_property: Record
) -> None:
    """P10: with its cache full the agent's work fails 20 times: the pod stays Ready, nothing
    restarts, the app keeps its file; with room again it gets the newest version.
    """
    first = installed.put(FULL, value)
    TEAM.create(deployment("full", app(settings), asking(db=f"aws-sm:{FULL}")))
    TEAM.rolled_out("full")
    second = installed.put(FULL, value.replace("first", "second"))
    refresh(FULL)
    read_by_all(value.replace("first", "second"), "full")
    pod, name = one("full"), snapshot(FULL)["metadata"]["name"]
    ready = evidence.condition(TEAM.get("pod", pod), "Ready")
    assert ready["status"] == "True"
    assert TEAM.execute(pod, layout.AGENT, FILL).strip() == "No space left on device"
    said = TEAM.said(pod)
    versions = [first, second]
    until("the agent to fail", lambda: _pinned(name, versions) and _failed(pod) >= FAILURES, 120)
    record_property("failures", _failed(pod))
    assert evidence.condition(TEAM.get("pod", pod), "Ready") == ready
    assert set(restarts(pod).values()) == {0}
    assert TEAM.said(pod) == said
    TEAM.execute(pod, layout.AGENT, f"import os; os.remove({FILLER!r})")
    TEAM.patch("secretsnapshot", name, {"spec": {"pin": None}})
    third = value.replace("first", "third")
    installed.put(FULL, third)
    refresh(FULL)
    read_by_all(third, "full", 60)


def _pinned(name: str, versions: list[str]) -> bool:
    """Pins the other of two versions, which the kubelet then shows to the agent."""
    versions.reverse()
    TEAM.patch("secretsnapshot", name, {"spec": {"pin": versions[0]}})
    until("the pin", lambda: state(FULL).get("version") == versions[0], 20)
    time.sleep(0.5)  # the kubelet's and the agent's turn
    return True


def _failed(pod: str) -> int:
    return int(TEAM.execute(pod, layout.AGENT, COUNT))

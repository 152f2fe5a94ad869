"""P1's other side: a source that was never synced holds its pods, says so, and lets them go."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import MODE
from tests.e2e.cluster import digest
from tests.e2e.install.team import at, container, digests, events_of, one, restarts, secret_of
from tests.e2e.install.world import TEAM, app, deployment
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
LATE = {"late": "/e2e/late", "late-mount": "/e2e/late-mount"}
WHOLE_S = 1
"""Both times are whole seconds."""


@pytest.fixture(scope="module")
def waited(installed: Provider, settings: Settings, value: str) -> Provider:
    """Two pods whose sources appear at the provider after both were held, at one time."""
    for name, reference in LATE.items():
        asks = asking(db=f"aws-sm:{reference}")
        mode = {MODE: "mount"} if name == "late-mount" else {}
        TEAM.create(deployment(name, app(settings), {**asks, **mode}))
    for name, reference in LATE.items():
        until(f"a pod of {name}", partial(TEAM.pods, name), 30)
        until(
            "an Event that names the source, the error and what to do",
            partial(_told, one(name), f"waits for aws-sm:{reference} of account moto"),
            60,
        )
    until("the gate to wait", partial(_waits, one("late")), 30)
    for reference in LATE.values():
        installed.put(reference, value)
    return installed


def test_the_gate_waits_and_the_app_starts_within_5_s_of_the_snapshot(
    waited: Provider, value: str, record_property: Record
) -> None:
    """Never synced, `follow`: an Event says for what, the gate waits without a restart, and the
    app starts within 5 s of the snapshot's existence. The gate's last line says how long it waited.
    """
    del waited
    waited_s = _started_after("late")
    record_property("after s", waited_s)
    assert waited_s <= 5 + WHOLE_S
    assert digests("late") == {digest(value)}
    assert set(restarts(one("late")).values()) == {0}
    ended = container(one("late"), layout.GATE)["state"]["terminated"]
    line = json.loads(ended["message"])
    assert (ended["exitCode"], line["result"], line["fresh"]) == (0, "started", 1)
    assert line["waited_s"] > 0


def test_in_mount_mode_the_app_starts_when_the_kubelet_tries_again(
    waited: Provider, value: str, record_property: Record
) -> None:
    """Never synced, `mount`: an Event says for what, and the app starts when the kubelet tries to
    mount again.
    """
    del waited
    record_property("after s", _started_after("late-mount"))
    assert digests("late-mount") == {digest(value)}


def _started_after(name: str) -> float:
    """Seconds from the snapshot's existence to the app's start."""
    TEAM.rolled_out(name, 180)
    (pod,) = TEAM.pods(name)
    began = container(pod["metadata"]["name"], "app")["state"]["running"]["startedAt"]
    return at(began) - at(secret_of(pod)["metadata"]["creationTimestamp"])


def _told(pod: str, what: str) -> bool:
    return any(what in text and "absent" in text for text in events_of(pod))


def _waits(pod: str) -> bool:
    return "running" in container(pod, layout.GATE).get("state", {})

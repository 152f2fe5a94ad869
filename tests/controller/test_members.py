"""What pods are given of a JSON object, in either mode: the controller's process, and a gate's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contract import layout, plan
from contract.annotations import PLAN
from contract.reasons import CacheReason
from contract.snapshot_format import META, data_key
from demo.image import build_agent_image
from tests import make
from tests.agent.pod import AgentPod
from tests.make.cluster import World, snapshot_of
from tests.make.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from contract.plan import PlannedSnapshot

DB = "/prod/payments/db"


def asked(*properties: str) -> PlannedSnapshot:
    """One file of each."""
    return make.planned_snapshot(
        *(make.planned_file(f"s{at}", part=part) for at, part in enumerate(properties)),
        account="files",
        identity="controller",
        scheme="file",
        reference=DB,
    )


def put(world: World, mode: str, planned: PlannedSnapshot) -> None:
    """An injected pod: with a gate, or in `mount` mode with its volume alone."""
    wire = plan.to_wire(make.plan(planned, mode=mode))
    if mode == plan.FOLLOW:
        gate = make.container(layout.GATE, args=["gate", "--plan", wire])
        pod = make.pod("web-1", namespace="payments", annotations={}, initContainers=[gate])
    else:
        items = [{"key": data_key(file.property), "path": file.file} for file in planned.files]
        source = {"secret": {"name": planned.snapshot, "items": items}}
        volume = {"name": layout.SNAPSHOTS_VOLUME, "projected": {"sources": [source]}}
        pod = make.pod("web-1", namespace="payments", annotations={PLAN: wire}, volumes=[volume])
    world.server.apply(pod)


@pytest.mark.parametrize("mode", plan.MODES)
def test_an_empty_member_is_given_in_no_mode_and_an_element_of_a_list_in_both(
    world: World, tmp_path: Path, mode: str
) -> None:
    """No pod starts with an empty file: without the key the kubelet waits in `mount` mode, and the
    gate in `follow`. Once there is a value, the pod has it.
    """
    planned = asked("opt", "list/0", "user")
    value = {"opt": "", "list": ["first", "second"], "user": "u"}
    world.secret(DB, json.dumps(value).encode())
    put(world, mode, planned)
    world.start()
    until("the element to be given", lambda: "p.list..0" in world.volume(DB))
    given = world.volume(DB)
    assert {key: raw for key, raw in given.items() if key not in (META, "value")} == {
        "p.list": b'["first","second"]',
        "p.list..0": b"first",
        "p.user": b"u",
    }
    held = AgentPod(tmp_path / "held", make.plan(planned), build_agent_image(tmp_path / "image"))
    held.mount(planned, given, given[META])
    with held.start("gate") as gate:
        (line, *_) = until("the gate to wait", lambda: gate.events("gate.waiting"))
        assert set(line["secrets"].values()) == {CacheReason.PROPERTY_MISSING.value}
        world.secret(DB, json.dumps({**value, "opt": "now"}).encode())
        world.refresh(DB)
        until("the member to be given", lambda: world.volume(DB).get("p.opt") == b"now")
        given = world.volume(DB)
        held.mount(planned, given, given[META])
        assert gate.process.wait(timeout=20) == 0
    assert held.shown() == {"s0": b"now", "s1": b"first", "s2": b"u"}
    assert planned.snapshot == snapshot_of(DB)

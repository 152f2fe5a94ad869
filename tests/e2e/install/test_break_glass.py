"""docs/operations/break-glass.md, line by line: off while all of ours is down, and on again."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.annotations import MODE
from tests.chart.rendering import helm
from tests.e2e.cluster import digest
from tests.e2e.install.kubectl import run
from tests.e2e.install.team import digests, names, read_by_all
from tests.e2e.install.world import DB, NOTHING, QUICK, SYSTEM, TEAM, app, deployment, pod
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/operations/break-glass.md").read_text(encoding="utf-8")
OURS = ("lastgood-webhook", "lastgood-controller")
FOLLOWED_S = 20.0
"""Until the API server no longer asks, in seconds."""
ASKS = asking(db=DB)
BARE, OTHER_MODE = "glass-alone", "glass-mount"
RUNNING = {"glass": ASKS, OTHER_MODE: {**ASKS, MODE: "mount"}}


def commands(heading: str) -> list[str]:
    """The lines of the code blocks below a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def type_line(line: str) -> str:
    """The output of a line; namespace and Deployment are those of these tests."""
    program, *words = shlex.split(line)
    ours = {QUICK.namespace: TEAM.namespace, "deployment/hello": "deployment/glass"}
    words = [ours.get(word, word) for word in words]
    if program == "helm":
        paths = [str(ROOT / word) if (ROOT / word).exists() else word for word in words]
        return run(helm() or "helm", *paths)
    assert program == "kubectl", line
    return run(program, *words)


def refusal(manifest: Json, says: str) -> None:
    """Waits until the API server refuses the pod with these words; it never lets it in."""
    until(f"a refusal with {says!r}", lambda: says in TEAM.refused(manifest), FOLLOWED_S)


def let_in(manifest: Json) -> bool:
    """Whether the API server takes the pod now."""
    try:
        TEAM.create(manifest)
    except AssertionError:
        return False
    return True


@pytest.fixture
def down(installed: Provider, settings: Settings, value: str) -> Iterator[None]:
    """Pods of both modes run, and then no process of ours does. All of ours is back after it."""
    del installed
    for name, asks in RUNNING.items():
        TEAM.create(deployment(name, app(settings), asks))
    for name in RUNNING:
        TEAM.rolled_out(name)
        read_by_all(value, name)
    try:
        for name in OURS:
            SYSTEM.scale(name, 0)
        yield
    finally:
        type_line(commands("On again")[0])
        for name in OURS:
            SYSTEM.scale(name, 2)
        TEAM.kubectl("delete", "deployment", *RUNNING)
        TEAM.kubectl("delete", "pod", BARE, "--ignore-not-found")


@pytest.mark.usefixtures("down")
def test_break_glass(settings: Settings, value: str) -> None:
    """Break-glass, with webhook and controller down: an annotated pod is refused; after two
    commands one starts without files, running pods and snapshots stay; on again, each has its
    files.
    """
    before = {name: set(names(name)) for name in RUNNING}
    kept = TEAM.kubectl("get", "secretsnapshots,secrets", "-o", "name")
    bare = pod(BARE, app(settings, FOLDER=NOTHING), ASKS)
    refusal(bare, "pods.lastgood.dev")

    first, second = commands("Off")
    type_line(first)
    refusal(bare, "lastgood did not inject it")
    type_line(second)
    until("the pod to be let in", lambda: let_in(bare), FOLLOWED_S)
    TEAM.kubectl("wait", "--for=condition=Ready", f"pod/{BARE}", "--timeout=60s")
    for name in RUNNING:
        assert digests(name) == {digest(value)}
        TEAM.kubectl("scale", f"deployment/{name}", "--replicas=2")
        until(f"a new pod of {name}", partial(two, name), FOLLOWED_S)
        assert before[name] < set(names(name))
    volumes = {item["name"] for name in RUNNING for it in new(name, before) for item in it}
    assert not {name for name in volumes if name.startswith("lastgood-")}
    assert TEAM.kubectl("get", "secretsnapshots,secrets", "-o", "name") == kept

    back, table, restart = commands("On again")
    type_line(back)
    shown = dict(line.split() for line in type_line(table).splitlines())
    mine = {it for name in RUNNING for it in names(name)}
    assert {it for it in mine if shown[it] != "<none>"} == set().union(*before.values())
    type_line(restart)
    TEAM.kubectl("rollout", "restart", f"deployment/{OTHER_MODE}")
    for name in RUNNING:
        TEAM.rolled_out(name)
        until(f"{name} to be replaced", partial(two, name), FOLLOWED_S)
        read_by_all(value, name)


def two(name: str) -> bool:
    """Whether a Deployment has its two pods, and no more that ends."""
    return len(names(name)) == 2


def new(name: str, before: dict[str, set[str]]) -> list[list[Json]]:
    """The volumes of the pods of a Deployment that were not there before."""
    pods = (it for it in TEAM.pods(name) if it["metadata"]["name"] not in before[name])
    return [it["spec"].get("volumes", []) for it in pods]

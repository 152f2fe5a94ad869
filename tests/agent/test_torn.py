"""Readers at full speed, as processes of their own, while the agent's writer swaps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.sync import sync_once
from tests import make
from tests.agent.pod import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.plan import Plan
    from tests.agent.pod import AgentPod

READER = Path(__file__).parent / "reader.py"
SWAPS = 400
SIZE = 20_000


@pytest.mark.slow
def test_p3_readers_never_see_a_torn_or_mixed_state(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """P3: one file by path is whole; two properties from a pinned directory, or from the bundle,
    are of one version.
    """
    db = make.planned_snapshot(
        make.planned_file("user", part="user"), make.planned_file("word", part="password")
    )
    pod = new_pod(make.plan(db, bundle="json"))
    _show(pod, 0)
    sync_once(pod.plan, pod.folders, make.NOW, starting=False)
    readers = [
        subprocess.Popen(
            [sys.executable, str(READER), how, str(pod.files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for how in ("path", "set", "bundle")
    ]
    try:
        for number in range(1, SWAPS):
            _show(pod, number)
            sync_once(pod.plan, pod.folders, make.NOW, starting=False)
        answers = [reader.communicate(timeout=60)[0].split() for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    for reads, versions, torn in answers:
        assert int(torn) == 0
        assert int(reads) > SWAPS
        assert int(versions) > 10


@pytest.mark.slow
def test_p3_the_agent_never_publishes_half_of_two_mounted_revisions(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """P3: the kubelet swaps as fast as it can while the agent reads; what it publishes is whole."""
    db = make.planned_snapshot(
        make.planned_file("user", part="user"), make.planned_file("word", part="password")
    )
    pod = new_pod(make.plan(db))
    with pod.start("follow") as agent:
        for number in range(SWAPS):
            _show(pod, number)
            if (pod.files / "..data").exists():
                assert _whole(pod)
        until(lambda: pod.shown()["user"].startswith(b"%06d" % (SWAPS - 1)))
        assert _whole(pod)
        assert len(agent.events("agent.published")) > 1


def _show(pod: AgentPod, number: int) -> None:
    value = b"%06d" % number * (SIZE // 6)
    (db,) = pod.plan.snapshots
    pod.mount(db, {"p.user": value, "p.password": value}, version=f"v{number}")


def _whole(pod: AgentPod) -> bool:
    revision = pod.files / "..data"
    pinned = revision.resolve()
    try:
        user, word = (pinned / "user").read_bytes(), (pinned / "word").read_bytes()
    except FileNotFoundError:
        return pinned != revision.resolve()
    return user == word and user == user[:6] * (SIZE // 6)

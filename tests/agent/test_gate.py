"""The gate as a process: it starts, waits, or names a mistake."""

from __future__ import annotations

import fcntl
import time
from typing import TYPE_CHECKING

import pytest

from contract.layout import GATE_MISCONFIGURED
from contract.reasons import Serving
from tests import make
from tests.agent.pod import AgentPod, Running, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.plan import Plan

REFUSE = make.rules("strict", on_expired="refuse")
DB = make.planned_snapshot(rules=REFUSE)


def test_p1_the_gate_starts_a_pod_from_the_mounted_snapshots_alone(pod: AgentPod) -> None:
    """P1: files in, files out; no controller, provider or agent is there."""
    pod.mount_all("value")
    ended = pod.gate()
    assert (ended.returncode, pod.message()["result"]) == (0, "started")
    assert pod.shown() == {f"s{each}": f"value-s{each}".encode() for each in range(3)}
    assert pod.status().revision == "..r1"


def test_a_stale_start_is_said(pod: AgentPod) -> None:
    """P5: the termination message counts by state and has the oldest age, within 1 KiB."""
    first, *rest = pod.plan.snapshots
    now = time.time()
    pod.mount(first, {"value": b"1"}, make.meta(first, fetched_at=now - 2000))
    for each in rest:
        pod.mount(each, {"value": b"1"}, make.meta(each, fetched_at=now))
    assert pod.gate().returncode == 0
    message = pod.message()
    assert (message["fresh"], message["stale"], message["expired"]) == (2, 1, 0)
    assert 2000 <= message["oldest_age_s"] < 2100
    assert len(pod.termination_log.read_bytes()) <= 1024


def test_a_pod_waits_for_a_source_never_synced_and_starts_when_it_is_there(pod: AgentPod) -> None:
    """It says what it waits for once, by the annotations' names, and exits 0 in the end."""
    first, *rest = pod.plan.snapshots
    for each in rest:
        pod.mount(each, {"value": b"1"})
    with pod.start("gate") as gate:
        (line,) = until(lambda: gate.events("gate.waiting"))
        assert line["secrets"] == {"s0": "never-synced"}
        assert not pod.files.joinpath("..data").exists()
        pod.mount(first, {"value": b"1"})
        assert gate.process.wait(timeout=20) == 0
        assert len(gate.events("gate.waiting")) == 1
    assert set(pod.shown()) == {"s0", "s1", "s2"}


def test_p6_what_policy_refuses_is_waited_for_until_it_is_confirmed(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """P6: an expired value of a refusing class holds the start; a confirmation alone ends it."""
    pod = new_pod(make.plan(DB))
    pod.mount(DB, {"value": b"1"}, make.meta(DB, fetched_at=time.time() - 90_000))
    with pod.start("gate") as gate:
        (line,) = until(lambda: gate.events("gate.waiting"))
        assert line["secrets"] == {"db-password": "expired"}
        pod.confirm({DB.snapshot: make.entry("v1", time.time())})
        assert gate.process.wait(timeout=20) == 0
    assert pod.message()["fresh"] == 1


def test_sigterm_ends_a_waiting_gate(pod: AgentPod) -> None:
    """PID 1 has no default action for it, so the gate has a handler."""
    with pod.start("gate") as gate:
        until(lambda: gate.events("gate.waiting"))
        assert gate.terminate() == 143


def test_p2_a_gate_that_runs_again_keeps_what_the_cache_has(pod: AgentPod) -> None:
    """P2: snapshots that vanished from the mount are no revocation."""
    pod.mount_all("value")
    assert pod.gate().returncode == 0
    before = pod.shown()
    for each in pod.plan.snapshots:
        pod.unmount(each)
    assert pod.gate().returncode == 0
    assert pod.shown() == before
    assert {each.reason for each in pod.status().secrets.values()} == {"missing"}


def test_p12_a_gate_that_runs_again_drops_what_was_revoked_and_waits(pod: AgentPod) -> None:
    """P12: a tombstone empties a valid cache as well."""
    pod.mount_all("value")
    assert pod.gate().returncode == 0
    first = pod.plan.snapshots[0]
    pod.mount(first, {"value": b""}, make.meta(first, serving=Serving.REVOKED))
    with pod.start("gate") as gate:
        (line,) = until(lambda: gate.events("gate.waiting"))
        assert line["secrets"] == {"s0": "revoked"}
        assert set(pod.shown()) == {"s1", "s2"}
        assert gate.process.poll() is None


def test_p3_two_properties_wait_until_one_version_has_both(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """P3: a property that is missing holds the start of this pod; nothing is seeded by halves."""
    db = make.planned_snapshot(
        make.planned_file("user", part="user"), make.planned_file("word", part="password")
    )
    pod = new_pod(make.plan(db))
    pod.mount(db, {"p.user": b"u1"})
    with pod.start("gate") as gate:
        (line,) = until(lambda: gate.events("gate.waiting"))
        assert set(line["secrets"].values()) == {"property-missing"}
        pod.mount(db, {"p.user": b"u2", "p.password": b"p2"}, version="v2")
        assert gate.process.wait(timeout=20) == 0
    assert pod.shown() == {"user": b"u2", "word": b"p2"}


def test_p7_a_snapshot_of_another_source_is_never_used(pod: AgentPod) -> None:
    """P7: meta.json must name the plan's source and identity; otherwise the exit code is 12."""
    pod.mount_all("value")
    first = pod.plan.snapshots[0]
    foreign = make.planned_snapshot(account="other")
    pod.mount(first, {"value": b"theirs"}, make.meta(foreign))
    assert pod.gate().returncode == GATE_MISCONFIGURED
    assert first.snapshot in pod.message()["message"]
    assert not pod.files.joinpath("..data").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: words[:4], "the first argument must be one of gate, follow"),
        (lambda words: [*words[:4], "gat", *words[5:]], "the first argument must be one of"),
        (lambda words: [*words, "--cash", "x"], "unknown argument. Allowed: --plan"),
        (lambda words: [*words, "--listen"], "--listen has no value"),
        (lambda words: [*words, "--plan", "{"], "the plan is not JSON"),
        (lambda words: [*words, "--plan", '{"v":2}'], "the plan has format version 2"),
        (lambda words: words[:5] + words[7:], "--plan is missing"),
        (lambda words: words[:7] + words[9:], "--cache is missing"),
        (lambda words: [*words, "--cache", "/nowhere"], "--cache must be a folder"),
        (lambda words: [*words, "--snapshots", "/nowhere"], "--snapshots must be a folder"),
    ],
    ids=[
        *("no verb", "wrong verb", "unknown option", "no value", "no JSON", "newer plan"),
        *("no plan", "no cache", "cache not there", "snapshots not there"),
    ],
)
def test_a_mistake_is_named_and_ends_with_12(
    pod: AgentPod, change: Callable[[list[str]], list[str]], message: str
) -> None:
    """The gate exits with 12 only when it can never succeed, and says why in one sentence."""
    with Running(change(pod.command("gate")), pod.folder / "gate.log") as gate:
        assert gate.process.wait(timeout=20) == GATE_MISCONFIGURED
        (line,) = gate.events("gate.misconfigured")
        assert message in line["message"]


def test_in_mount_mode_the_gate_decides_and_seeds_nothing(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """P6: the kubelet mounts the files into the app; the gate holds a start that policy refuses."""
    pod = new_pod(make.plan(DB, mode="mount"))
    pod.mount(DB, {"value": b"1"}, make.meta(DB, fetched_at=time.time() - 90_000))
    with pod.start("gate") as gate:
        (line,) = until(lambda: gate.events("gate.waiting"))
        assert line["secrets"] == {"db-password": "expired"}
        pod.confirm({DB.snapshot: make.entry("v1", time.time())})
        assert gate.process.wait(timeout=20) == 0
    assert list(pod.cache.iterdir()) == []


def test_the_gate_waits_while_another_writer_holds_the_cache(pod: AgentPod) -> None:
    """One writer at a time: the lock of another is waited for, not broken."""
    pod.mount_all("value")
    with (pod.cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # which keeps out a writer, and nobody who only shares
        with pod.start("gate") as gate:
            (line,) = until(lambda: gate.events("gate.waiting"))
            assert line["errno"] == "EAGAIN"
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert gate.process.wait(timeout=20) == 0


def test_the_start_path_imports_none_of_the_slow_modules(pod: AgentPod) -> None:
    """What the gate imports is what every pod start pays for."""
    pod.mount_all("value")
    argv = pod.command("gate")
    with Running([*argv[:3], "-X", "importtime", *argv[3:]], pod.folder / "imports.log") as gate:
        assert gate.process.wait(timeout=20) == 0
        lines = gate.log.read_text().splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time")}
    slow = {"typing", "dataclasses", "inspect", "argparse", "pathlib", "socket", "select", "signal"}
    ours = {"contract.object_names", "contract.spelling", "contract.reference", "agent.follow"}
    assert "agent.gate" in imported
    assert imported & (slow | ours) == set()

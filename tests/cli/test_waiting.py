"""What a command may rely on when it ends, and what it leaves when others write too."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from apiserver.faults import Fault, FaultRule
from tests.make.cluster import snapshot_of
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from tests.make.cluster import World

DB = "/prod/payments/db"
SOURCE = f"file:{DB}"
EACH = 8
_REVOKE = """
import sys
from pathlib import Path
from workqueue.clock import SystemClock
from cli.cluster_snapshots import ClusterSnapshots
from cli.api_client import connected
from controller import spec as specs
from controller.spec import SnapshotName

clock = SystemClock()
with connected([Path(sys.argv[1])], None, clock) as connection:
    cluster = ClusterSnapshots(connection, "payments", None, clock)
    for number in range(int(sys.argv[4])):
        version = f"{sys.argv[3]}-{number}"
        cluster.amend(
            SnapshotName("payments", sys.argv[2]), lambda spec: specs.revoked(spec, version)
        )
"""


def test_p12_commands_at_one_time_lose_no_revocation(world: World) -> None:
    """Four processes revoke beside each other; all that they revoked stays revoked."""
    world.declare(DB)
    command = [sys.executable, "-c", _REVOKE, str(world.kubeconfig), snapshot_of(DB)]
    running = [subprocess.Popen([*command, name, str(EACH)], cwd=REPOSITORY) for name in "abcd"]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    revoked = world.snapshot(DB)["spec"]["revoked"]
    assert sorted(revoked) == sorted(f"{name}-{n}" for name in "abcd" for n in range(EACH))


def test_p12_a_request_counts_as_seen_when_the_snapshot_itself_is_written(world: World) -> None:
    """Who waits for the status may rely on the Secret."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    first = world.version(DB)
    world.secret(DB, b"two")
    world.refresh(DB)
    path = f"/api/v1/namespaces/payments/secrets/{snapshot_of(DB)}"
    refused = FaultRule(fault=Fault.STATUS, method="PUT", path=path, code=503, times=float("inf"))
    world.server.break_requests(refused)
    words = ("rollback", SOURCE, "--wait", "1")
    assert "has not applied the change within 1 s" in world.lastgood(*words, code=4).stderr
    until("the status to say so", lambda: world.shown(DB)["state"] == "NotWritten")
    assert world.shown(DB)["observedGeneration"] < _generation(world)
    assert world.volume(DB)["value"] == b"two"
    world.server.repair()
    until("it to be seen", lambda: world.shown(DB)["observedGeneration"] == _generation(world))
    assert world.volume(DB)["value"] == b"one"
    assert world.shown(DB)["version"] == first


def _generation(world: World) -> int:
    return int(world.snapshot(DB)["metadata"]["generation"])

"""Snapshot and history as volumes: nothing is lost between two writes."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from contract.ages import CONFIG_MAP
from contract.reasons import Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot import META
from controller.volumes import HISTORY_SUFFIX, Volumes
from refresh.model import Kept, SnapshotKey, SnapshotState, SourceKey
from refresh.snapshot_data import data, history_data, restored
from tests import make

if TYPE_CHECKING:
    from pathlib import Path

KEY = SnapshotKey("payments", SourceKey("prod", "payments", "aws-sm", "/prod/payments/db"))
NAME = KEY.source.snapshot


def _kept(version: str) -> Kept:
    number = int(version[1:])
    value = SecretBytes(b"value of " + version.encode())
    return Kept(version=version, value=value, fetched_at=float(number), rank=number)


def _state(served: str | None, *history: str, revoked: tuple[str, ...] = ()) -> SnapshotState:
    return SnapshotState(
        serving=Serving.REVOKED if served is None else Serving.SERVED,
        served=None if served is None else _kept(served),
        history=tuple(_kept(version) for version in history),
        latest="v2",
        revoked=revoked,
    )


def _publish(root: Path, state: SnapshotState) -> None:
    snapshot = data(KEY, state, (), "cluster")
    Volumes(root).publish("payments", NAME, snapshot, history_data(state))


def _versions(root: Path) -> set[str]:
    """What a controller that starts now would know."""
    found = next(iter(Volumes(root).published()))
    state = restored(KEY, found.data, found.history, None, cluster="cluster", now=99.0)
    return {item.version for item in (state.served, *state.history) if item is not None}


_BEFORE_WRITE = """
import os, signal, sys
from pathlib import Path
import controller.volumes as volumes
from tests.controller.test_volumes import STEPS, _publish

real, left = volumes.write, int(sys.argv[3])

def write(*arguments):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return real(*arguments)

volumes.write = write
_publish(Path(sys.argv[1]), STEPS[sys.argv[2]][1])
"""

STEPS = {
    "rotation": (_state("v1"), _state("v2", "v1")),
    "rollback": (_state("v2", "v1"), _state("v1", "v2")),
    "revocation": (_state("v2", "v1"), _state("v1", revoked=("v2",))),
}


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
def test_p2_killed_between_two_writes_no_version_is_lost(
    tmp_path: Path, step: str, writes: int
) -> None:
    """Whatever moves between snapshot and history is in one of them at any time, and what was
    revoked is never among what a restart takes up once meta.json says so.
    """
    before, after = STEPS[step]
    _publish(tmp_path, before)
    command = [sys.executable, "-c", _BEFORE_WRITE, str(tmp_path), step, str(writes)]
    done = subprocess.run(command, check=False)
    assert done.returncode in {0, -signal.SIGKILL}
    wanted = {item.version for item in (after.served, *after.history) if item is not None}
    old = {item.version for item in (before.served, *before.history) if item is not None}
    assert wanted & old <= _versions(tmp_path) <= wanted | old
    _publish(tmp_path, after)
    assert _versions(tmp_path) == wanted


def test_p12_nothing_of_a_revoked_version_is_left(tmp_path: Path) -> None:
    """Neither in the snapshot nor in the history nor in an old revision of them."""
    _publish(tmp_path, _state("v2", "v1"))
    _publish(tmp_path, _state(None, revoked=("v1", "v2")))
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"value of" not in path.read_bytes()


def test_a_history_that_can_not_be_read_is_replaced(tmp_path: Path) -> None:
    """It stops no publication."""
    _publish(tmp_path, _state("v1"))
    (tmp_path / "payments" / (NAME + HISTORY_SUFFIX) / META).resolve().write_text("{")
    _publish(tmp_path, _state("v2", "v1"))
    assert _versions(tmp_path) == {"v1", "v2"}


def test_ages_that_can_not_be_read_are_left_out(tmp_path: Path) -> None:
    """The others are there; the one that is not errs towards older."""
    volumes = Volumes(tmp_path)
    volumes.report("payments", {"lg-a": make.entry(), "lg-b": make.entry()})
    (tmp_path / "payments" / CONFIG_MAP / "lg-a").resolve().write_text("{")
    assert volumes.ages("payments") == {"lg-b": make.entry()}


def test_a_folder_without_meta_is_no_snapshot(tmp_path: Path) -> None:
    """Something else that lies there is passed over."""
    (tmp_path / "payments" / "other").mkdir(parents=True)
    assert list(Volumes(tmp_path).published()) == []

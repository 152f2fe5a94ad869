"""The numbered write: what is there after a kill at any step, and with which modes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.sync import sync_once
from contract.reasons import Serving
from tests import make
from tests.agent.pod import AgentPod, Running, three_secrets, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.plan import Plan

NOW = make.NOW
VICTIM = Path(__file__).parent / "victim.py"
MOST_STEPS = 40


def publish(pod: AgentPod) -> None:
    """One look of the agent's, in this process."""
    sync_once(pod.plan, pod.folders, NOW, starting=False)


def listed(folder: Path) -> set[str]:
    """Names in a folder."""
    return {path.name for path in folder.iterdir()}


def leftovers(pod: AgentPod) -> set[str]:
    """Names in the cache that are neither files, their status, nor one of two whole revisions."""
    names = listed(pod.files)
    current = str((pod.files / "..data").readlink())
    number = int(current.removeprefix("..r"))
    expected = {"..data", current, f"..r{number - 1}", "status.json"}
    return names - expected - {file.file for each in pod.plan.snapshots for file in each.files}


def kill_at(pod: AgentPod, steps: int) -> int:
    """Publish in a process that kills itself after so many steps; its exit code."""
    command = [sys.executable, str(VICTIM), str(steps), *pod.command("follow")[5:]]
    return subprocess.run(command, check=False, timeout=30).returncode


@pytest.mark.slow
def test_p3_a_kill_after_any_step_leaves_the_old_set_or_the_new_and_no_residue(
    pod: AgentPod,
) -> None:
    """P3: SIGKILL after each numbered step; readers see one whole set, the next writer heals."""
    old, new = "old", "new"
    killed = 0
    for steps in range(1, MOST_STEPS):
        pod.empty_cache()
        pod.mount_all(old, "v1")
        publish(pod)
        before = pod.shown()
        pod.mount_all(new, "v2")
        code = kill_at(pod, steps)
        after = pod.shown()
        assert len(after) == 3
        assert {value.split(b"-")[0] for value in after.values()} in ({b"old"}, {b"new"})
        pod.status()
        publish(pod)
        assert pod.shown() == {
            name: value.replace(b"old", b"new") for name, value in before.items()
        }
        assert {secret.version for secret in pod.status().secrets.values()} == {"v2"}
        assert leftovers(pod) == set()
        if code == 0:
            break
        killed += 1
    assert killed >= 12


def test_p3_a_kill_during_the_first_write_heals(pod: AgentPod) -> None:
    """P3: in a new pod there is nothing or all, and the next start completes it."""
    pod.mount_all("new")
    for steps in range(1, MOST_STEPS):
        pod.empty_cache()
        code = kill_at(pod, steps)
        if (pod.files / "..data").exists():
            revision = pod.files / str((pod.files / "..data").readlink())
            assert {"s0", "s1", "s2"} <= listed(revision)
        assert pod.gate().returncode == 0
        assert set(pod.shown()) == {"s0", "s1", "s2"}
        assert leftovers(pod) == set()
        if code == 0:
            break


def test_nothing_is_written_when_nothing_changed(pod: AgentPod) -> None:
    """A second look leaves every name, inode and time as it was."""
    pod.mount_all("value")
    publish(pod)
    before = {path.name: path.lstat() for path in pod.files.iterdir()}
    publish(pod)
    after = {path.name: path.lstat() for path in pod.files.iterdir()}
    assert {name: (each.st_ino, each.st_mtime_ns) for name, each in before.items()} == {
        name: (each.st_ino, each.st_mtime_ns) for name, each in after.items()
    }


@pytest.mark.parametrize(
    ("access", "directory", "file"),
    [("owner", 0o700, 0o400), ("group", 0o750, 0o440), ("world", 0o755, 0o444)],
)
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes_are_the_plans_whatever_the_umask(
    new_pod: Callable[[Plan], AgentPod], access: str, directory: int, file: int, umask: int
) -> None:
    """The app reads its files, and nobody more does."""
    pod = new_pod(three_secrets(access))
    pod.mount_all("value")
    found = os.umask(umask)
    try:
        publish(pod)
    finally:
        os.umask(found)
    assert {_mode(path) for path in pod.files.glob("..data/*")} == {file}
    assert {_mode(path) for path in (pod.files, pod.files / "..data")} == {directory}
    assert _mode(pod.files / "status.json") == file


def test_a_volume_of_the_pods_group_passes_its_group_on(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """With fsGroup the volume's root has setgid, and what is made below belongs to that group."""
    pod = new_pod(three_secrets("group"))
    pod.mount_all("value")
    group = next((gid for gid in (2000, *os.getgroups()) if _may_give(pod.cache, gid)), None)
    if group is None:
        pytest.skip("this user has no second group to give files to")
    pod.cache.chmod(0o3777)
    publish(pod)
    assert {path.stat().st_gid for path in pod.files.glob("..data/*")} == {group}
    assert _mode(pod.files) == _mode(pod.files / "..data") == 0o2750


def test_p12_a_revoked_value_is_in_no_revision(pod: AgentPod) -> None:
    """P12: a tombstone takes the file away at once, and with it every revision that held it."""
    pod.mount_all("old", "v1")
    publish(pod)
    pod.mount_all("new", "v2")
    publish(pod)
    gone, *rest = pod.plan.snapshots
    pod.mount(gone, {"value": b""}, make.meta(gone, serving=Serving.REVOKED))
    publish(pod)
    assert set(pod.shown()) == {"s1", "s2"}
    assert [path for path in pod.files.rglob("*") if path.name == "s0"] == []
    assert len(rest) == 2
    assert pod.status().secrets["s0"].reason == "revoked"
    assert pod.status().secrets["s0"].version is None


def test_p12_the_older_revision_goes_when_its_version_is_revoked_later(pod: AgentPod) -> None:
    """P12: a revocation of the version before also empties the revision that is kept behind."""
    first = pod.plan.snapshots[0]
    pod.mount_all("old", "v1")
    publish(pod)
    pod.mount_all("new", "v2")
    publish(pod)
    assert b"old-s0" in _everything(pod)
    meta = make.meta(first, version="v2", revoked=("v1",))
    pod.mount(first, {"value": b"new-s0"}, meta)
    publish(pod)
    assert b"old-s0" not in _everything(pod)
    assert pod.shown()["s0"] == b"new-s0"


def test_two_revisions_stay_and_no_more(pod: AgentPod) -> None:
    """The volume's size covers three revisions: two, and the one being written."""
    for number in range(4):
        pod.mount_all(f"value{number}", f"v{number}")
        publish(pod)
    assert sorted(path.name for path in pod.files.glob("..r*")) == ["..r3", "..r4"]


def test_what_is_not_ours_stays(pod: AgentPod) -> None:
    """Names of other patterns are neither followed nor removed."""
    pod.mount_all("value")
    publish(pod)
    target = pod.folder / "outside"
    target.write_text("theirs")
    (pod.files / "theirs").write_text("theirs")
    (pod.files / "..other").mkdir()
    (pod.files / "link").symlink_to(target)
    (pod.files / "..r99.tmp").symlink_to(pod.snapshots)
    pod.mount_all("new", "v2")
    publish(pod)
    assert {"theirs", "..other", "link"} <= listed(pod.files)
    assert not (pod.files / "..r99.tmp").is_symlink()
    assert list(pod.snapshots.iterdir())
    assert target.read_text() == "theirs"


def test_a_full_volume_leaves_the_old_set_whole(new_pod: Callable[[Plan], AgentPod]) -> None:
    """P2: ENOSPC while writing; what readers had stays, and space later lets the new set in."""
    pod = new_pod(three_secrets())
    if subprocess.run(_mount("256k", pod.cache), check=False, capture_output=True).returncode:
        pytest.skip("a tmpfs of a given size needs the right to mount")
    try:
        pod.mount_all("old")
        publish(pod)
        before, names = pod.shown(), listed(pod.files)
        pod.mount_all("x" * 200_000, "v2")
        with pytest.raises(OSError, match="No space left"):
            publish(pod)
        assert pod.shown() == before
        assert listed(pod.files) == names
        subprocess.run(_mount("4m,remount", pod.cache), check=True)
        publish(pod)
        assert {secret.version for secret in pod.status().secrets.values()} == {"v2"}
    finally:
        subprocess.run(["umount", str(pod.cache)], check=True)


def test_a_write_that_fails_half_way_leaves_the_old_set_whole(pod: AgentPod) -> None:
    """P2: a file that may not grow, by RLIMIT_FSIZE, changes nothing for readers."""
    pod.mount_all("old")
    publish(pod)
    before, names = pod.shown(), listed(pod.files)
    pod.mount_all("x" * 100_000, "v2")
    command = ["sh", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "sh", *pod.command("follow")]
    with Running(command, pod.folder / "follow.log") as agent:
        failed = until(lambda: agent.events("agent.failed"))
        assert (failed[0]["error"], failed[0]["errno"]) == ("OSError", "EFBIG")
        assert pod.shown() == before
        assert listed(pod.files) == names
        assert agent.terminate() == 0


def _mount(size: str, where: Path) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _may_give(path: Path, group: int) -> bool:
    if group == path.stat().st_gid:
        return False
    try:
        os.chown(path, -1, group)
    except PermissionError:
        return False
    return True


def _everything(pod: AgentPod) -> bytes:
    return b"".join(path.read_bytes() for path in pod.files.rglob("*") if path.is_file())

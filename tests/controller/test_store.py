"""The embedded store: memory only, and no change lost."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from contract.wire import WireError
from controller import objects
from controller.filesystem import filesystem_of
from controller.objects import Name, Spec
from controller.store import StoreRefusedError, create_store, open_store

DB = Name("payments", "lg-db-1")
MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
25 22 0:22 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw
31 25 8:1 / /dev/shm/disk rw - xfs /dev/sdb rw
32 22 0:40 / /mnt/a\\040b rw - ramfs none rw
33 22 0:41 / /dev/shm2 rw - btrfs none rw
34 31 0:42 / /dev/shm/disk rw - tmpfs over rw
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/dev/shm/lastgood", "tmpfs"),
        ("/dev/shm2/x", "btrfs"),
        ("/dev/shm/disk/x", "tmpfs"),
        ("/mnt/a b/x", "ramfs"),
        ("/dev/shmx", "ext4"),
        ("/", "ext4"),
    ],
)
def test_the_filesystem_is_that_of_the_longest_mount_point(folder: str, expected: str) -> None:
    """By whole path elements, escapes undone, the last mount at one place on top."""
    assert filesystem_of(Path(folder), MOUNTS) == expected


def test_p8_a_store_on_a_disk_is_refused(tmp_path: Path) -> None:
    """The message names the filesystem that was found, and what to use."""
    found = filesystem_of(tmp_path, Path("/proc/self/mountinfo").read_text())
    if found in {"tmpfs", "ramfs"}:
        pytest.skip("temporary files are in memory here, so there is no disk to refuse")
    with pytest.raises(
        StoreRefusedError, match=f"is on {found}, and secrets are kept in memory only"
    ):
        create_store(tmp_path / "store")


def test_a_store_is_its_owners_alone(store_root: Path) -> None:
    """Every folder is 0700 and every file 0600."""
    store = create_store(store_root)
    store.amend(DB, lambda spec: objects.pinned(spec, "v1"))
    for path in store_root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.name.endswith("lock")


def test_what_is_no_store_is_named(store_root: Path) -> None:
    """The command line says how to make one."""
    with pytest.raises(StoreRefusedError, match="is not a store; start `python -m controller"):
        open_store(store_root / "nowhere")


def test_a_spec_that_somebody_broke_is_not_guessed(store_root: Path) -> None:
    """A wish that can't be read is an error, never an empty wish: it may hold a revocation."""
    store = create_store(store_root)
    store.amend(DB, lambda spec: objects.revoked(spec, "v1"))
    next(iter(store.specs().values())).write_text("{")
    with pytest.raises(WireError):
        store.amend(DB, lambda spec: objects.pinned(spec, "v2"))


_REVOKE = """
import sys
from pathlib import Path
from controller import objects
from controller.objects import Name
from controller.store import open_store

for number in range(25):
    open_store(Path(sys.argv[1])).amend(
        Name("payments", "lg-db-1"), lambda spec: objects.revoked(spec, f"{sys.argv[2]}-{number}")
    )
"""


def test_p12_commands_at_one_time_lose_no_revocation(store_root: Path) -> None:
    """Four processes revoke beside each other; all that they revoked stays revoked."""
    create_store(store_root)
    running = [
        subprocess.Popen([sys.executable, "-c", _REVOKE, str(store_root), name]) for name in "abcd"
    ]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    spec = open_store(store_root).spec(DB)
    assert spec is not None
    assert set(spec.revoked) == {f"{name}-{number}" for name in "abcd" for number in range(25)}
    assert spec.generation == 100


def test_one_controller_at_a_time(store_root: Path) -> None:
    """A second one is refused, and commands see that one is at work."""
    store = create_store(store_root)
    assert not store.controlled()
    with store.control(lambda _: None):
        assert store.controlled()
        with (
            pytest.raises(StoreRefusedError, match="another controller"),
            open_store(store_root).control(lambda _: None),
        ):
            pass
    assert not store.controlled()


def test_a_spec_reads_back() -> None:
    """Every wish survives its file."""
    spec = objects.refresh_requested(
        objects.rolled_back(objects.revoked(objects.pinned(Spec(), "v3"), "v1"), "v2"), 7.5
    )
    assert Spec.from_wire(spec.to_wire()) == spec
    assert spec.generation == 4


def test_revoking_the_pinned_version_takes_the_pin_with_it() -> None:
    """A pin on what may never be served again would only hold the snapshot back."""
    assert objects.revoked(objects.pinned(Spec(), "v1"), "v1").pin is None

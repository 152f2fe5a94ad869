"""The kubelet's volume layout, written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.volume_writer import DATA_TMP, Modes, read, write

KEYS = st.sampled_from(
    ["value", "p.password", "p.user", "meta.json", "lg-a/meta.json", "lg-a/value"]
)
CONTENTS = st.dictionaries(KEYS, st.binary(max_size=8))


def _layout(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Keys are links through `..data` into the one revision directory."""
    assert write(tmp_path, {"value": b"1", "lg-a/meta.json": b"{}"})
    assert read(tmp_path) == {"value": b"1", "lg-a/meta.json": b"{}"}
    assert (tmp_path / "value").readlink() == Path("..data/value")
    assert (tmp_path / "lg-a").readlink() == Path("..data/lg-a")
    assert (tmp_path / "lg-a" / "meta.json").read_bytes() == b"{}"
    revision = (tmp_path / "..data").readlink().name
    assert _layout(tmp_path) == {"..data", revision, "value", "lg-a"}


def test_p2_unchanged_bytes_swap_nothing(tmp_path: Path) -> None:
    """A write of the same bytes leaves the revision, so that no reader is told of a change."""
    write(tmp_path, {"value": b"1"})
    before = (tmp_path / "..data").readlink()
    assert not write(tmp_path, {"value": b"1"})
    assert (tmp_path / "..data").readlink() == before


def test_the_old_revision_and_the_links_of_old_keys_go(tmp_path: Path) -> None:
    """After a change only the new set is there."""
    write(tmp_path, {"value": b"1", "p.user": b"u"})
    old = (tmp_path / "..data").readlink()
    write(tmp_path, {"value": b"2"})
    assert not (tmp_path / old).exists()
    assert not (tmp_path / "p.user").is_symlink()
    assert read(tmp_path) == {"value": b"2"}


def test_an_empty_set_is_a_set(tmp_path: Path) -> None:
    """Never written reads as None, written with nothing as nothing."""
    assert read(tmp_path) is None
    assert write(tmp_path, {})
    assert read(tmp_path) == {}


@pytest.mark.parametrize("key", ["/etc/x", "../x", "a/../../x", "..data", ".", ""])
def test_a_key_stays_inside_the_volume(tmp_path: Path, key: str) -> None:
    """A key that leads elsewhere is refused, and the old set stays."""
    write(tmp_path, {"value": b"1"})
    with pytest.raises(ValueError, match="not a path inside"):
        write(tmp_path, {key: b"2"})
    assert read(tmp_path) == {"value": b"1"}


@pytest.mark.parametrize("modes", [Modes(), Modes(directory=0o755, file=0o444)])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, modes: Modes) -> None:
    """Files and directories get the permissions that were asked for."""
    old = os.umask(0o077)
    try:
        write(tmp_path / "v", {"lg-a/value": b"1"}, modes)
    finally:
        os.umask(old)
    file = (tmp_path / "v" / "lg-a" / "value").resolve()
    assert stat.S_IMODE(file.stat().st_mode) == modes.file
    assert stat.S_IMODE(file.parent.stat().st_mode) == modes.directory
    assert stat.S_IMODE(file.parent.parent.stat().st_mode) == modes.directory


@given(sets=st.lists(CONTENTS, min_size=1, max_size=6))
def test_any_history_of_writes_ends_with_the_last(
    tmp_path_factory: pytest.TempPathFactory, sets: list[dict[str, bytes]]
) -> None:
    """No sequence of sets leaves a link, a key or a revision of an older one."""
    folder = tmp_path_factory.mktemp("v")
    for data in sets:
        write(folder, data)
        assert read(folder) == data
        links = {name for name in _layout(folder) if not name.startswith("..")}
        assert links == {key.partition("/")[0] for key in data}
        assert len([name for name in _layout(folder) if name.startswith("..")]) == 2


_KILLED_AT = """
import os, signal, sys
from pathlib import Path
from demo.volume_writer import write

EVENTS = "os.mkdir open os.symlink os.rename os.remove shutil.rmtree os.rmdir os.chmod".split()
count = 0
def kill(event, args):
    global count
    if event in EVENTS:
        if event == "open" and "shm" not in str(args[0]) and "pytest" not in str(args[0]):
            return
        count += 1
        if count == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
write(Path(sys.argv[1]), {"value": b"new", "p.user": b"new"})
"""


@pytest.mark.parametrize("step", range(1, 16))
def test_p2_killed_at_any_step_the_old_set_or_the_new_is_there(tmp_path: Path, step: int) -> None:
    """A writer killed before any of its system calls leaves a whole set, and the next write leaves
    no residue.
    """
    write(tmp_path, {"value": b"old", "p.name": b"old"})
    done = subprocess.run([sys.executable, "-c", _KILLED_AT, str(tmp_path), str(step)], check=False)
    assert done.returncode in {-9, 0}
    assert read(tmp_path) in (
        {"value": b"old", "p.name": b"old"},
        {"value": b"new", "p.user": b"new"},
    )
    write(tmp_path, {"value": b"newer"})
    assert read(tmp_path) == {"value": b"newer"}
    assert _layout(tmp_path) == {"..data", (tmp_path / "..data").readlink().name, "value"}


def test_a_reader_beside_a_writer_never_sees_two_versions(tmp_path: Path) -> None:
    """All keys that one read returns are of one write."""
    write(tmp_path, {"value": b"0", "p.user": b"0"})
    ended = threading.Event()

    def swap() -> None:
        for number in range(400):
            write(tmp_path, {"value": b"%d" % number, "p.user": b"%d" % number})
        ended.set()

    writer = threading.Thread(target=swap)
    writer.start()
    seen = []
    while not ended.is_set():
        found = read(tmp_path)
        assert found is not None
        seen.append(len(set(found.values())))
    writer.join()
    assert set(seen) == {1}


def test_a_leftover_link_of_a_killed_swap_heals(tmp_path: Path) -> None:
    """`..data_tmp` from a writer that died between link and rename is in nobody's way."""
    (tmp_path / DATA_TMP).symlink_to("..gone")
    write(tmp_path, {"value": b"1"})
    assert read(tmp_path) == {"value": b"1"}

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from contract.reasons import FetchFailure
from providers.file.source.secret_files import _REASONS, FileSource
from providers.protocol import Failed, FetchRequest, Material
from tests.providers.harness import one

FDS = Path("/proc/self/fd")


def test_p7_no_symlink_leads_out_of_the_root(tmp_path: Path) -> None:
    """Neither as the file nor as a folder before it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to("../outside/file")
    (root / "folder").symlink_to("../outside")
    source = FileSource(str(root))
    assert one(source, "/file") == Failed(reason=FetchFailure.DENIED, code="ELOOP")
    assert one(source, "/folder/file") == Failed(reason=FetchFailure.INVALID, code="ENOTDIR")


def test_what_is_no_file_is_refused_and_holds_nobody_up(tmp_path: Path) -> None:
    """A folder, and a pipe that nobody writes to."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    source = FileSource(str(tmp_path))
    for name in ("/folder", "/pipe"):
        assert one(source, name) == Failed(reason=FetchFailure.INVALID, code="NotAFile")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """The limit counts; a value of just that size is read."""
    (tmp_path / "a").write_bytes(b"x" * 9)
    (tmp_path / "b").write_bytes(b"x" * 8)
    source = FileSource(str(tmp_path), limit_bytes=8)
    assert one(source, "/a") == Failed(reason=FetchFailure.TOO_LARGE, code="TooLarge")
    assert isinstance(one(source, "/b"), Material)


def test_a_missing_root_is_absent_of_all(tmp_path: Path) -> None:
    """As any other path that is not there."""
    failed = one(FileSource(str(tmp_path / "none")), "/a")
    assert failed == Failed(reason=FetchFailure.ABSENT, code="ENOENT")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_denied(tmp_path: Path) -> None:
    """By its mode."""
    (tmp_path / "a").touch(mode=0o000)
    failed = one(FileSource(str(tmp_path)), "/a")
    assert failed == Failed(reason=FetchFailure.DENIED, code="EACCES")


def test_absent_and_denied_are_said_by_few_errors() -> None:
    """Everything that is not listed is unavailable."""
    by_reason = {
        reason: {number for number, found in _REASONS.items() if found is reason}
        for reason in (FetchFailure.ABSENT, FetchFailure.DENIED)
    }
    assert by_reason == {
        FetchFailure.ABSENT: {errno.ENOENT},
        FetchFailure.DENIED: {errno.EACCES, errno.EPERM, errno.ELOOP},
    }


def test_a_name_that_is_too_long_for_the_file_system(tmp_path: Path) -> None:
    """Canonical, and still no file can have it."""
    failed = one(FileSource(str(tmp_path)), "/" + "x" * 300)
    assert failed == Failed(reason=FetchFailure.INVALID, code="ENAMETOOLONG")


def test_p3_a_reader_beside_a_writer_never_gets_a_mix(tmp_path: Path) -> None:
    """Values are replaced by rename at full speed; each one that is read is whole."""
    values = [bytes([letter]) * 50_000 for letter in b"abc"]
    done = threading.Event()

    def write() -> None:
        turn = 0
        while not done.is_set():
            (tmp_path / "new").write_bytes(values[turn % 3])
            (tmp_path / "new").replace(tmp_path / "a")
            turn += 1

    (tmp_path / "a").write_bytes(values[0])
    writer = threading.Thread(target=write)
    writer.start()
    try:
        source = FileSource(str(tmp_path))
        results = [one(source, "/a") for _ in range(300)]
    finally:
        done.set()
        writer.join()
    read = [result.value.reveal() for result in results if isinstance(result, Material)]
    assert read
    assert set(read) <= set(values)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Whatever the outcome."""
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    source = FileSource(str(tmp_path))
    names = ("/a", "/link", "/none", "/a/b", "/x/y")
    before = len(list(FDS.iterdir()))
    for _ in range(20):
        source.fetch([FetchRequest(reference=name) for name in names])
    assert len(list(FDS.iterdir())) <= before + 2


def test_the_observer_hears_of_every_read(tmp_path: Path) -> None:
    """With `ok` or the code."""
    (tmp_path / "a").write_bytes(b"x")
    heard: list[tuple[str, str]] = []
    source = FileSource(str(tmp_path), observer=lambda what, code: heard.append((what, code)))
    source.fetch([FetchRequest(reference="/a"), FetchRequest(reference="/b")])
    assert heard == [("read", "ok"), ("read", "ENOENT")]


def test_p2_half_a_file_is_never_a_value() -> None:
    """More or less bytes than the file's size (as in /proc, where it is 0): a write in between."""
    failed = one(FileSource("/proc/self"), "/status")
    assert failed == Failed(reason=FetchFailure.UNAVAILABLE, code="ChangedWhileRead")

"""Files below one folder, `file`: for tests, not in images.

Writers replace a file by rename. A path with a symlink in it is refused. Blocks as long as the file
system does.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from contract.reference import ReferenceRejected
from contract.secret_bytes import SecretBytes
from providers.protocol import Failed, Fetched, Material, NotModified
from providers.references import canonicalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.protocol import FetchRequest, FetchResult, Observer

PROVIDER = "file"
READ = "read"
MIB = 1 << 20

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC

_NOT_FOUND = Failed(reason=FetchFailure.INVALID, code="VersionNotFound")
"""A version that is gone is no absence of the secret."""
_REASONS = {
    errno.ENOENT: FetchFailure.ABSENT,
    errno.EACCES: FetchFailure.DENIED,
    errno.EPERM: FetchFailure.DENIED,
    errno.ELOOP: FetchFailure.DENIED,
    errno.ENOTDIR: FetchFailure.INVALID,
    errno.ENAMETOOLONG: FetchFailure.INVALID,
    errno.EISDIR: FetchFailure.INVALID,
    errno.ENXIO: FetchFailure.INVALID,
}
"""Every other OSError is unavailable. A symlink is ELOOP at the path's end, and ENOTDIR before."""


class FileSource:
    """The files below `root`; `limit_bytes` is a bound on memory, policy has its own."""

    batch_limit = 20

    def __init__(
        self, root: str, *, observer: Observer | None = None, limit_bytes: int = MIB
    ) -> None:
        self._root = root
        self._observer = observer
        self._limit_bytes = limit_bytes

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return len(requests)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        return Fetched(results=tuple(map(self._one, requests)), calls=len(requests))

    def close(self) -> None:
        """Nothing is held open."""

    def _one(self, request: FetchRequest) -> FetchResult:
        result = self._read(request)
        if self._observer is not None:
            self._observer(READ, result.code if isinstance(result, Failed) else "ok")
        return result

    def _read(self, request: FetchRequest) -> FetchResult:
        try:
            reference = canonicalise(PROVIDER, request.reference)
            descriptor = _open_below(self._root, reference.removeprefix("/").split("/"))
            try:
                return self._content(descriptor, request)
            finally:
                os.close(descriptor)
        except ReferenceRejected:
            return Failed(reason=FetchFailure.INVALID, code="ReferenceRejected")
        except OSError as error:
            number = error.errno or 0
            if number == errno.ENOENT and request.version is not None:
                return _NOT_FOUND
            reason = _REASONS.get(number, FetchFailure.UNAVAILABLE)
            return Failed(reason=reason, code=errno.errorcode.get(number, "OSError"))

    def _content(self, descriptor: int, request: FetchRequest) -> FetchResult:
        before = os.fstat(descriptor)
        version = _version(before)
        if not stat.S_ISREG(before.st_mode):
            return Failed(reason=FetchFailure.INVALID, code="NotAFile")
        if request.version not in {None, version}:
            return _NOT_FOUND
        if version == request.known_version:
            return NotModified(version=version)
        if before.st_size > self._limit_bytes:
            return Failed(reason=FetchFailure.TOO_LARGE, code="TooLarge")
        value = _up_to(descriptor, before.st_size + 1)
        if len(value) != before.st_size or _version(os.fstat(descriptor)) != version:
            return Failed(reason=FetchFailure.UNAVAILABLE, code="ChangedWhileRead")
        return Material(version=version, value=SecretBytes(value))


def _open_below(root: str, segments: Sequence[str]) -> int:
    """A descriptor of the file, every step below `root` taken without following a link."""
    folder = os.open(root, _FOLDER)
    try:
        for segment in segments[:-1]:
            inner = os.open(segment, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(segments[-1], _FILE | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def _version(status: os.stat_result) -> str:
    """Changes with each replacement, and is no digest of the value."""
    return f"{status.st_mtime_ns}-{status.st_ino}-{status.st_size}"


def _up_to(descriptor: int, count: int) -> bytes:
    """At most `count` bytes; less at the file's end."""
    parts = []
    while count > 0 and (part := os.read(descriptor, count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)

"""A folder for the conformance suite."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from providers.file.source.secret_files import FileSource
from tests.providers.conformance.store import NotApplicable, Says, Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.providers.conformance.store import Given, Reports

_BY_HTTP = (
    "answer for another name",
    "answers that quote the secret",
    "cancelled",
    "error page",
    "going backwards",
    "malformed",
    "nobody listens",
    "redirected",
    "reset mid-body",
    "slow beyond the deadline",
    "throttled",
    "throttled with Retry-After",
    "truncated",
    "truncated error",
    "unavailable",
)


class Folder(Store):
    """`file`."""

    scheme = "file"
    title = "file"
    server = "a folder"
    reports: ClassVar[Mapping[str, Reports]] = {
        "pinned": Says("invalid", note="older values are not kept"),
        "deleted": NotApplicable("every deletion is final"),
        "disabled": NotApplicable("not distinct from denied"),
        "credentials expired mid-flight": NotApplicable("no login"),
        "credentials rotated": NotApplicable("no login"),
        **{name: NotApplicable("no server") for name in _BY_HTTP},
    }
    codes: ClassVar[Mapping[str, str]] = {
        "pinned": "VersionNotFound",
        "pinned and gone": "VersionNotFound",
        "absent": "ENOENT",
        "denied": "ELOOP",
    }

    def __init__(self, given: Given) -> None:
        self.root = given.folder
        self.source = FileSource(str(self.root), observer=given.observer)

    def put(self, reference: str, value: bytes) -> None:
        path = self._path(reference)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_bytes(value)
        new.replace(path)

    put_binary = put

    def put_empty(self, reference: str) -> None:
        self.put(reference, b"")

    def remove(self, reference: str) -> None:
        self._path(reference).unlink()

    def deny(self, reference: str) -> None:
        """By a symlink, for root may read every file."""
        path = self._path(reference)
        path.rename(path.with_name(path.name + ".real"))
        path.symlink_to(path.with_name(path.name + ".real"))

    def recreate(self, reference: str, value: bytes) -> None:
        """With the same size and time of modification."""
        path = self._path(reference)
        before = path.stat()
        self.put(reference, value)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _path(self, reference: str) -> Path:
        return self.root / reference.removeprefix("/")

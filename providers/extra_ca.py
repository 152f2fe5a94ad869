"""CA certificates that an admin adds to those of the system, for all sources."""

from __future__ import annotations

import re
import ssl
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 1 << 20
"""What a ConfigMap can have."""
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)


class ExtraCaError(ValueError):
    """The file can't be used; the message names it and quotes nothing of it."""


class ExtraCa:
    """The certificates of one file, followed as it changes. Threads may share it.

    Sources read copies that were checked, so a mistake in the file changes nothing but the log. The
    copies are in a folder of this process's, below TMPDIR.
    """

    def __init__(self, source: Path, problem: Callable[[str], None]) -> None:
        """`problem` is told when the file was replaced by one that can't be used. ExtraCaError."""
        self._source = source
        self._problem = problem
        self._lock = threading.Lock()
        self._bundle: Path | None = None
        self._stamp = _stamp(source)
        self._text = _certificates(source)
        self._folder = TemporaryDirectory(prefix="lastgood-ca-")
        self.path = Path(self._folder.name, "extra.pem")
        """The certificates alone."""
        self._write()

    def beside(self, bundle: Path) -> Path:
        """A file with those of `bundle`, which is one for all callers, and with these."""
        with self._lock:
            self._bundle = bundle
            self._write()
        return self._whole

    def renew(self) -> None:
        """Looks whether the file is another, before a source uses it."""
        try:
            stamp = _stamp(self._source)
        except ExtraCaError:
            return  # between two versions of the volume, or the volume is gone: the copies stay
        with self._lock:
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._text = _certificates(self._source)
            except ExtraCaError as error:
                self._problem(f"{error}. The certificates before stay in use")
                return
            self._write()

    def close(self) -> None:
        """Removes the copies. No source is used after that."""
        self._folder.cleanup()

    @property
    def _whole(self) -> Path:
        return self.path.with_name("all.pem")

    def _write(self) -> None:
        _replace(self.path, self._text)
        if self._bundle is not None:
            _replace(self._whole, self._bundle.read_text(encoding="utf-8") + "\n" + self._text)


def _certificates(source: Path) -> str:
    """The certificates of a file, and nothing else that it has."""
    try:
        with source.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ExtraCaError(f"{source}: {error.strerror}") from None
    found = _CERTIFICATE.findall(raw.decode("ascii", "replace"))
    if len(raw) > MOST_BYTES or not found:
        raise ExtraCaError(f"{source} must be certificates in PEM, at most 1 MiB")
    text = "\n".join(found) + "\n"
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        message = f"{source} has a certificate in PEM that cannot be read"
        raise ExtraCaError(message) from None
    return text


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise ExtraCaError(f"{path}: {error.strerror}") from None
    return status.st_mtime_ns, status.st_ino, status.st_size

"""Files by directory descriptor: opened, read and written without following a link that somebody
put there.
"""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISGID

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
MOST_BYTES = 4 << 20
"""More than any Secret can hold (1 MiB)."""


def read(name: str, folder: int, most: int = MOST_BYTES) -> bytes | None:
    """The bytes of a file, `most` of them; None: there is no such file."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return _all(fd, most)
    finally:
        os.close(fd)


def write(name: str, content: bytes, mode: int, folder: int) -> None:
    """A new file with exactly that mode, whatever the umask says. FileExistsError when the name is
    taken.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def make_directory(name: str, mode: int, folder: int) -> int:
    """A descriptor of a directory with that mode, made if it is not there.

    Its parent's setgid bit is kept: a mode without it would take it away, and what is made below
    would belong to our own group instead of the pod's fsGroup.
    """
    try:  # noqa: SIM105 - contextlib would be one more import
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        pass
    wanted = mode | (os.fstat(folder).st_mode & S_ISGID)
    fd = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if os.fstat(fd).st_mode & 0o7777 != wanted:
            os.fchmod(fd, wanted)
    except OSError:
        os.close(fd)
        raise
    return fd


def link(name: str, folder: int) -> str | None:
    """What a symlink names; None: there is no such name, or it is no symlink."""
    try:
        return os.readlink(name, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        from errno import EINVAL

        if error.errno == EINVAL:
            return None
        raise


def remove(name: str, folder: int) -> None:
    """A file, a link itself, or a directory with all in it; nothing when it is not there."""
    try:
        is_directory = S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return
    if not is_directory:
        os.unlink(name, dir_fd=folder)
        return
    fd = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        for inner in os.listdir(fd):
            remove(inner, fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=folder)


def _all(fd: int, left: int) -> bytes:
    parts = []
    while left > 0 and (part := os.read(fd, min(left, 1 << 16))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)

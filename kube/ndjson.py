"""Lines out of chunks: a watch is one JSON object per line, and chunks end anywhere. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 16 * 1024 * 1024
"""No object is larger: etcd takes 1.5 MB, of which JSON may make six times as much."""


class TooLongError(ValueError):
    """A line without an end."""


class Lines:
    """Collects chunks. A half line at the end of the stream is nobody's."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that are whole now, without their ends; empty ones are left out."""
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            line = b"".join((*self._parts, part)).strip()
            self._parts.clear()
            self._size = 0
            if line:
                yield line
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > MOST_BYTES:
            raise TooLongError(f"a line of more than {MOST_BYTES} bytes")

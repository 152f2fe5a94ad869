"""Reads the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.file.account import File
from providers.file.source.secret_files import FileSource

if TYPE_CHECKING:
    from providers.open_source import Opening
    from providers.protocol import Source

__all__ = ["open_source"]


def open_source(opening: Opening) -> Source:
    """The source behind an account's block `file`."""
    return FileSource(opening.block_as(File).root, observer=opening.observer)

"""Where a command reads and prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The three streams of a process."""

    stdin: TextIO
    out: TextIO
    """What was asked for; programs read it."""
    err: TextIO
    """What the user should know besides."""


def plain(text: str) -> str:
    """The same, with nothing in it that steers a terminal: what is shown may be anybody's words.
    Line ends stay.
    """
    return "".join(
        char if char == "\n" or char.isprintable() else ascii(char)[1:-1] for char in text
    )

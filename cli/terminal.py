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

"""Where a command reads and prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from contract.quoted import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The three streams of a process."""

    stdin: TextIO
    out: TextIO
    """What was asked for; programs read it."""
    err: TextIO
    """What the user should know besides."""

    def say(self, text: str) -> None:
        """Lines on `out`, no matter whose words are in them."""
        print(plain(text), file=self.out, flush=True)

    def tell(self, text: str) -> None:
        """A line on `err`, no matter whose words are in it."""
        print(plain(text), file=self.err)


def plain(text: str) -> str:
    """The same, with nothing in it that steers a terminal: what is shown may be anybody's words.
    Line ends stay.
    """
    return "\n".join(map(printable, text.split("\n")))

"""The nearest valid spelling of a wrong word, for error messages."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from contract.quoted import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LETTERS = 64
MOST_WORDS = 64
"""For `quick_suggestion`."""


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word most like `word`, in any case of letters, or None when none is near."""
    folded = {candidate.lower(): candidate for candidate in allowed}
    matches = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """`. Did you mean "x"?`, or nothing."""
    found = nearest(word, allowed)
    return f'. Did you mean "{shown(found)}"?' if found is not None else ""


def quick_suggestion(word: str, allowed: Iterable[str]) -> str:
    """The same, among the first MOST_WORDS of no more than MOST_LETTERS: comparing takes time, and
    what a tenant writes can be of any length and number.
    """
    if len(word) > MOST_LETTERS:
        return ""
    short = (candidate for candidate in allowed if len(candidate) <= MOST_LETTERS)
    return suggestion(word, islice(short, MOST_WORDS))

"""The nearest valid spelling of a wrong word, for error messages."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word most like `word`, in any case of letters, or None when none is near."""
    folded = {candidate.lower(): candidate for candidate in allowed}
    matches = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing."""
    found = nearest(word, allowed)
    return f'; did you mean "{found}"?' if found is not None else ""

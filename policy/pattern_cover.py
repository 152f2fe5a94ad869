"""Whether one pattern of references matches everything that another one matches. Pure.

A pattern is a sequence of characters, `*` (any characters of one segment) and `**` (any characters
at all, where it is a whole segment). Both patterns are read together, one character at a time: for
a place in the inner one, the set of places that the outer one can be in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy.match import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_STEPS = 3_000
"""A pair that needs more counts as not covered."""
_ONE, _MANY = "*", "**"
_OTHER = "\0"
"""Any character that is in neither pattern."""
Places = frozenset[int]


def compare(outer: str, inner: str) -> tuple[bool, int]:
    """Whether `outer` matches each reference that `inner` matches, and what it cost to tell: the
    places that were tried, at least 1. `{namespace}` counts as text.
    """
    if outer == inner:
        return True, 1
    example = inner.replace(_MANY, "a").replace(_ONE, "")
    if not matches(outer, example):
        return False, 1  # the usual case, and a quick one
    wide, narrow = _tokens(outer), _tokens(inner)
    letters = {token for token in (*wide, *narrow) if len(token) == 1 and token != _ONE}
    letters |= {"/", _OTHER}
    start = (_reached(narrow, {0}), _reached(wide, {0}))
    seen, open_, cost = {start}, [start], 1
    while open_:
        mine, theirs = open_.pop()
        if len(narrow) in mine and len(wide) not in theirs:
            return False, cost
        cost += len(letters)
        for letter in letters:
            after = (_after(narrow, mine, letter), _after(wide, theirs, letter))
            if after[0] and after not in seen:
                seen.add(after)
                open_.append(after)
        if len(seen) > MOST_STEPS:
            return False, cost
    return True, cost


def _tokens(pattern: str) -> list[str]:
    found: list[str] = []
    for number, segment in enumerate(pattern.split("/")):
        if number:
            found.append("/")
        if segment == _MANY:
            found.append(_MANY)
            continue
        for letter in segment:
            if letter != _ONE or found[-1:] != [_ONE]:
                found.append(letter)
    return found


def _reached(tokens: Sequence[str], places: Iterable[int]) -> Places:
    """With those that are reached without a character."""
    found = set()
    for place in places:
        at = place
        found.add(at)
        while at < len(tokens) and tokens[at] in {_ONE, _MANY}:
            at += 1
            found.add(at)
    return frozenset(found)


def _after(tokens: Sequence[str], places: Places, letter: str) -> Places:
    found = set()
    for place in places:
        token = tokens[place] if place < len(tokens) else ""
        if token == letter:
            found.add(place + 1)
        elif token == _MANY or (token == _ONE and letter != "/"):
            found.add(place)
    return _reached(tokens, found)

"""JSON as the API server sends it. A tenant may write 10,000 levels, and bytes that are no UTF-8,
into `metadata.managedFields`: one such object must not end the list or the watch of all. Pure.
"""

from __future__ import annotations

import json
import re
from typing import cast

MOST_LEVELS = 200
"""Levels that are kept of what is too deep: far more than what we read has, and few enough to be
parsed below our own calls.
"""
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string that does not end is one token: else each quote in it is tried as a beginning."""
_OPENS = frozenset(b"[{")
_CLOSES = frozenset(b"]}")


def parsed(content: bytes) -> object:
    """What it says; where it is too deep for Python's parser, objects and lists below MOST_LEVELS
    are empty, and what is no UTF-8 is replaced. None: not JSON; an exception would hold the bytes.
    """
    try:
        try:
            return _loaded(content)
        except RecursionError:
            return _loaded(shallow(content))
    except ValueError:
        return None


def _loaded(content: bytes) -> object:
    return cast("object", json.loads(content.decode("utf-8", "replace")))


def shallow(content: bytes) -> bytes:
    """The same with everything out of the objects and lists at MOST_LEVELS."""
    kept = []
    depth = begin = 0
    for token in _TOKEN.finditer(content):
        first = content[token.start()]
        if first in _OPENS:
            depth += 1
            if depth == MOST_LEVELS:
                kept.append(content[begin : token.end()])
        elif first in _CLOSES:
            if depth == MOST_LEVELS:
                begin = token.start()
            depth -= 1
    rest = content[begin:] if depth < MOST_LEVELS else b""
    return b"".join((*kept, rest))

"""JSON of any depth. One object that is nested deeper than Python's parser goes would otherwise end
the list or the watch of all: a tenant may write 10,000 levels into `metadata.managedFields`.
"""

from __future__ import annotations

import json
import re
from typing import cast

MOST_LEVELS = 200
"""Levels that are kept of what is too deep: far more than what we read has, and few enough to be
parsed below our own calls.
"""
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_OPENS = frozenset(b"[{")
_CLOSES = frozenset(b"]}")


def parsed(content: bytes) -> object:
    """What it says; objects and lists below MOST_LEVELS are empty where it is too deep. None: not
    JSON; an exception would hold the bytes.
    """
    try:
        try:
            return cast("object", json.loads(content))
        except RecursionError:
            return cast("object", json.loads(shallow(content)))
    except ValueError:
        return None


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
    return b"".join((*kept, content[begin:]))

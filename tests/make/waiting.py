"""Waiting for what a process does, and where the repository is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 20.0
PAGE_S = 1.1
"""A page of metrics is at most a second old."""
_STEP_S = 0.02


def until(what: str, ready: Callable[[], _T], patience_s: float = PATIENCE_S) -> _T:
    """Looks until `ready` answers something true, and returns that."""
    end = time.monotonic() + patience_s
    while not (found := ready()):
        assert time.monotonic() < end, f"waited {patience_s:g} s for {what}"
        time.sleep(_STEP_S)
    return found

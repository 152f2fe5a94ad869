"""Remembers what pure functions gave for the annotations of a template, whose pods come many at a
time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
Key = tuple[Any, ...]

MOST = 512
"""Templates remembered, a few answers each; then all are forgotten, which costs microseconds once.
"""
LONGEST = 4096
"""Characters of annotations; a longer template is not remembered, so that no tenant fills the
memory.
"""


class Memo:
    """Holds for one set of policies: whoever has another one takes a new memo."""

    def __init__(self) -> None:
        self._found: dict[Key, Any] = {}

    def remember(
        self, pairs: tuple[tuple[str, str], ...], key: Key, compute: Callable[[], Found]
    ) -> Found:
        """What `compute` gives for these annotations; `key` tells its questions apart."""
        whole = (pairs, key)
        if whole in self._found:
            found: Found = self._found[whole]
            return found
        computed = compute()
        if sum(map(len, (text for pair in pairs for text in pair))) <= LONGEST:
            if len(self._found) >= MOST * 3:
                self._found.clear()
            self._found[whole] = computed
        return computed

"""Remembers what pure functions gave for the annotations of a template, whose pods come many at a
time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
Key = tuple[Any, ...]

MOST = 2048
"""Answers remembered, a few per template; then all are forgotten, which costs microseconds once.
A template's answers hang on its pods' UIDs too, so it is these that are counted.
"""
LONGEST = 4096
"""Characters of annotations; a longer template is not remembered, so that no tenant fills the
memory.
"""


class Template:
    """What is remembered for one template, which is the annotations of `webhook.wishes.ours`."""

    def __init__(self, pairs: tuple[tuple[str, str], ...], found: dict[Key, Any]) -> None:
        """`found`: answers by template and question, shared with other templates."""
        self.pairs = pairs
        self._found = found

    def remember(self, key: Key, compute: Callable[[], Found]) -> Found:
        """What `compute` gives for this template; `key` names the question and all else it hangs
        on.
        """
        whole = (self.pairs, key)
        if whole in self._found:
            found: Found = self._found[whole]
            return found
        if len(self._found) >= MOST:
            self._found.clear()
        computed = self._found[whole] = compute()
        return computed


class Memo:
    """Holds for one set of policies: whoever has another one takes a new memo."""

    def __init__(self) -> None:
        self._found: dict[Key, Any] = {}

    def __len__(self) -> int:
        """Answers remembered."""
        return len(self._found)

    def template(self, pairs: tuple[tuple[str, str], ...]) -> Template:
        """The template of these annotations."""
        length = sum(len(key) + len(text) for key, text in pairs)
        return Template(pairs, self._found if length <= LONGEST else {})

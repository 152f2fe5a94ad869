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


class Template:
    """What is remembered for one template, which is the annotations of `webhook.wishes.ours`."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = pairs
        self._found: dict[Key, Any] = {}

    def remember(self, key: Key, compute: Callable[[], Found]) -> Found:
        """What `compute` gives for this template; `key` names the question and all else it hangs
        on.
        """
        if key in self._found:
            found: Found = self._found[key]
            return found
        computed = self._found[key] = compute()
        return computed


class Memo:
    """Holds for one set of policies: whoever has another one takes a new memo."""

    def __init__(self) -> None:
        self._templates: dict[tuple[tuple[str, str], ...], Template] = {}

    def template(self, pairs: tuple[tuple[str, str], ...]) -> Template:
        """The template of these annotations."""
        template = self._templates.get(pairs)
        if template is None:
            template = Template(pairs)
            if sum(len(key) + len(text) for key, text in pairs) <= LONGEST:
                if len(self._templates) >= MOST:
                    self._templates.clear()
                self._templates[pairs] = template
        return template

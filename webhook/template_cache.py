"""Remembers what pure functions gave for the annotations of a template, whose pods come many at a
time. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
Given = ParamSpec("Given")
Key = tuple[Any, ...]

MOST_BYTES = 24 << 20
"""Memory of all answers, as templates count it. At more, all are forgotten, which costs
microseconds once. A template's answers hang on its pods' UIDs too, so it is answers that count.
"""
LONGEST = 4096
"""Characters of annotations; a longer template is not remembered, so that no tenant fills the
memory.
"""
_ANSWER, _PAIR = 8192, 2048
"""Bytes at most of an answer by itself (gate and agent as JSON), and per annotation without its
text (a secret's volumes). Measured by tests/webhook/test_template_cache.py.
"""


class TemplateCache:
    """Answers by function and arguments."""

    def __init__(self) -> None:
        self.answers: dict[Key, Any] = {}
        self.size_bytes = 0
        """What the answers take at most."""

    def __len__(self) -> int:
        """Answers remembered."""
        return len(self.answers)

    def add(self, key: Key, answer: object, size_bytes: int) -> None:
        """Remember one more; forget all others when they would take too much with it."""
        if self.size_bytes + size_bytes > MOST_BYTES:
            self.answers.clear()
            self.size_bytes = 0
        self.answers[key] = answer
        self.size_bytes += size_bytes

    def template(self, pairs: tuple[tuple[str, str], ...]) -> Template:
        """The template of these annotations, those of `webhook.pod_annotations.ours`."""
        length = sum(len(key) + len(text) for key, text in pairs)
        return Template(pairs, self if length <= LONGEST else None)


class Template:
    """Calls functions for the pods of one template."""

    def __init__(self, pairs: tuple[tuple[str, str], ...], cache: TemplateCache | None) -> None:
        """`cache`: None where nothing is remembered."""
        self._pairs = pairs
        self._cache = cache
        self._weight = 0

    def _bytes(self) -> int:
        """What one answer may take. Each annotation may repeat the longest, a mount path."""
        if not self._weight:
            longest = max((len(text) for _, text in self._pairs), default=0)
            self._weight = _ANSWER + len(self._pairs) * (_PAIR + longest)
        return self._weight

    def call(
        self, function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """`function(*args, **kwargs)`, or what that gave before. The arguments are the key, so none
        can be forgotten: `function` is pure, of a module, and nobody changes what it returns.
        """
        if self._cache is None:
            return function(*args, **kwargs)
        key = (function, args, *kwargs.items())
        known = self._cache.answers
        if key in known:
            found: Result = known[key]
            return found
        computed = function(*args, **kwargs)
        self._cache.add(key, computed, self._bytes())
        return computed

"""Remembers what pure functions gave for the annotations of a template, whose pods come many at a
time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
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
text (a secret's volumes). Measured by tests/webhook/test_memo.py.
"""


class Template:
    """What is remembered for one template, which is the annotations of `webhook.wishes.ours`."""

    def __init__(self, pairs: tuple[tuple[str, str], ...], memo: Memo | None) -> None:
        """`memo`: None where nothing is remembered."""
        self.pairs = pairs
        self._memo = memo
        self._weight = 0

    def _bytes(self) -> int:
        """What one answer may take. Each annotation may repeat the longest, a mount path."""
        if not self._weight:
            longest = max((len(text) for _, text in self.pairs), default=0)
            self._weight = _ANSWER + len(self.pairs) * (_PAIR + longest)
        return self._weight

    def remember(self, key: Key, compute: Callable[[], Found]) -> Found:
        """What `compute` gives for this template; `key` names the question and all else it hangs
        on.
        """
        if self._memo is None:
            return compute()
        whole = (self.pairs, key)
        known = self._memo.answers
        if whole in known:
            found: Found = known[whole]
            return found
        computed = compute()
        self._memo.add(whole, computed, self._bytes())
        return computed


class Memo:
    """Holds for one set of policies: whoever has another one takes a new memo."""

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
        """The template of these annotations."""
        length = sum(len(key) + len(text) for key, text in pairs)
        return Template(pairs, self if length <= LONGEST else None)

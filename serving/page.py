"""A page that costs something to make, for as many readers as there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH_S = 1.0


class Page:
    """Made at most once a second, however often it is asked for."""

    def __init__(self, make: Callable[[], bytes], monotonic: Callable[[], float]) -> None:
        """`monotonic` gives seconds of a clock that never goes back."""
        self._make = make
        self._monotonic = monotonic
        self._made: bytes | None = None
        self._fresh_until = 0.0

    def __call__(self) -> bytes:
        """The page, at most a second old."""
        now = self._monotonic()
        if self._made is None or now >= self._fresh_until:
            self._made = self._make()
            self._fresh_until = self._monotonic() + FRESH_S
        return self._made

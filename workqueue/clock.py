"""The clock that due times are counted by. One Protocol, and the machine's own clock behind it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Time, from the composition root."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class BlockingClock(Clock, Protocol):
    """Time for a command, which has no loop."""

    def sleep(self, seconds: float, /) -> None:
        """Blocks the thread."""
        ...


class SystemClock:
    """The machine's."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Blocks the thread."""
        time.sleep(seconds)

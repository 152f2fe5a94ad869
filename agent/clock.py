"""Time, as the agent's parts are given it."""

from __future__ import annotations

import time


class MachineClock:
    """The machine's clock. Seconds; `now` since the epoch, `monotonic` since some point."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

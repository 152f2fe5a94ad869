"""The provider calls that an account may make: a token bucket that is paid before the calls.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What an admin allows one account: calls per second, and calls at once (both > 0)."""

    calls_per_second: float
    burst: int


class Bucket:
    """In any window of t seconds at most `burst + calls_per_second * t` calls are made.

    A call is paid before it is made. What is reserved and not yet settled lessens what may be
    saved up, or calls paid early and made late would meet calls paid now. Times are monotonic.
    """

    __slots__ = ("_at", "_budget", "_reserved", "_tokens")

    def __init__(self, budget: RateLimit, now: float) -> None:
        self._budget = budget
        self._tokens = float(budget.burst)
        self._reserved = 0
        self._at = now

    @property
    def budget(self) -> RateLimit:
        return self._budget

    def change(self, budget: RateLimit, now: float) -> None:
        """Applies another budget from now on; what is saved up shrinks to the new burst."""
        self._fill(now)
        self._budget = budget
        self._clamp()

    def take(self, calls: int, now: float) -> bool:
        """Reserves `calls`, or does nothing and answers False."""
        self._fill(now)
        if calls > self._tokens + _ROUNDING:
            return False
        self._tokens -= calls
        self._reserved += calls
        return True

    def settle(self, reserved: int, made: int, now: float) -> None:
        """Ends a reservation of which `made` calls were made; the rest is refunded."""
        self._fill(now)
        self._reserved -= reserved
        self._tokens += reserved - made
        self._clamp()

    def ready_at(self, calls: int, now: float) -> float:
        """When `calls` can be taken if nothing else happens; infinity: not before a settlement."""
        self._fill(now)
        missing = calls - self._tokens
        if missing <= _ROUNDING:
            return now
        if calls > self._budget.burst - self._reserved:
            return float("inf")
        return now + missing / self._budget.calls_per_second

    def _fill(self, now: float) -> None:
        passed_s = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._tokens += passed_s * self._budget.calls_per_second
        self._clamp()

    def _clamp(self) -> None:
        self._tokens = min(self._tokens, float(self._budget.burst - self._reserved))


_ROUNDING = 1e-6
"""Calls; forgives the rounding of seconds times rate."""

"""The circuit breaker of one account: stops asking a provider that is down or throttles. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from workqueue import retry

if TYPE_CHECKING:
    from collections.abc import Iterable

OPENS_AFTER = 5
"""Fetches in a row that failed for the provider's sake."""
PROBE_CAP_S = 5.0
"""The longest pause between probes, so that recovery is seen within this; one call each."""

_PROVIDERS_FAULT = frozenset({FetchFailure.UNAVAILABLE, FetchFailure.THROTTLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Closed while `until` is None; else open until then, and after that one probe at a time."""

    failures: int = 0
    """Fetches that failed in a row for the provider's sake."""
    until: float | None = None
    """Monotonic seconds."""

    def allows(self, now: float, in_flight: int) -> int | None:
        """How many sources may be asked in one more fetch; None: as many as a batch takes."""
        if self.until is None:
            return None
        return 1 if now >= self.until and in_flight == 0 else 0

    def after(
        self,
        outcomes: Iterable[FetchFailure | None],
        now: float,
        draw: float,
        *,
        asked_s: float | None = None,
    ) -> Breaker:
        """The breaker after one fetch; an outcome is None for an answer, else the failure.

        Anything but *unavailable* and *throttled* is an answer. A provider's request to be left
        alone (`asked_s`) is kept at once, without waiting for more failures.
        """
        seen = list(outcomes)
        if not seen:
            return self
        if any(outcome not in _PROVIDERS_FAULT for outcome in seen):
            return Breaker()
        failures = self.failures + 1
        if failures < OPENS_AFTER and asked_s is None:
            return replace(self, failures=failures)
        pause_s = retry.delay_s(
            max(1, failures - OPENS_AFTER + 1), draw, base_s=2.0, cap_s=PROBE_CAP_S, asked_s=asked_s
        )
        return Breaker(failures=failures, until=now + pause_s)

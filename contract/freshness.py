"""How old a value is, and what its class says then. Pure: `now` is an argument, in seconds since
the epoch.
"""

from __future__ import annotations

from contract.frozen import Record
from contract.reasons import Freshness

CLOCK_SKEW_S = 60.0
"""A last success further ahead of the reader's clock than this is not believed (docs/contract.md,
"Snapshots and ages").
"""

GRAIN_S = 1e-6
"""Less than any clock here matters for, and four times what a float of today's epoch can tell."""

PROPAGATION_S = 90.0
"""The kubelet shows a changed volume to a running pod after at most this long (docs/contract.md,
"Snapshots and ages").
"""


class FreshnessClass(Record):
    """Named freshness rules, from the admin's policy. Times in seconds; `refresh_s < budget_s <=
    max_age_s`.
    """

    name: str
    refresh_s: float
    budget_s: float
    max_age_s: float
    on_expired: str
    """`serve`: start with the expired value and alarm; `refuse`: a starting pod waits in its gate.
    """

    @property
    def refuses(self) -> bool:
        """Whether a starting pod waits when the value has expired."""
        return self.on_expired == "refuse"


def smallest_budget_s(refresh_s: float) -> float:
    """The smallest freshness budget, in seconds, under which a healthy pod does not flap: 4/3 *
    (interval + propagation).
    """
    return (refresh_s + PROPAGATION_S) * 4 / 3


def age_s(last_success: float | None, now: float) -> float | None:
    """Seconds since `last_success`, at least 0; None when there was none, or when it lies in the
    future beyond the skew.
    """
    if last_success is None or last_success > now + CLOCK_SKEW_S:
        return None
    return max(0.0, now - last_success)


def assess(rules: FreshnessClass, last_success: float | None, now: float) -> Freshness:
    """Fresh up to and including the budget, stale up to and including the maximum age, else
    expired; an unknown age is expired.
    """
    age = age_s(last_success, now)
    if age is None or age > rules.max_age_s:
        return Freshness.EXPIRED
    return Freshness.FRESH if age <= rules.budget_s else Freshness.STALE


def next_change(rules: FreshnessClass, last_success: float | None, now: float) -> float | None:
    """When `assess` answers otherwise if nothing else happens, in seconds since the epoch; None:
    never.

    Always later than `now`, and a grain past the limit itself, which still belongs to what came
    before: who sleeps until then sees the change. A time in the future, beyond the skew, becomes
    believable as the clock goes on, so that too is a change.
    """
    age = age_s(last_success, now)
    if last_success is None:
        return None
    if age is None:
        return last_success - CLOCK_SKEW_S + GRAIN_S
    for limit_s in (rules.budget_s, rules.max_age_s):
        if age <= limit_s:
            return last_success + limit_s + GRAIN_S
    return None

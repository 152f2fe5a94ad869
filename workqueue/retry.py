"""How long to wait after a failure: exponential backoff, full jitter. Pure: `draw` is in [0, 1).

Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

BASE_S = 1.0
"""The ceiling of the first delay."""
CAP_S = 300.0
"""The longest delay that is not asked for."""
MOST_ASKED_S = 900.0
"""A server that asks for a longer delay than this is asked again after it."""
LEAST_S = 0.05
"""No delay is shorter, so that nothing spins."""


def delay_s(
    failures: int,
    draw: float,
    *,
    base_s: float = BASE_S,
    cap_s: float = CAP_S,
    asked_s: float | None = None,
) -> float:
    """Seconds to wait after the `failures`-th failure in a row (the first is 1).

    `asked_s` is what the server asks for (Retry-After). It wins, up to MOST_ASKED_S, and gets up to
    a tenth on top so that all who were asked do not come back at one moment. None: it asks for
    nothing.
    """
    if asked_s is not None and asked_s > 0:
        return max(LEAST_S, min(asked_s, MOST_ASKED_S)) * (1 + draw / 10)
    doublings = min(max(failures, 1) - 1, 60)
    ceiling = min(cap_s, base_s * 2.0**doublings)
    return max(LEAST_S, draw * ceiling)

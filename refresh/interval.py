"""How long to wait until the next refresh. Pure: `draw` is in [0, 1)."""

from __future__ import annotations

from math import floor

_LEAST_SHARE = 0.8
"""The next refresh comes at 80 to 100 % of the interval (docs/contract.md)."""
_SLOT_SHARE = 0.05
"""Refreshes of one interval are due together at multiples of this part of it, to share calls."""


def interval_s(refresh_s: float, draw: float) -> float:
    """Seconds until the next refresh after a success: 80 to 100 % of the interval, less what
    `on_slot` may take of that.
    """
    least = _LEAST_SHARE + _SLOT_SHARE
    return refresh_s * (least + (1 - least) * draw)


def on_slot(due_at: float, refresh_s: float) -> float:
    """The moment at or before `due_at` at which others of this interval are due as well. Each would
    else be due at a moment of its own, and fill no batch.
    """
    slot_s = refresh_s * _SLOT_SHARE
    return floor(due_at / slot_s) * slot_s


def spread_s(refresh_s: float, budget_s: float, age_s: float | None, draw: float) -> float:
    """Seconds until the first refresh after a restart, for a value of this age (None: unknown).

    Spread over the interval, but never past three quarters of the budget, which by policy is at
    least interval plus propagation: a value that was fresh stays fresh.
    """
    if age_s is None:
        return 0.0
    return draw * min(refresh_s, max(0.0, budget_s * 3 / 4 - age_s))

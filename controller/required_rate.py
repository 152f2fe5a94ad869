"""How many calls a second what is demanded needs of each account. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.reconcile import Decided
    from refresh.model import SnapshotKey, SourceKey


def needed_calls_per_second(decided: Mapping[SnapshotKey, Decided]) -> dict[str, float]:
    """By account: one call per source and interval, the shortest of the namespaces that share it.
    An account of which nothing is demanded is not in it.
    """
    intervals_s: dict[SourceKey, float] = {}
    for key, item in decided.items():
        if item.demanded is not None:
            refresh_s = item.demanded.rules.refresh_s
            intervals_s[key.source] = min(refresh_s, intervals_s.get(key.source, refresh_s))
    needed: dict[str, float] = {}
    for source, interval_s in intervals_s.items():
        needed[source.account] = needed.get(source.account, 0.0) + 1 / interval_s
    return needed


def rounded(rate: float) -> float:
    """To two significant digits, so that a pod more or less seldom changes what is written."""
    return float(f"{rate:.2g}")

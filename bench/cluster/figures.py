"""How a figure is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def line(name: str, ratio: float, aim: float, *, digits: int = 2) -> None:
    """`bench NAME RATIO aim AIM ok|short`: less is better."""
    verdict = "ok" if ratio <= aim else "short"
    print(f"bench {name} {ratio:.{digits}f} aim {aim:g} {verdict}", flush=True)


def say(text: str) -> None:
    """An absolute figure behind a line, or what is done now."""
    print(f"  {text}", flush=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of the values that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

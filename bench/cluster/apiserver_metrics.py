"""What the API server measures of itself: its page /metrics, and histograms of it. Pure but for
`read`.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAMPLE = re.compile(r"^(\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def read() -> str:
    """The page of the API server that answers."""
    words = ["kubectl", "get", "--raw", "/metrics"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def samples(page: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """Labels and value of each."""
    for found, labels, value in _SAMPLE.findall(page):
        if found == name:
            yield dict(_LABEL.findall(labels)), float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Durations in seconds, as counts by bucket."""

    counts: tuple[tuple[float, float], ...]
    """Upper bound, the last one infinity, and how many do not exceed it; by bound."""
    sum_s: float

    @staticmethod
    def of(page: str, metric: str, /, **labels: str) -> Histogram:
        """All series that have these labels together."""
        counts: Counter[float] = Counter()
        for found, value in samples(page, f"{metric}_bucket"):
            if labels.items() <= found.items():
                counts[float(found["le"])] += int(value)
        sums = samples(page, f"{metric}_sum")
        sum_s = sum(value for found, value in sums if labels.items() <= found.items())
        return Histogram(counts=tuple(sorted(counts.items())), sum_s=sum_s)

    def since(self, before: Histogram) -> Histogram:
        """What came after `before`."""
        known = dict(before.counts)
        counts = tuple((bound, count - known.get(bound, 0)) for bound, count in self.counts)
        return Histogram(counts=counts, sum_s=self.sum_s - before.sum_s)

    @property
    def count(self) -> float:
        return self.counts[-1][1] if self.counts else 0

    @property
    def mean_s(self) -> float:
        """ValueError: nothing was measured."""
        return self.sum_s / self._some()

    def within(self, bound_s: float) -> float:
        """The share that does not exceed one of the bounds. ValueError: nothing was measured."""
        return dict(self.counts)[bound_s] / self._some()

    def quantile_s(self, share: float) -> float:
        """Of so large a share, as if durations were spread evenly over each bucket; infinity beyond
        the last bound. Whether it exceeds a bound is exact. ValueError: nothing was measured.
        """
        rank = share * self._some()
        below_s, under = 0.0, 0.0
        for bound_s, count in self.counts:
            if count >= rank and count > under:
                return below_s + (bound_s - below_s) * (rank - under) / (count - under)
            below_s, under = bound_s, count
        raise AssertionError("unreachable")

    def _some(self) -> float:
        if not self.count:
            raise ValueError("the API server has measured none")
        return self.count

"""What benches read of the API server's own metrics. Pure."""

from __future__ import annotations

from math import inf

import pytest

from bench.cluster.apiserver_metrics import Histogram
from bench.cluster.counted import reads, writes

NAME = "apiserver_admission_webhook_admission_duration_seconds"
PAGE = """\
# HELP {name} [STABLE] Admission webhook latency histogram in seconds.
# TYPE {name} histogram
{name}_bucket{{name="ours",operation="CREATE",rejected="false",type="admit",le="0.005"}} {first}
{name}_bucket{{name="ours",operation="CREATE",rejected="false",type="admit",le="0.025"}} {second}
{name}_bucket{{name="ours",operation="CREATE",rejected="false",type="admit",le="+Inf"}} {all}
{name}_sum{{name="ours",operation="CREATE",rejected="false",type="admit"}} {sum}
{name}_count{{name="ours",operation="CREATE",rejected="false",type="admit"}} {all}
{name}_bucket{{name="ours",operation="UPDATE",rejected="true",type="admit",le="0.005"}} 1
{name}_bucket{{name="ours",operation="UPDATE",rejected="true",type="admit",le="0.025"}} 1
{name}_bucket{{name="ours",operation="UPDATE",rejected="true",type="admit",le="+Inf"}} 1
{name}_sum{{name="ours",operation="UPDATE",rejected="true",type="admit"}} 0.001
{name}_bucket{{name="theirs",operation="CREATE",rejected="false",type="admit",le="+Inf"}} 7000
{name}_sum{{name="theirs",operation="CREATE",rejected="false",type="admit"}} 7000
apiserver_request_total{{code="200",dry_run="",resource="pods",verb="PATCH"}} 1.5e+06
apiserver_request_total{{code="200",dry_run="All",resource="pods",verb="POST"}} 3
apiserver_request_total{{code="200",dry_run="",resource="pods",verb="GET"}} 4
apiserver_request_total{{code="200",dry_run="",resource="secrets",verb="LIST"}} 5
apiserver_request_total{{code="200",dry_run="",resource="secrets",verb="WATCH"}} 6
apiserver_request_total{{code="200",dry_run="",resource="configmaps",verb="GET"}} 7
apiserver_request_total{{code="404",dry_run="",resource="configmaps",verb="GET"}} 8
"""


def page(*counts: int, sum_s: float = 0.0) -> str:
    """With so many of ours in each bucket or one before it."""
    first, second, together = counts
    return PAGE.format(name=NAME, first=first, second=second, all=together, sum=sum_s)


def measured(*counts: int, sum_s: float = 0.0) -> Histogram:
    """What came after a page that had some already."""
    before = Histogram.of(page(10, 20, 30, sum_s=2.0), NAME, name="ours")
    first, second, together = counts
    now = page(10 + first, 20 + second, 30 + together, sum_s=2.0 + sum_s)
    return Histogram.of(now, NAME, name="ours").since(before)


def test_a_histogram_is_of_its_labels_alone() -> None:
    """All of its series together."""
    found = Histogram.of(page(10, 20, 30, sum_s=2.0), NAME, name="ours")
    assert found.counts == ((0.005, 11), (0.025, 21), (inf, 31))
    assert found.sum_s == pytest.approx(2.001)


def test_what_came_between_two_pages_is_told() -> None:
    """How many, their mean, and how many of them were within a bound."""
    found = measured(90, 100, 100, sum_s=0.3)
    assert found.count == 100
    assert found.mean_s == pytest.approx(0.003)
    assert found.within(0.005) == pytest.approx(0.9)


def test_a_series_that_began_between_two_pages_counts_whole() -> None:
    """No webhook was called before."""
    none = Histogram.of("", NAME, name="ours")
    assert Histogram.of(page(3, 4, 5), NAME, name="ours").since(none).count == 6


@pytest.mark.parametrize(
    ("counts", "share", "expected_s"),
    [
        ((100, 100, 100), 0.5, 0.0025),
        ((100, 100, 100), 0.99, 0.00495),
        ((99, 100, 100), 0.99, 0.005),
        ((98, 100, 100), 0.99, 0.015),
        ((0, 100, 100), 0.5, 0.015),
        ((0, 0, 100), 0.5, inf),
        ((99, 99, 100), 0.99, 0.005),
        ((98, 98, 100), 0.99, inf),
    ],
    ids=[
        "middle of the first",
        "late in the first",
        "at a bound",
        "middle of the second",
        "none in the first",
        "beyond all",
        "at a bound, then none",
        "just beyond",
    ],
)
def test_a_quantile_is_spread_over_its_bucket(
    counts: tuple[int, int, int], share: float, expected_s: float
) -> None:
    """It exceeds a bound exactly if too few are within that."""
    assert measured(*counts).quantile_s(share) == pytest.approx(expected_s)


def test_nothing_measured_is_no_figure() -> None:
    """A run in which the webhook was not called."""
    nothing = measured(0, 0, 0)
    with pytest.raises(ValueError, match="none"):
        nothing.quantile_s(0.99)
    with pytest.raises(ValueError, match="none"):
        _ = nothing.mean_s


def test_only_writes_of_our_kinds_are_counted() -> None:
    """Neither reads nor dry runs."""
    assert writes(page(0, 0, 0)) == {"pods": 1_500_000}


def test_reads_of_records_and_ages_are_counted() -> None:
    """With any code; neither watches nor other kinds."""
    assert reads(page(0, 0, 0)) == {"LIST secrets": 5, "GET configmaps": 15}

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from refresh import interval
from refresh.breaker import OPENS_AFTER, PROBE_CAP_S, Breaker
from refresh.budget import Bucket, RateLimit
from tests.refresh.world import most_over

DRAWS = st.floats(0, 1, exclude_max=True)


@given(draw=DRAWS)
def test_the_next_refresh_comes_at_80_to_100_percent_of_the_interval(draw: float) -> None:
    """Interval jitter is as docs/contract.md says."""
    assert 80 <= interval.interval_s(100, draw) <= 100


@given(at=st.floats(0, 1e7), draw=DRAWS)
def test_refreshes_of_one_interval_share_few_moments(at: float, draw: float) -> None:
    """A due time moves to one of 20 moments per interval, and stays within 80 to 100 % of it."""
    due_at = interval.on_slot(at + interval.interval_s(100, draw), 100)
    assert due_at == pytest.approx(round(due_at / 5) * 5)
    assert 80 - 1e-6 <= due_at - at <= 100


@given(age=st.floats(0, 3600), draw=DRAWS)
def test_p6_a_restart_spreads_refreshes_and_makes_no_fresh_value_stale(
    age: float, draw: float
) -> None:
    """A value within three quarters of its budget is refreshed before it leaves them."""
    wait_s = interval.spread_s(900, 3600, age, draw)
    assert 0 <= wait_s <= 900
    assert age + wait_s <= max(age, 2700)


def test_an_unknown_age_is_refreshed_at_once() -> None:
    """A restored backup waits for no spread."""
    assert interval.spread_s(900, 3600, None, 0.99) == 0


@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 40),
    steps=st.lists(
        st.tuples(st.floats(0, 10), st.integers(1, 8), st.integers(0, 8), st.integers(0, 4)),
        max_size=60,
    ),
)
def test_p4_no_window_ever_sees_more_calls_than_burst_and_rate_allow(
    rate: float, burst: int, steps: list[tuple[float, int, int, int]]
) -> None:
    """Also when reservations are settled late and refunded; calls are made at the last moment."""
    now, bucket = 0.0, Bucket(RateLimit(calls_per_second=rate, burst=burst), 0.0)
    made: list[float] = []
    open_reservations: list[tuple[int, int]] = []
    for wait_s, calls, used, keep in steps:
        now += wait_s
        while len(open_reservations) > keep:
            reserved, will_use = open_reservations.pop(0)
            made.extend([now] * will_use)
            bucket.settle(reserved, will_use, now)
        if bucket.take(calls, now):
            open_reservations.append((calls, min(used, calls)))
    assert most_over(made, rate=rate, burst=burst) <= 1e-3 if made else True


@given(rate=st.floats(0.1, 50), burst=st.integers(1, 40), calls=st.integers(1, 40))
def test_the_bucket_tells_when_it_can_pay(rate: float, burst: int, calls: int) -> None:
    """At the moment that it names the calls can be taken, and more than the burst never can."""
    bucket = Bucket(RateLimit(calls_per_second=rate, burst=burst), 0.0)
    assert bucket.take(burst, 0.0)
    bucket.settle(burst, burst, 0.0)
    ready_at = bucket.ready_at(calls, 0.0)
    if calls > burst:
        assert ready_at == float("inf")
        assert not bucket.take(calls, 1e6)
    else:
        assert not bucket.take(calls, ready_at * 0.9 - 0.01)
        assert bucket.take(calls, ready_at + 1e-6)


def test_a_smaller_burst_takes_effect_at_once() -> None:
    """What was saved up under the former budget is lost."""
    bucket = Bucket(RateLimit(calls_per_second=1, burst=40), 0.0)
    bucket.change(RateLimit(calls_per_second=1, burst=2), 0.0)
    assert not bucket.take(3, 0.0)
    assert bucket.take(2, 0.0)


def test_time_that_goes_back_adds_nothing_to_the_bucket() -> None:
    """Only time that has not been counted yet fills it."""
    bucket = Bucket(RateLimit(calls_per_second=1, burst=5), 100.0)
    assert bucket.take(5, 100.0)
    bucket.settle(5, 5, 100.0)
    assert not bucket.take(1, 50.0)
    assert not bucket.take(1, 100.5)
    assert bucket.take(1, 101.0)


def _failed(breaker: Breaker, times: int, reason: FetchFailure) -> Breaker:
    for _ in range(times):
        breaker = breaker.after([reason], 0.0, 0.5)
    return breaker


@pytest.mark.parametrize("reason", list(FetchFailure))
def test_only_unavailable_and_throttled_open_the_breaker(reason: FetchFailure) -> None:
    """Any other failure is an answer: the provider is there."""
    breaker = _failed(Breaker(), OPENS_AFTER, reason)
    opens = reason in {FetchFailure.UNAVAILABLE, FetchFailure.THROTTLED}
    assert (breaker.until is not None) == opens
    assert breaker.allows(0.0, 0) == (0 if opens else None)


def test_an_open_breaker_lets_one_probe_through_at_a_time() -> None:
    """Half open: one source in one fetch, and none beside it; an answer closes it."""
    breaker = _failed(Breaker(), OPENS_AFTER, FetchFailure.UNAVAILABLE)
    assert breaker.until is not None
    assert breaker.allows(breaker.until, 0) == 1
    assert breaker.allows(breaker.until, 1) == 0
    assert breaker.after([None], 1.0, 0.5) == Breaker()


def test_probes_come_ever_later_but_never_later_than_the_cap() -> None:
    """Recovery is seen within the cap."""
    breaker = Breaker()
    for _ in range(200):
        breaker = breaker.after([FetchFailure.UNAVAILABLE], 0.0, 0.999)
        assert breaker.until is None or breaker.until <= PROBE_CAP_S


def test_a_retry_after_opens_the_breaker_at_once() -> None:
    """Retry-After on one throttled fetch rests the whole account."""
    breaker = Breaker().after([FetchFailure.THROTTLED], 10.0, 0.0, asked_s=60.0)
    assert breaker.until == 70.0


def test_a_batch_with_one_answer_closes_and_an_empty_one_says_nothing() -> None:
    """Per-item failures beside an answer are the items' own."""
    open_one = _failed(Breaker(), OPENS_AFTER, FetchFailure.THROTTLED)
    assert open_one.after([], 0.0, 0.5) == open_one
    assert open_one.after([FetchFailure.UNAVAILABLE, None], 0.0, 0.5) == Breaker()

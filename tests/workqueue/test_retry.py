"""The one retry policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workqueue import retry

DRAWS = st.floats(0, 1, exclude_max=True)


@given(failures=st.integers(-5, 10**9), draw=DRAWS, cap_s=st.floats(1, 1e6))
def test_a_delay_is_positive_and_never_above_its_cap(
    failures: int, draw: float, cap_s: float
) -> None:
    """Any number of failures gives a finite delay; no exponent overflows."""
    assert 0 < retry.delay_s(failures, draw, cap_s=cap_s) <= cap_s


def test_the_jitter_is_full_and_the_ceiling_doubles() -> None:
    """A draw of a half waits half the ceiling, which is 1, 2, 4... times the base."""
    delays = [retry.delay_s(n, 0.5, base_s=2.0, cap_s=100.0) for n in range(1, 8)]
    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 50.0]


@pytest.mark.parametrize(
    ("asked_s", "least", "most"),
    [
        pytest.param(30.0, 30.0, 33.0, id="wins over the computed delay"),
        pytest.param(1e9, retry.MOST_ASKED_S, retry.MOST_ASKED_S * 1.1, id="is bounded"),
        pytest.param(0.0, retry.LEAST_S, 1.0, id="nothing asked"),
        pytest.param(-5.0, retry.LEAST_S, 1.0, id="nonsense asked"),
    ],
)
def test_what_the_server_asks_for_wins(asked_s: float, least: float, most: float) -> None:
    """Retry-After is kept up to a bound, with a little jitter above it."""
    for draw in (0.0, 0.5, 0.999):
        assert least <= retry.delay_s(1, draw, asked_s=asked_s) <= most

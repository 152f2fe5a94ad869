"""The agent's delays after failures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.backoff import delay_s


def test_the_delay_doubles_up_to_its_bound() -> None:
    """The first failure waits the shortest delay."""
    delays = [delay_s(number, first_s=0.5, most_s=30.0) for number in range(1, 9)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@given(st.integers(min_value=-1, max_value=10**12), st.floats(0.1, 10.0), st.floats(10.0, 1e6))
def test_no_number_of_failures_is_too_many(failures: int, first_s: float, most_s: float) -> None:
    """An agent may fail for the whole life of its pod."""
    assert first_s <= delay_s(failures, first_s=first_s, most_s=most_s) <= most_s

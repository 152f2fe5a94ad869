"""How old a value is, what its class says, and when that changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.freshness import (
    GRAIN_S,
    PROPAGATION_S,
    FreshnessClass,
    age_s,
    assess,
    next_change,
    smallest_budget_s,
)
from contract.reasons import Freshness
from tests import make
from tests.properties import strategies

NOW = make.NOW
RULES = make.rules(budget_s=900, max_age_s=86_400)
SEVERITY = [Freshness.FRESH, Freshness.STALE, Freshness.EXPIRED]

BOUNDARIES: dict[str, tuple[float | None, Freshness, float | None]] = {
    # last success: assessment, age
    "just now": (NOW, Freshness.FRESH, 0.0),
    "the budget": (NOW - 900, Freshness.FRESH, 900.0),
    "past the budget": (NOW - 900.125, Freshness.STALE, 900.125),
    "the maximum age": (NOW - 86_400, Freshness.STALE, 86_400.0),
    "past the maximum age": (NOW - 86_400.125, Freshness.EXPIRED, 86_400.125),
    "60 s ahead": (NOW + 60, Freshness.FRESH, 0.0),
    "60.1 s ahead": (NOW + 60.1, Freshness.EXPIRED, None),
    "never": (None, Freshness.EXPIRED, None),
}


@pytest.mark.parametrize(("last", "expected", "age"), BOUNDARIES.values(), ids=BOUNDARIES)
def test_p6_boundaries_of_an_age(
    last: float | None, expected: Freshness, age: float | None
) -> None:
    """A limit belongs to what comes before it; what can't be believed is expired."""
    assert assess(RULES, last, NOW) is expected
    assert age_s(last, NOW) == age


@given(
    rules=strategies.rules(),
    last=strategies.times,
    waits=st.tuples(*[st.floats(min_value=0, max_value=1e8)] * 2),
)
def test_p5_a_value_never_grows_fresher(
    rules: FreshnessClass, last: float, waits: tuple[float, float]
) -> None:
    """With no success, time only makes it worse."""
    sooner, later = (SEVERITY.index(assess(rules, last, last + wait)) for wait in sorted(waits))
    assert sooner <= later


@given(
    rules=strategies.rules(),
    last=strategies.times,
    away=st.floats(min_value=-1e6, max_value=2e7),
    part=st.floats(min_value=0, max_value=1),
)
def test_the_next_change_is_where_the_assessment_changes(
    rules: FreshnessClass, last: float, away: float, part: float
) -> None:
    """The same answer until then, another one there, and None means never."""
    now = last + away
    present = assess(rules, last, now)
    change = next_change(rules, last, now)
    if change is None:
        assert assess(rules, last, now + 1e9) is present
        return
    assert change > now
    assert assess(rules, last, change) is not present
    before = now + (change - now) * part
    if before < change - 4 * GRAIN_S:
        assert assess(rules, last, before) is present


@given(rules=strategies.rules(), now=strategies.times)
def test_what_never_succeeded_does_not_change(rules: FreshnessClass, now: float) -> None:
    """No age, no limit to reach."""
    assert next_change(rules, None, now) is None


CHANGES = {
    "fresh": (NOW, NOW + 900),
    "at the budget": (NOW - 900, NOW),
    "stale": (NOW - 901, NOW - 901 + 86_400),
    "at the maximum age": (NOW - 86_400, NOW),
    "60.5 s ahead": (NOW + 60.5, NOW + 0.5),
}


@pytest.mark.parametrize(("last", "limit"), CHANGES.values(), ids=CHANGES)
def test_who_sleeps_until_the_next_change_sees_it(last: float, limit: float) -> None:
    """It lies just past the limit, so that a clock that stands there does not ask for ever."""
    change = next_change(RULES, last, NOW)
    assert change == limit + GRAIN_S
    assert change > NOW
    assert assess(RULES, last, change) is not assess(RULES, last, NOW)


def test_an_expired_value_does_not_change() -> None:
    """By time alone it stays expired."""
    assert next_change(RULES, NOW - 86_401, NOW) is None


@pytest.mark.parametrize(("on_expired", "refuses"), [("serve", False), ("refuse", True)])
def test_a_class_says_whether_it_refuses(on_expired: str, *, refuses: bool) -> None:
    """What a starting pod does with an expired value."""
    assert make.rules(on_expired=on_expired).refuses is refuses


@given(refresh_s=st.floats(min_value=1, max_value=86_400))
def test_the_smallest_budget_outlasts_a_healthy_cycle(refresh_s: float) -> None:
    """The oldest age of a healthy pod, with an entry a quarter of the budget old, is in it."""
    budget_s = smallest_budget_s(refresh_s)
    assert refresh_s + PROPAGATION_S + budget_s / 4 <= budget_s * (1 + 1e-12)

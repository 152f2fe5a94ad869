"""The table says what was found, and a broken promise is never hidden in it."""

from __future__ import annotations

import pytest

from demo.report import Row, broken, described, table


def test_a_row_shows_the_median_and_the_largest() -> None:
    """Columns are aligned under their headings."""
    row = Row(step="black hole", pods=3, seconds=[1.0, 3.0, 2.0], calls=0, age_s=9.6, state="fresh")
    row.check("P1", "", kept=True)
    lines = table([row]).splitlines()
    assert lines[3].split() == ["black", "hole", "3", "2.00", "3.00", "0", "10", "s", "fresh", "P1"]
    assert lines[3].index("0 ") >= lines[0].index("pods")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [([], "none of 2"), ([1.0], "1 of 2"), ([1.0, 2.0], "1.50   2.00")],
)
def test_pods_that_did_not_start_are_counted(seconds: list[float], shown: str) -> None:
    """A median of those that did would look well."""
    assert shown in table([Row(step="s", pods=2, seconds=seconds)])


def test_a_broken_promise_stands_in_the_table_and_in_a_sentence() -> None:
    """Also where others of the same step were kept."""
    row = Row(step="rotation", pods=1, seconds=[1.0])
    row.check("P1", "it started", kept=True)
    row.check("P12", "0 of 1 pods follow", kept=False)
    assert table([row]).splitlines()[3].endswith("BROKEN P12")
    assert broken([row]) == ["rotation: P12 is broken: 0 of 1 pods follow"]


def test_programs_are_given_all_of_a_row() -> None:
    """`lastgood demo -o json`: each time, and each check with its sentence."""
    row = Row(step="  black hole", pods=2, seconds=[1.0, 3.0], calls=0, age_s=9.6, state="fresh")
    row.check("P1", "it started", kept=True)
    assert described(row) == {
        "step": "black hole",
        "pods": 2,
        "ready_s": [1.0, 3.0],
        "provider_calls": 0,
        "age_s": 9.6,
        "state": "fresh",
        "checks": [{"promise": "P1", "what": "it started", "kept": True}],
    }

"""A record behaves as a frozen dataclass does, without the import."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract.frozen import Record

ROOT = Path(__file__).parents[2]


class Point(Record):
    """A record with a default."""

    x: int
    y: int = 0


class Other(Record):
    """The same fields in another type."""

    x: int
    y: int = 0


class Listed(Record):
    """A record that holds something that can change."""

    items: list[int]


def test_fields_are_given_by_name() -> None:
    """Each field is what was given."""
    point = Point(x=1, y=2)
    assert (point.x, point.y) == (1, 2)


def test_a_field_that_is_not_given_has_its_default() -> None:
    """A class attribute is the default."""
    assert Point(x=1) == Point(x=1, y=0)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "Point needs x"),
    "one missing": ({"y": 1}, "Point needs x"),
    "unknown": ({"x": 1, "z": 2}, "Point has no z"),
    "two unknown": ({"x": 1, "z": 2, "a": 3}, "Point has no z, a"),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_wrong_fields_are_named(given: dict[str, Any], message: str) -> None:
    """The error says which field of which record."""
    with pytest.raises(TypeError) as refused:
        Point(**given)
    assert str(refused.value) == message


def test_fields_have_no_order() -> None:
    """A record takes no positional arguments."""
    with pytest.raises(TypeError):
        Point(1, 2)  # type: ignore[call-arg]  # raises


def test_a_record_can_not_be_changed() -> None:
    """Neither a field nor a new attribute is set, and none is deleted."""
    point = Point(x=1)
    with pytest.raises(AttributeError, match=r"^Point is immutable: x can't be set$"):
        point.x = 2  # type: ignore[misc]  # raises
    with pytest.raises(AttributeError, match=r"^Point is immutable: z can't be set$"):
        point.z = 2
    with pytest.raises(AttributeError, match=r"^Point is immutable: x can't be deleted$"):
        del point.x
    assert point == Point(x=1)


def test_replace_gives_another_record() -> None:
    """The first keeps its fields, and an unknown field is refused."""
    point = Point(x=1, y=2)
    assert point.replace(y=3) == Point(x=1, y=3)
    assert point == Point(x=1, y=2)
    with pytest.raises(TypeError, match=r"^Point has no z$"):
        point.replace(z=3)


def test_equal_records_are_one_key() -> None:
    """Equality and hash go by type and fields."""
    assert Point(x=1) == Point(x=1)
    assert hash(Point(x=1)) == hash(Point(x=1))
    assert Point(x=1) != Point(x=2)
    assert Point(x=1) != Other(x=1)
    assert Point(x=1) != (1, 0)
    assert len({Point(x=1), Point(x=1), Point(x=2), Other(x=1)}) == 3


def test_a_record_of_something_changeable_has_no_hash() -> None:
    """As for a tuple of a list."""
    with pytest.raises(TypeError):
        hash(Listed(items=[1]))


def test_its_repr_is_how_to_write_it() -> None:
    """Type and fields, in order."""
    assert repr(Point(y=2, x=1)) == "Point(x=1, y=2)"


def test_copies_are_equal() -> None:
    """By copy, deepcopy and pickle."""
    point = Point(x=1, y=2)
    assert copy.copy(point) == copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301 - our own


def test_the_start_path_imports_nothing_slow() -> None:
    """A bare interpreter that imports what gate and agent need of the contract pulls in none of
    these.
    """
    needed = "plan, snapshot_format, ages, status_file, layout, freshness, wire, reasons"
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from contract import {needed}; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    bare = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(bare, check=True, capture_output=True, text=True)
    imported = set(done.stdout.split())
    assert "contract" in imported
    slow = {
        "dataclasses",
        "typing",
        "inspect",
        "argparse",
        "asyncio",
        "logging",
        "pathlib",
        "hashlib",
    }
    assert imported & slow == set()

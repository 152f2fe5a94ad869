"""JSON that is nested deeper than a parser goes, or not all text."""

from __future__ import annotations

import json
from functools import reduce

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kube.safe_json import MOST_LEVELS, parsed, shallow

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def _deep(levels: int, around: bytes = b'{"f:a":%s}') -> bytes:
    before, after = around.split(b"%s")
    return before * levels + b"{}" + after * levels


@pytest.mark.parametrize("levels", [10, 1000, 10_000, 100_000])
@pytest.mark.parametrize("around", [b'{"f:a":%s}', b'[1,%s,"]}"]', b'{"\\"[{":%s}'])
def test_p13_one_object_of_any_depth_costs_no_other(levels: int, around: bytes) -> None:
    """What stands beside it is read as it is, and what can be parsed is left alone."""
    page = b'{"items":[{"deep":%s},{"name":"web \\u007b"}],"next":"a"}' % _deep(levels, around)
    found = parsed(page)
    assert isinstance(found, dict)
    assert found["items"][1] == {"name": "web {"}
    assert found["next"] == "a"
    assert levels > 10 or json.loads(page) == found


def _levels(tree: object) -> int:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return 0 if inner is None else 1 + max(map(_levels, inner), default=0)


@given(TREES, st.integers(0, MOST_LEVELS))
def test_what_is_not_too_deep_stays(tree: object, around: int) -> None:
    """Byte by byte."""
    assume(_levels(tree) + around < MOST_LEVELS)
    content = json.dumps(reduce(lambda inner, _: [inner], range(around), tree)).encode()
    assert shallow(content) == content


@pytest.mark.parametrize("levels", [1, 5000])
def test_p13_one_object_with_bytes_that_are_no_text_costs_no_other(levels: int) -> None:
    """They are replaced; what stands beside them is read as it is."""
    page = b'{"items":[%s,{"name":"w\xc3\xa9b"}]}' % _deep(levels, b'{"f:\xff":%s}')
    found = parsed(page)
    assert isinstance(found, dict)
    assert found["items"][1] == {"name": "w\u00e9b"}
    assert list(found["items"][0]) == ["f:\ufffd"]


@given(st.binary(max_size=60) | st.text('{}[]",:\\0a', max_size=60).map(str.encode))
def test_what_is_no_json_is_none_and_raises_nothing(content: bytes) -> None:
    """An exception would hold the bytes."""
    try:
        wanted = json.loads(content.decode("utf-8", "replace"))
    except ValueError:
        wanted = None
    assert repr(parsed(content)) == repr(wanted)


def test_what_is_too_deep_and_no_json_is_none() -> None:
    """Cut off within, or without an end."""
    assert parsed(b'{"f:a":' * 5000) is None
    assert parsed(b"[" * 5000 + b"]" * 4999) is None


@pytest.mark.parametrize("content", [b"[" * 10_000, b'{"a":' * 10_000, b'[{"a":[' * 10_000])
def test_what_is_too_deep_and_ends_in_the_middle_is_none(content: bytes) -> None:
    """As of a connection that was cut: it raises nothing."""
    assert parsed(content) is None


def test_p13_a_string_without_an_end_is_read_once() -> None:
    """Below what is too deep, also where it ends in the middle of an escape."""
    for end in (b"", b"\\"):
        assert parsed(b"[" * 5000 + b'"' + b'\\"' * 500_000 + end) is None

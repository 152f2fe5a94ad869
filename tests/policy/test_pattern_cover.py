"""Whether a pattern matches all that another one matches, held to matching itself."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.match import matches
from policy.pattern_cover import compare

REFERENCES = ["".join(it) for length in range(6) for it in product("a/", repeat=length)]
PATTERNS = st.lists(st.sampled_from(["a", "/", "*", "/**", "**/"]), max_size=4).map("".join)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("/a/*", "/a/*", True),
        ("/a/*", "/a/b", True),
        ("/a/**", "/a/*", True),
        ("/a/**", "/a/**/*", True),
        ("/a/**", "/a/b/**/c", True),
        ("/a/*", "/a/**", False),
        ("/a/**/*", "/a/**", False),
        ("/a/*", "/a/{namespace}", True),
        ("/a/{namespace}/*", "/a/*/*", False),
        ("/a/b*", "/a/*", False),
        ("/a/*b*", "/a/*b", True),
        ("/a/*/**", "/a/**/*", True),
        ("**", "/a/*", True),
        ("*", "/a/*", False),
    ],
)
def test_covers(outer: str, inner: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """Wildcards of one segment, of many, and the namespace, which is text."""
    assert compare(outer, inner)[0] is expected


@given(outer=PATTERNS, inner=PATTERNS)
def test_it_agrees_with_matching(outer: str, inner: str) -> None:
    """On every short reference, and where it says no there is one that shows it."""
    found = [it for it in REFERENCES if matches(inner, it)]
    counted = [it for it in found if not matches(outer, it)]
    if compare(outer, inner)[0]:
        assert counted == []
    else:
        assert counted != [] or len(inner) > 4


def test_a_costly_pair_ends() -> None:
    """It counts as not covered, in bounded time."""
    assert not compare("/" + "*a" * 190, "/" + "*b" * 190)[0]
    assert compare("/" + "*a" * 9 + "*", "/" + "aa*" * 12)[0]

"""The name of a snapshot: one per source, and one that Kubernetes accepts."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from contract.object_names import snapshot_name

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""RFC 1123, as the API server checks the names of Secrets."""

sources = st.tuples(*[st.text("ab\0:1/", max_size=4) | st.text() | st.just("\ud800")] * 4)


def test_a_name_stays_what_it_was() -> None:
    """Another name would be another Secret, and what is kept under the old one would be lost."""
    name = snapshot_name("prod", "payments", "aws-sm", "/prod/payments/db")
    assert name == "lg-prod-payments-db-94a8ed05c85f4e95b6eded000d893149"


@given(source=sources)
@example(source=("", "", "", ""))
@example(source=("", "", "", "-/-"))
@example(source=("", "", "", "a" * 512))
@example(source=("", "", "", "b/" + "a" * 39))
def test_a_name_is_valid_and_short(source: tuple[str, str, str, str]) -> None:
    """An RFC 1123 subdomain of at most 76 characters that ends in 128 bits."""
    name = snapshot_name(*source)
    assert SUBDOMAIN.fullmatch(name)
    assert len(name) <= 76
    assert re.fullmatch(r"lg-[a-z0-9-]*[a-z0-9]-[0-9a-f]{32}", name)


@given(one=sources, other=sources)
@example(one=("a\0b", "c", "d", "e"), other=("a", "b\0c", "d", "e"))
@example(one=("a\0b", "c", "d", "e"), other=("a", "b", "c", "d\0e"))
@example(one=("1:a", "", "", ""), other=("", "1:a", "", ""))
@example(one=("", "0:", "", ""), other=("", "", "0:", ""))
def test_p13_different_sources_have_different_names(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    """However the parts are cut."""
    assert (snapshot_name(*one) == snapshot_name(*other)) == (one == other)


@given(source=sources, cut=st.integers(min_value=0), between=st.sampled_from([0, 1, 2]))
def test_a_border_moved_is_another_source(
    source: tuple[str, str, str, str], cut: int, between: int
) -> None:
    """The same characters in all, another border between two parts."""
    joined = source[between] + source[between + 1]
    at = cut % (len(joined) + 1)
    moved = [*source[:between], joined[:at], joined[at:], *source[between + 2 :]]
    same = tuple(moved) == source
    assert (snapshot_name(*moved) == snapshot_name(*source)) == same

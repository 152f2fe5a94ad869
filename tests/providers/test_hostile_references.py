"""References of any text: accepted as they are, or rejected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reference import ReferenceRejected, is_property
from contract.snapshot_format import data_key, property_key
from contract.spelling import nearest, suggestion
from providers.references import canonicalise, parse_source
from providers.registry import PROVIDERS, SCHEMES
from tests.properties import strategies

if TYPE_CHECKING:
    from collections.abc import Callable

providers = st.sampled_from(tuple(SCHEMES))


WRITTEN: dict[str, Callable[[str], str]] = {
    "vault": lambda path: f"secret{path}",
    "gcp-sm": lambda path: re.sub("[^A-Za-z0-9_-]", "_", path)[:255],
    "azure-kv": lambda path: re.sub("[^a-z0-9-]", "-", path.lower())[:127],
    "k8s": lambda path: "payments/" + re.sub("[^a-z0-9]", "a", path.lower()),
}
"""A path as a name of a provider whose names are none."""


@given(provider=providers, reference=strategies.names)
def test_an_ordinary_reference_is_accepted_as_it_is(provider: str, reference: str) -> None:
    """The path that policy matches is the path that goes on the wire."""
    written = WRITTEN.get(provider, str)(reference)
    assert canonicalise(provider, written) == written


@given(reference=strategies.references)
def test_a_reference_with_signs_is_accepted_as_it_is(reference: str) -> None:
    """Where a provider's names have them."""
    for provider in ("aws-sm", "file"):
        assert canonicalise(provider, reference) == reference


@given(raw=strategies.names | strategies.references | strategies.hostile_references)
def test_p2_the_first_scheme_of_a_provider_takes_what_another_takes(raw: str) -> None:
    """It judges a revoked reference that names no provider."""
    for provider in PROVIDERS.values():
        first, *others = provider.schemes
        for other in others:
            if _taken(other.name, raw):
                assert _taken(first.name, raw)


def _taken(provider: str, raw: str) -> bool:
    try:
        canonicalise(provider, raw)
    except ReferenceRejected:
        return False
    return True


@given(provider=providers | st.text(), raw=strategies.hostile_references)
def test_p7_any_text_is_accepted_unchanged_or_rejected(provider: str, raw: str) -> None:
    """Never repaired, and nothing accepted holds what could mean another path to somebody."""
    try:
        accepted = canonicalise(provider, raw)
    except ReferenceRejected as rejected:
        message = str(rejected)
        accepted = None
    else:
        message = ""
    assert message.isascii()
    assert message.isprintable()
    if accepted is not None:
        assert accepted == raw
        assert accepted.isascii()
        assert accepted.isprintable()
        assert not set(accepted) & set("%?\\ #:*")
        assert not set(accepted.removeprefix("/").split("/")) & {"", ".", ".."}


@given(raw=st.text() | strategies.hostile_references.map("aws-sm:".__add__))
def test_any_annotation_is_taken_apart_or_rejected(raw: str) -> None:
    """The parts make up the annotation again, so nothing was dropped."""
    try:
        source = parse_source(raw)
    except ReferenceRejected:
        return
    account = "" if source.account is None else f"@{source.account}"
    name = "" if source.property is None else f"#{source.property}"
    assert f"{source.scheme}{account}:{source.reference}{name}" == raw


step_texts = st.text("ab./-", min_size=1, max_size=8)


@given(one=step_texts, other=step_texts)
def test_p13_no_two_properties_share_a_data_key(one: str, other: str) -> None:
    """Otherwise a pod could get another property's value."""
    if is_property(one) and is_property(other) and one != other:
        assert property_key(one) != property_key(other)


@given(name=strategies.properties | step_texts)
def test_a_propertys_key_is_one_that_a_secret_may_have(name: str) -> None:
    """At most 253 of A-Z a-z 0-9 - _ . (API: Secret, data)."""
    if is_property(name):
        key = property_key(name)
        assert len(key) <= 253
        assert "/" not in key


def test_the_longest_property_fits_a_key() -> None:
    """Each step costs two characters, and `p.` two more."""
    longest = "a" * 124 + "/" + "b" * 125
    assert is_property(longest)
    assert len(property_key(longest)) == 253
    assert not is_property(longest + "b")


def test_the_whole_value_and_a_property_have_their_own_keys() -> None:
    """A member named value is not the whole value."""
    assert data_key(None) == "value"
    assert data_key("value") == "p.value"
    assert data_key("a/b") == "p.a..b"


NEAREST = {
    "a letter swapped": ("mdoe", "mode"),
    "another case": ("MODE", "mode"),
    "allowed in another case": ("payments", "Payments"),
    "nothing near": ("zzzzzz", None),
    "empty": ("", None),
}


@pytest.mark.parametrize(("word", "expected"), NEAREST.values(), ids=NEAREST)
def test_the_nearest_spelling(word: str, expected: str | None) -> None:
    """The one allowed word most like it, as it is spelled."""
    allowed = ("mode", "bundle", "reload", "Payments")
    assert nearest(word, allowed) == expected
    hint = "" if expected is None else f'. Did you mean "{expected}"?'
    assert suggestion(word, allowed) == hint

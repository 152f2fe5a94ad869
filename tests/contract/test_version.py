"""Which names of versions objects and documents can have."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contract.snapshot_format import MOST_VERSION, is_version
from schema.fields import Version

_MODEL: TypeAdapter[str] = TypeAdapter(Version)
_NAMES = st.one_of(
    st.text(max_size=MOST_VERSION + 2), st.text(st.characters(max_codepoint=0x7F), max_size=200)
)


@given(_NAMES)
@example("")
@example("v" * MOST_VERSION)
@example("v" * (MOST_VERSION + 1))
@example('a"b')
@example("a\\b")
@example("a]b[^")
def test_the_model_takes_the_same_versions(name: str) -> None:
    """The API server's pattern is generated from the model."""
    try:
        _MODEL.validate_python(name)
    except ValidationError:
        assert not is_version(name)
    else:
        assert is_version(name)
        assert len(json.dumps(name)) == len(name) + 2, "its size in a document is known"


@pytest.mark.parametrize(
    "name", ["ffe1ef8d-1b58-4a5c-a2f4-7f3f5a0e5c6d", "17", "terraform-20260301000000000000000001"]
)
def test_a_providers_names_are_versions(name: str) -> None:
    """UUIDs, counters, and tokens that clients of AWS choose."""
    assert is_version(name)

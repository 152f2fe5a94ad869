"""The search of the leak test, and its generator, without a cluster."""

from __future__ import annotations

import base64
import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.api_resources import SECRETS
from tests.e2e.leak import canary, foreign
from tests.e2e.leak.requests import EACH, Generator
from tests.e2e.leak.rights import VERBS, Identity, Known, Right

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = canary.new("/api/v1/namespaces/a/secrets/b", "data.k")
TEXT = ONE.text.encode()
HIDDEN: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "upper case": bytes.upper,
    "Base64": base64.b64encode,
    "hex": lambda text: text.hex().encode(),
    "%v of Go": lambda text: str(list(text)).replace(",", "").encode(),
    "%#v of Go": lambda text: ", ".join(map(hex, text)).encode(),
    "JSON": lambda text: json.dumps({"k": text.decode()}).encode(),
}


@pytest.mark.parametrize("how", HIDDEN)
@given(before=st.binary(max_size=40), after=st.binary(max_size=40), half=st.sampled_from([0, 1, 2]))
def test_a_canary_is_found_in_each_spelling(
    how: str, before: bytes, after: bytes, half: int
) -> None:
    """Also one half of it, and in the middle of other bytes that are spelt with it."""
    part = (TEXT, TEXT[: canary.HALF], TEXT[canary.HALF :])[half]
    answer = HIDDEN[how](part) if how == "JSON" else HIDDEN[how](before + part + after)
    assert [found for found, _ in canary.Search([ONE]).found(answer)] == [ONE]


@given(st.binary(max_size=400))
def test_nothing_is_found_where_nothing_is(answer: bytes) -> None:
    """Twelve characters are no accident."""
    assert canary.Search([ONE]).found(answer) == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_seed_gives_the_same_requests_of_every_right(verb: str) -> None:
    """At least EACH of each, none of which has a canary; the decoys in them are new each time."""
    known = Known(SECRETS, "Secret", namespaced=True)
    right = Right(verb, known, "a")
    who = Identity("x", "token", (right,), ("/version",))
    objects = foreign.everything("a", "b", "s")

    def made(seed: int) -> list[tuple[str, str]]:
        generator = Generator(random.Random(seed), objects, ("a", "b", "s"), [known])
        return [(one.method, one.target) for one in generator.requests(who, 50)]

    assert made(1) == made(1) != made(2)
    assert len(made(1)) >= 50 >= EACH

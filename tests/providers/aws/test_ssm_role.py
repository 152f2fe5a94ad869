"""Parameters read under an account's role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from providers.protocol import Again, Alone, Failed, FetchRequest, Material
from tests.providers.aws.roles import EXPIRED, OWN, Given, account
from tests.providers.aws.test_parameter_answers import GOOD, Aws, parameters
from tests.providers.harness import one, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.protocol import Source
    from tests.providers.harness import Scripted

BOTH = [FetchRequest(reference="/a"), FetchRequest(reference="/b")]


@pytest.fixture
def source(script: Scripted, given: Given) -> Iterator[Source]:
    """Of the account that `given` has, for parameters."""
    there = account(script.address, ssmEndpoint=f"http://{script.address}")
    source = source_of(there, "aws-ssm", monotonic=given.clock, keys=OWN)
    yield source
    source.close()


def test_parameters_are_read_as_the_role(script: Scripted, source: Source) -> None:
    """One login, then everything is signed with its keys."""
    script.say("GetParameter", {"Parameter": GOOD})
    assert one(source, "/a") == Again()
    assert isinstance(one(source, "/a"), Material)
    assert script.signed == ["own", "key1"]
    assert [operation for operation, *_ in script.asked] == ["AssumeRole", "GetParameter"]


@pytest.mark.parametrize("decrypting", [False, True])
@pytest.mark.parametrize("requests", [BOTH[:1], BOTH], ids=len)
def test_credentials_that_ended_mid_flight_are_renewed_and_nothing_is_denied(
    script: Scripted,
    source: Source,
    given: Given,
    requests: list[FetchRequest],
    *,
    decrypting: bool,
) -> None:
    """Between the change check and the read with decryption too; no item is called denied."""
    aws = Aws(script, *parameters("ab"))
    answered = script.before
    ended = False

    def before(operation: str) -> None:
        asked: dict[str, Any] = script.asked[-1][1]
        if operation == "AssumeRole":
            return
        answered(operation)
        if ended and (asked["WithDecryption"] or not decrypting):
            script.say(operation, EXPIRED, 400)

    script.before = before
    assert source.fetch(requests).results[0] == Again()
    assert isinstance(source.fetch(requests).results[0], Material)
    ended = True
    aws.parameters = {it["Name"]: it for it in parameters("ab", Version=4)}
    assert set(source.fetch(requests).results) == {Again()}
    given.gives(2)
    ended = False
    assert source.fetch(requests).results[0] == Again()
    assert {type(it) for it in source.fetch(requests).results} == {Material}
    assert script.signed[-1] == "key2"


def test_a_denial_under_a_role_is_the_parameters_own(script: Scripted, source: Source) -> None:
    """As without one."""
    aws = Aws(script, *parameters("ab"))
    answered = script.before
    script.before = lambda operation: None if operation == "AssumeRole" else answered(operation)
    aws.sealed = {"/a": {"__type": "AccessDeniedException"}}
    source.fetch(BOTH)
    assert source.fetch(BOTH).results == (Alone(), Alone())
    denied = one(source, "/a")
    assert isinstance(denied, Failed)
    assert denied.reason is FetchFailure.DENIED
    assert isinstance(one(source, "/b"), Material)

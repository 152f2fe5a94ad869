"""Hostile answers of Parameter Store: no shape of one raises, and none of it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.aws.test_parameter_answers import GOOD, HERE, MARK
from tests.providers.harness import CANARY, one, ssm_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.aws.source.parameter_store import AwsParameterStore
    from tests.providers.harness import Scripted


@pytest.fixture
def source(script: Scripted) -> Iterator[AwsParameterStore]:
    """A source whose provider is the script."""
    source = ssm_source(script.address)
    yield source
    source.close()


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"canary-5f1d3c"',
        b"<html>canary-5f1d3c</html>",
        b"\xff\xfecanary-5f1d3c",
        b"[" * 200_000,
        b'{"Parameter": "canary-5f1d3c", "Parameters": ["canary-5f1d3c"]}',
        b'{"Parameter": {"Name": "/a"}, "Parameters": [{"Name": "/a"}]}',
        b'{"Parameter": {"Name": "/a", "Version": 1e400, "Type": {}}, "Parameters": 7}',
        b'{"__type": {"a": 1}}',
    ],
    ids=range(11),
)
def test_p2_a_hostile_body_is_a_failure(
    script: Scripted, source: AwsParameterStore, body: bytes, status: int
) -> None:
    """Never an exception, never absence, and nothing of it in the result."""
    for operation in ("GetParameter", "GetParameters"):
        script.say(operation, body, status)
    for asked in ({}, {"known_version": "1"}, {"version": "1"}):
        result = one(source, "/a", **asked)
        assert isinstance(result, Failed)
        assert result.reason in {FetchFailure.UNAVAILABLE, FetchFailure.INVALID}
        assert CANARY not in repr(result)
    for result in source.fetch([FetchRequest(reference="/a")] * 2).results:
        assert isinstance(result, Failed | Alone)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PARAMETER = st.fixed_dictionaries(
    {},
    optional={
        "Name": st.just("/a") | JSON,
        "Type": st.sampled_from(["String", "SecureString"]) | JSON,
        "Value": st.just("x") | JSON,
        "Version": st.integers(-1, 4) | JSON,
        "LastModifiedDate": st.floats() | JSON,
        "ARN": st.just(f"{HERE}/a") | JSON,
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@hypothesis.given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "Parameter": PARAMETER | JSON,
            "Parameters": st.lists(PARAMETER, max_size=2) | JSON,
            "InvalidParameters": st.just(["/a"]) | JSON,
            "__type": JSON,
        },
    ),
    status=st.sampled_from([200, 400, 404, 500]),
)
@hypothesis.example(
    body={"Parameter": GOOD | {"LastModifiedDate": 6.77680361916768e16}}, status=200
)
def test_no_shape_of_an_answer_raises(
    script: Scripted, source: AwsParameterStore, body: dict[str, Any], status: int
) -> None:
    """Whatever JSON comes back, every result is one of the protocol's."""
    for operation in ("GetParameter", "GetParameters"):
        script.say(operation, body, status)
    held = {"known_version": "4", "known_incarnation": MARK}
    for requests in (
        [FetchRequest(reference="/a")],
        [FetchRequest(reference="/a", **held)],
        [FetchRequest(reference="/a", version="3")],
        [FetchRequest(reference="/a"), FetchRequest(reference="/b", **held)],
    ):
        fetched = source.fetch(requests)
        assert len(fetched.results) == len(requests)
        assert fetched.calls <= source.most_calls(requests)
        for result in fetched.results:
            assert isinstance(result, Material | NotModified | Failed | Alone)

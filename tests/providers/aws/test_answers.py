"""Answers that AWS would not give: of another secret, of another shape, or hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from providers.aws.source.errors import UNREADABLE
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.harness import CANARY, aws_source, one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.aws.source.secrets_manager import AwsSecretsManager
    from tests.providers.harness import Scripted

ONE, TWO = "1" * 32, "2" * 32
"""AWS's versions are at least that long, and botocore checks it."""
GOOD: dict[str, Any] = {
    "Name": "a",
    "VersionId": "v1",
    "VersionStages": ["AWSCURRENT"],
    "SecretString": "x",
}


@pytest.fixture
def source(script: Scripted) -> Iterator[AwsSecretsManager]:
    """A source whose provider is the script."""
    source = aws_source(script.address)
    yield source
    source.close()


def invalid(code: str) -> Failed:
    """A failure that nothing but a change at the provider ends."""
    return Failed(reason=FetchFailure.INVALID, code=code)


@pytest.mark.parametrize(
    ("change", "given", "expected"),
    [
        ({"Name": "b"}, {}, invalid("NameMismatch")),
        ({"Name": "a-AbCdEf"}, {}, invalid("NameMismatch")),
        ({"VersionStages": ["AWSPREVIOUS"]}, {}, invalid("NotCurrent")),
        ({"VersionStages": ["AWSPENDING"]}, {}, invalid("NotCurrent")),
        ({"VersionStages": ["AWSPENDING"]}, {"version": ONE}, invalid("PendingVersion")),
        ({}, {"version": TWO}, invalid("VersionMismatch")),
        ({"Name": None}, {}, UNREADABLE),
        ({"VersionId": None}, {}, UNREADABLE),
        ({"VersionStages": None}, {}, UNREADABLE),
        ({"SecretString": "\ud800"}, {}, UNREADABLE),
        ({"SecretString": None, "SecretBinary": "x"}, {}, UNREADABLE),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(
    script: Scripted,
    source: AwsSecretsManager,
    change: dict[str, Any],
    given: dict[str, str],
    expected: Failed,
) -> None:
    """P7: the name that comes back is compared; so are version and stages."""
    script.say("GetSecretValue", GOOD | {"VersionId": ONE} | change)
    assert one(source, "a", **given) == expected


def test_a_value_without_bytes_is_empty(script: Scripted, source: AwsSecretsManager) -> None:
    """The engine rejects it as empty."""
    script.say("GetSecretValue", {k: v for k, v in GOOD.items() if k != "SecretString"})
    result = one(source, "a")
    assert isinstance(result, Material)
    assert len(result.value) == 0


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"Name": "b", "VersionIdsToStages": {"v1": ["AWSCURRENT"]}}, invalid("NameMismatch")),
        ({"Name": "a"}, Failed(reason=FetchFailure.EMPTY, code="NoCurrentVersion")),
        (
            {"Name": "a", "VersionIdsToStages": {"v1": ["AWSPENDING"]}},
            Failed(reason=FetchFailure.EMPTY, code="NoCurrentVersion"),
        ),
        ({"Name": "a", "DeletedDate": 1.7e9}, invalid("MarkedForDeletion")),
        ({}, UNREADABLE),
        ({"Name": "a", "VersionIdsToStages": "AWSCURRENT"}, UNREADABLE),
    ],
)
def test_a_change_check_that_does_not_fit_is_refused(
    script: Scripted, source: AwsSecretsManager, described: object, expected: Failed
) -> None:
    """No value is asked for then."""
    script.say("DescribeSecret", described)
    assert one(source, "a", known_version="v1") == expected
    assert [operation for operation, _, _ in script.asked] == ["DescribeSecret"]


def test_a_check_that_is_not_permitted_is_done_without(
    script: Scripted, source: AwsSecretsManager
) -> None:
    """An identity with GetSecretValue alone works."""
    script.say("DescribeSecret", {"__type": "AccessDeniedException"}, 400)
    script.say("GetSecretValue", GOOD)
    assert one(source, "a", known_version="v1") == NotModified(version="v1")
    assert isinstance(one(source, "a", known_version="v0"), Material)


def test_what_a_batch_leaves_out_is_asked_alone(
    script: Scripted, source: AwsSecretsManager
) -> None:
    """AWS may give a page only, and a stranger's secret is nobody's."""
    script.say(
        "BatchGetSecretValue",
        {
            "SecretValues": [GOOD, GOOD | {"Name": "stranger"}],
            "Errors": [
                {"SecretId": "c", "ErrorCode": "ResourceNotFoundException"},
                {"SecretId": "d", "ErrorCode": "DecryptionFailure", "Message": CANARY},
            ],
            "NextToken": "more",
        },
    )
    a, b, c, d = source.fetch([FetchRequest(reference=name) for name in "abcd"]).results
    assert isinstance(a, Material)
    assert b == Alone()
    assert c == Failed(reason=FetchFailure.ABSENT, code="ResourceNotFoundException")
    assert d == Failed(reason=FetchFailure.DENIED, code="DecryptionFailure")


def test_a_batch_asks_for_each_name_once(script: Scripted, source: AwsSecretsManager) -> None:
    """In order, and by nothing but the reference."""
    script.say("BatchGetSecretValue", {"SecretValues": [], "Errors": []})
    source.fetch([FetchRequest(reference=name) for name in "baab"])
    assert script.asked[0][1] == {"SecretIdList": ["b", "a"]}


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"7",
        b'"canary-5f1d3c"',
        b"<html>canary-5f1d3c</html>",
        b"\xff\xfecanary-5f1d3c",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"__type": {"a": 1}}',
        b'{"Name": "a", "VersionId": 1e400, "VersionStages": {}, "VersionIdsToStages": 7}',
    ],
    ids=range(11),
)
def test_p2_a_hostile_body_is_a_failure(
    script: Scripted, source: AwsSecretsManager, body: bytes, status: int
) -> None:
    """Never an exception, never absence, and nothing of it in the result."""
    for operation in ("GetSecretValue", "DescribeSecret", "BatchGetSecretValue"):
        script.say(operation, body, status)
    for asked in ({}, {"known_version": "v1"}, {"version": ONE}):
        result = one(source, "a", **asked)
        assert isinstance(result, Failed)
        assert result.reason in {FetchFailure.UNAVAILABLE, FetchFailure.INVALID}
        assert "canary" not in repr(result)
    for result in source.fetch([FetchRequest(reference="a")] * 2).results:
        assert isinstance(result, Failed | Alone)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
MEMBERS = st.sampled_from(
    """
    Name VersionId VersionStages SecretString SecretBinary CreatedDate ARN VersionIdsToStages
    DeletedDate SecretValues Errors NextToken __type message SecretId ErrorCode
    """.split()  # noqa: SIM905 - a table of words
)
NESTED = st.dictionaries(MEMBERS, JSON | st.just("a") | st.just(["AWSCURRENT"]), max_size=5)


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    body=st.dictionaries(MEMBERS, JSON | st.just("a") | st.lists(NESTED, max_size=2), max_size=6),
    status=st.sampled_from([200, 400, 404, 500]),
)
@hypothesis.example(body={"DeletedDate": 6.77680361916768e16}, status=200)
def test_no_shape_of_an_answer_raises(
    script: Scripted, source: AwsSecretsManager, body: dict[str, Any], status: int
) -> None:
    """Whatever JSON comes back, every result is one of the protocol's."""
    for operation in ("GetSecretValue", "DescribeSecret", "BatchGetSecretValue"):
        script.say(operation, body, status)
    for requests in (
        [FetchRequest(reference="a")],
        [FetchRequest(reference="a", known_version="v1")],
        [FetchRequest(reference="a"), FetchRequest(reference="b", known_version="v1")],
    ):
        fetched = source.fetch(requests)
        assert len(fetched.results) == len(requests)
        assert fetched.calls <= source.most_calls(requests)
        for result in fetched.results:
            assert isinstance(result, Material | NotModified | Failed | Alone)

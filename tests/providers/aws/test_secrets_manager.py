from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.aws.account import CALLS_OF_A_FETCH
from providers.aws.source.secrets_manager import AwsSecretsManager
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.harness import REGION, aws_source, known, one, scripted_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.provider import DemoProvider, Proxy
    from tests.providers.harness import Scripted

ELSEWHERE = "us-west-2"


@pytest.fixture
def source(proxy: Proxy) -> Iterator[AwsSecretsManager]:
    """A source of one region."""
    source = aws_source(proxy.addresses["default"])
    yield source
    source.close()


@pytest.fixture
def both(proxy: Proxy) -> Iterator[AwsSecretsManager]:
    """A source that prefers REGION to ELSEWHERE."""
    source = aws_source(proxy.addresses["default"], regions=(REGION, ELSEWHERE))
    yield source
    source.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses, of the characters that AWS allows."""
    return f"/aws/a+b=c.d@e_f-{uuid.uuid4()}"


def operations(proxy: Proxy) -> dict[str, int]:
    """Calls that reached the provider, by operation."""
    return proxy.counts().get("default", {})


def test_the_names_of_managed_secrets_go_on_the_wire_as_they_are(
    provider: DemoProvider, source: AwsSecretsManager
) -> None:
    """`rds!cluster-...` and `events!connection/...`, alone and in a batch."""
    names = [f"rds!cluster-{uuid.uuid4()}", f"events!connection/orders/{uuid.uuid4()}"]
    for name in names:
        provider.put(name, SecretBytes(name.encode()))
    requests = [FetchRequest(reference=name) for name in names]
    results = (one(source, names[0]), *source.fetch(requests).results)
    values = [it.value.reveal().decode() for it in results if isinstance(it, Material)]
    assert values == [names[0], *names]


def test_the_change_check_reads_no_value(
    proxy: Proxy, provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """A known version costs one DescribeSecret, which decrypts nothing."""
    provider.put(name, SecretBytes(b"one"))
    held = known(one(source, name))
    proxy.reset()
    assert isinstance(one(source, name, **held), NotModified)
    assert operations(proxy) == {"DescribeSecret": 1}
    provider.put(name, SecretBytes(b"two"))
    assert isinstance(one(source, name, **held), Material)
    assert operations(proxy) == {"DescribeSecret": 2, "GetSecretValue": 1}


def test_p4_twenty_secrets_are_one_call(
    proxy: Proxy, provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """A full batch."""
    requests = [FetchRequest(reference=f"{name}/{index}") for index in range(20)]
    for request in requests:
        provider.put(request.reference, SecretBytes(b"x"))
    fetched = source.fetch(requests)
    assert all(isinstance(result, Material) for result in fetched.results)
    assert (fetched.calls, operations(proxy)) == (1, {"BatchGetSecretValue": 1})


def test_an_older_version_can_be_pinned(
    provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """By its VersionId, with the stage that it has now."""
    first = provider.put(name, SecretBytes(b"one"))
    provider.put(name, SecretBytes(b"two"))
    pinned = one(source, name, version=first)
    assert isinstance(pinned, Material)
    assert (pinned.version, pinned.value.reveal(), pinned.stages) == (
        first,
        b"one",
        ("AWSPREVIOUS",),
    )


def test_a_pinned_version_is_asked_for_alone(
    proxy: Proxy, provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """BatchGetSecretValue gives current versions only."""
    version = provider.put(name, SecretBytes(b"one"))
    pinned = FetchRequest(reference=name, version=version)
    assert source.fetch([pinned, pinned]).results == (Alone(), Alone())
    assert (source.most_calls([pinned, pinned]), operations(proxy)) == (0, {})
    mixed = source.fetch([pinned, FetchRequest(reference=name)])
    assert [type(result) for result in mixed.results] == [Alone, Material]


def test_a_pending_version_is_never_served(
    provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """AWSPENDING is a rotation that is not finished: neither current nor good for a pin."""
    provider.put(name, SecretBytes(b"one"))
    held = known(one(source, name))
    pending = str(uuid.uuid4())
    provider.client().put_secret_value(
        SecretId=name,
        SecretString="two",
        ClientRequestToken=pending,
        VersionStages=["AWSPENDING"],
    )
    assert isinstance(one(source, name, **held), NotModified)
    assert one(source, name, version=pending) == Failed(
        reason=FetchFailure.INVALID, code="PendingVersion"
    )


@pytest.mark.parametrize(
    ("arn", "mark"),
    [
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbC123", "AbC123"),
        ("arn:aws:secretsmanager:us-west-2:123456789012:secret:a-AbC123", "AbC123"),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:a", None),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:b-AbC123", None),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-" + "x" * 33, None),
        (None, None),
        (7, None),
    ],
)
def test_the_incarnation_is_the_end_of_the_arn(
    script: Scripted, regions: AwsSecretsManager, arn: object, mark: str | None
) -> None:
    """The same in every region that the secret is replicated to."""
    script.say("GetSecretValue", {"Name": "a", "VersionId": "v1", "ARN": arn, **CURRENT})
    result = one(regions, "a")
    assert isinstance(result, Material)
    assert result.incarnation == mark


def test_p2_a_second_region_with_another_incarnation_proves_nothing(
    script: Scripted, regions: AwsSecretsManager
) -> None:
    """Nothing says which of the two is newer."""
    arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:a-"
    described = {"Name": "a", "VersionIdsToStages": {"v1": ["AWSCURRENT"]}}
    given = {"known_version": "v1", "known_incarnation": "AbC123"}
    script.say("DescribeSecret", described | {"ARN": arn + "AbC123"})
    confirmed = NotModified(version="v1", incarnation="AbC123")
    assert one(regions, "a", **given) == confirmed
    script.say("DescribeSecret", described | {"ARN": arn + "Xyz789"})
    assert isinstance(one(regions, "a", **given), Failed)


def test_a_rollback_at_the_provider_is_followed(
    provider: DemoProvider, source: AwsSecretsManager, name: str
) -> None:
    """AWSCURRENT moved back to an older version is the current value."""
    first = provider.put(name, SecretBytes(b"one"))
    second = provider.put(name, SecretBytes(b"two"))
    provider.client().update_secret_version_stage(
        SecretId=name,
        VersionStage="AWSCURRENT",
        MoveToVersionId=first,
        RemoveFromVersionId=second,
    )
    result = one(source, name, known_version=second)
    assert isinstance(result, Material)
    assert (result.version, result.value.reveal()) == (first, b"one")


def test_a_second_region_is_left_alone_while_the_first_answers(
    proxy: Proxy, provider: DemoProvider, both: AwsSecretsManager, name: str
) -> None:
    """Also when the first refuses or has no such secret."""
    provider.put(name, SecretBytes(b"elsewhere"), region=ELSEWHERE)
    failed = one(both, name)
    assert failed == Failed(reason=FetchFailure.ABSENT, code="ResourceNotFoundException")
    for mode in ("throttle", "access-denied"):
        proxy.reset()
        proxy.set(mode)
        assert isinstance(one(both, name), Failed)
        assert operations(proxy) == {"GetSecretValue": 1}


def test_every_region_is_one_call_more_while_the_provider_is_down(
    proxy: Proxy, both: AwsSecretsManager, name: str
) -> None:
    """And most_calls says so before."""
    proxy.set("error-500")
    for requests in ([FetchRequest(reference=name)], [FetchRequest(reference=name)] * 2):
        fetched = both.fetch(requests)
        assert fetched.calls == both.most_calls(requests) == 2
    known = [FetchRequest(reference=name, known_version="x")]
    assert both.most_calls(known) == 4


CURRENT: dict[str, Any] = {"VersionStages": ["AWSCURRENT"], "SecretString": "v"}
DOWN = (500, {"__type": "InternalServiceError"})


@pytest.fixture
def regions(script: Scripted) -> Iterator[AwsSecretsManager]:
    """The first region is down, the second is the script."""
    down = scripted_server()
    first = next(down)
    for operation in ("GetSecretValue", "DescribeSecret", "BatchGetSecretValue"):
        first.say(operation, DOWN[1], DOWN[0])
    clients = [
        client for server in (first, script) for client in aws_source(server.address)._clients
    ]
    source = AwsSecretsManager(clients)
    yield source
    source.close()
    next(down, None)


def test_a_second_region_serves_what_is_not_held_yet(
    script: Scripted, regions: AwsSecretsManager
) -> None:
    """Single and in a batch."""
    item = {"Name": "a", "VersionId": "v1", **CURRENT}
    script.say("GetSecretValue", item)
    script.say("BatchGetSecretValue", {"SecretValues": [item]})
    assert isinstance(one(regions, "a"), Material)
    requests = [FetchRequest(reference="a"), FetchRequest(reference="b")]
    assert [type(r) for r in regions.fetch(requests).results] == [Material, Alone]


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        pytest.param({"v1": ["AWSCURRENT"]}, NotModified, id="confirms"),
        pytest.param({"v2": ["AWSCURRENT"], "v1": ["AWSPREVIOUS"]}, Material, id="moves-on"),
        pytest.param({"v0": ["AWSCURRENT"]}, Failed, id="lags"),
        pytest.param({}, Failed, id="has-none"),
    ],
)
def test_p2_a_second_region_never_takes_a_version_back(
    script: Scripted,
    regions: AwsSecretsManager,
    stages: dict[str, list[str]],
    expected: type,
) -> None:
    """A replica that does not know the version that is held proves nothing."""
    current = next((version for version, labels in stages.items() if "AWSCURRENT" in labels), "")
    item = {"Name": "a", "VersionId": current, **CURRENT}
    script.say("DescribeSecret", {"Name": "a", "VersionIdsToStages": stages})
    script.say("GetSecretValue", item)
    script.say("BatchGetSecretValue", {"SecretValues": [item]})
    result = one(regions, "a", known_version="v1")
    assert isinstance(result, expected)
    if isinstance(result, Failed):
        assert result == Failed(reason=FetchFailure.UNAVAILABLE, code="InternalServiceError")
    [item_result, _] = regions.fetch(
        [FetchRequest(reference="a", known_version="v1"), FetchRequest(reference="b")]
    ).results
    assert isinstance(item_result, NotModified if expected is NotModified else Alone)


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_p2_a_second_region_proves_no_absence(
    script: Scripted, regions: AwsSecretsManager, code: str
) -> None:
    """A secret need not be replicated, and its policy need not be the same."""
    for operation in ("GetSecretValue", "DescribeSecret", "BatchGetSecretValue"):
        script.say(operation, {"__type": code}, 400)
    expected = Failed(reason=FetchFailure.UNAVAILABLE, code="InternalServiceError")
    assert one(regions, "a") == one(regions, "a", known_version="v1") == expected
    requests = [FetchRequest(reference="a")] * 2
    assert regions.fetch(requests).results == (expected, expected)
    script.say(
        "BatchGetSecretValue",
        {"SecretValues": [], "Errors": [{"SecretId": "a", "ErrorCode": code}]},
    )
    assert regions.fetch(requests).results == (Alone(), Alone())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("count", [1, 20])
def test_the_smallest_burst_that_an_account_may_have_pays_for_every_fetch(
    regions: AwsSecretsManager, count: int, *, known: bool
) -> None:
    """Of two regions."""
    request = FetchRequest(reference="a", known_version="v1" if known else None)
    most = regions.most_calls([request] * count)
    assert most <= 2 * CALLS_OF_A_FETCH
    assert not known or count > 1 or most == 2 * CALLS_OF_A_FETCH

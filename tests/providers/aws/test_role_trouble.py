"""An account's role when STS is away, refuses, or gave what does not last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from providers.aws.source.client import Access, open_sts
from providers.aws.source.role import DURATION_S, AssumedRole, RoleRequest
from providers.credentials import AGAIN_S, DOUBT_S, RENEW_SHARE, Login
from providers.protocol import Again, Failed, FetchRequest, Material
from tests.providers.aws.roles import (
    ANSWER,
    DATE,
    EXPIRED,
    OWN,
    REFUSED,
    Given,
    assumed,
    refusal,
)
from tests.providers.conformance.store import Clock
from tests.providers.harness import REGION, Scripted, scripted_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def second() -> Iterator[Scripted]:
    """Another region."""
    yield from scripted_server()


def test_p1_sts_away_changes_nothing_while_credentials_last(given: Given) -> None:
    """It is tried again now and then, at the price of a call each, and every fetch succeeds."""
    given.value()
    given.refuses("ServiceUnavailable", 503)
    given.asked()
    given.clock.now += DURATION_S * RENEW_SHARE
    assert given.ask() == Again()
    assert [type(given.ask()) for _ in range(3)] == [Material] * 3
    assert given.asked() == ["AssumeRole", *["GetSecretValue"] * 3]
    given.clock.now += AGAIN_S
    assert given.ask() == Again()
    assert isinstance(given.ask(), Material)


def test_p2_without_credentials_the_failure_is_the_one_of_sts(given: Given) -> None:
    """When the last have ended; and as soon as STS is back, there are values again."""
    given.value()
    given.refuses("ServiceUnavailable", 503)
    given.clock.now += DURATION_S
    failed = Failed(reason=FetchFailure.UNAVAILABLE, code="AssumeRole:ServiceUnavailable")
    given.asked()
    assert [given.ask() for _ in range(3)] == [failed] * 3
    assert given.asked() == ["AssumeRole"]
    given.gives(2)
    given.clock.now += AGAIN_S
    given.value()


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("AccessDenied", 403, FetchFailure.DENIED),
        ("ExpiredTokenException", 400, FetchFailure.DENIED),
        ("RegionDisabledException", 403, FetchFailure.DENIED),
        ("MalformedPolicyDocument", 400, FetchFailure.DENIED),
        ("PackedPolicyTooLarge", 400, FetchFailure.DENIED),
        ("InvalidClientTokenId", 403, FetchFailure.DENIED),
        ("ValidationError", 400, FetchFailure.DENIED),
        ("ResourceNotFoundException", 404, FetchFailure.DENIED),
        ("Throttling", 400, FetchFailure.THROTTLED),
        ("InternalFailure", 500, FetchFailure.UNAVAILABLE),
        ("IDPCommunicationError", 400, FetchFailure.UNAVAILABLE),
    ],
)
def test_a_login_that_fails_is_denied_throttled_or_unavailable(
    given: Given, code: str, status: int, reason: FetchFailure
) -> None:
    """By its code; never absent or invalid, which are said of secrets."""
    given.refuses(code, status)
    assert given.ask() == Failed(reason=reason, code=f"AssumeRole:{code}")
    assert given.asked() == ["AssumeRole"]
    assert given.calls == [("AssumeRole", code)]


def test_the_admin_is_told_once_what_to_do(given: Given) -> None:
    """Until it works, or fails in another way; the sentence holds nothing of the answer."""
    for code in ("AccessDenied", "AccessDenied", "Throttling"):
        given.refuses(code)
        given.ask()
        given.clock.now += AGAIN_S
    assert len(given.troubles) == 2
    assert "AccessDenied" in given.troubles[0]
    assert "must trust the controller's own identity" in given.troubles[0]
    assert "canary" not in "".join(given.troubles)
    given.gives(1)
    given.value()
    given.refuses("AccessDenied")
    given.clock.now += DURATION_S
    given.ask()
    assert len(given.troubles) == 3


def test_sts_is_left_alone_for_as_long_as_it_asks(given: Given) -> None:
    """Its Retry-After holds for the account as a provider's does."""
    given.refuses("Throttling", 400, {"Retry-After": "60"})
    first = given.ask()
    assert isinstance(first, Failed)
    assert first.delay_s == 60
    given.clock.now += 59
    given.ask()
    assert given.asked() == ["AssumeRole"]
    given.clock.now += 1
    given.ask()
    assert given.asked() == ["AssumeRole"]


def test_credentials_that_ended_early_are_renewed_once(given: Given) -> None:
    """The provider says so during a fetch; nothing counts as denied."""
    given.value()
    given.script.say("GetSecretValue", EXPIRED, 400)
    given.asked()
    assert given.ask() == Again()
    given.gives(2)
    given.script.say("GetSecretValue", ANSWER)
    given.value()
    assert given.asked() == ["GetSecretValue", "AssumeRole", "GetSecretValue"]
    assert given.script.signed[-1] == "key2"


def test_p4_a_late_word_of_the_former_credentials_costs_no_login(given: Given) -> None:
    """Many fetches in progress learn of their end one after the other; one renewal is enough."""
    given.value()
    role = vars(given.source)["_login"]
    former, ended = role.session, Failed(reason=FetchFailure.DENIED, code="ExpiredTokenException")
    assert role.refused(former, ended)
    given.gives(2)
    assert given.ask() == Again()
    assert role.refused(former, ended)
    assert isinstance(given.ask(), Material)
    assert given.asked().count("AssumeRole") == 2


def test_a_batch_whose_credentials_ended_is_asked_again_whole(given: Given) -> None:
    """Not one by one, which would cost twenty calls."""
    given.value()
    given.script.say("BatchGetSecretValue", EXPIRED, 400)
    fetched = given.source.fetch([FetchRequest(reference=name) for name in "abc"])
    assert fetched.results == (Again(),) * 3
    assert fetched.calls == 1


def test_p4_new_credentials_that_are_refused_are_no_reason_to_log_in_again(given: Given) -> None:
    """A clock is wrong, or the endpoint is another's: denied, and STS has its pause."""
    given.script.say("GetSecretValue", EXPIRED, 400)
    assert given.ask() == Again()
    denied = Failed(reason=FetchFailure.DENIED, code="ExpiredTokenException")
    assert [given.ask() for _ in range(3)] == [denied] * 3
    assert given.asked() == ["AssumeRole", "GetSecretValue"]
    given.clock.now += AGAIN_S
    given.ask()
    assert given.asked() == ["AssumeRole"]


def test_a_denial_under_older_credentials_has_them_renewed(given: Given) -> None:
    """An admin may have ended the role's sessions; young ones are not doubted."""
    given.value()
    given.script.say("GetSecretValue", REFUSED, 400)
    denied = Failed(reason=FetchFailure.DENIED, code="AccessDeniedException")
    given.asked()
    assert [given.ask() for _ in range(2)] == [denied] * 2
    assert "AssumeRole" not in given.asked()
    given.clock.now += DOUBT_S
    assert [given.ask() for _ in range(3)] == [Again(), denied, denied]
    assert given.asked().count("AssumeRole") == 1


def test_another_regions_sts_is_asked_when_the_first_is_away(
    script: Scripted, second: Scripted
) -> None:
    """Credentials are good in every region. What a region refuses is not asked for elsewhere."""
    regions = [
        Access(regions=(REGION,), sts_endpoint=f"http://{server.address}", keys=OWN)
        for server in (script, second)
    ]
    clock = Clock()
    sts = [client for access in regions for client in open_sts(access)]
    wanted = RoleRequest(arn="arn:aws:iam::000000000001:role/reader", session="test")
    role = Login(AssumedRole(sts, wanted), monotonic=clock)
    assert role.most_calls == 2
    script.say("AssumeRole", refusal("ServiceUnavailable"), 503)
    second.say("AssumeRole", assumed(2), headers={"Date": DATE})
    assert role.prepare() == (2, Again())
    assert role.credential().access_key == "key2"
    script.say("AssumeRole", refusal("AccessDenied"), 403)
    clock.now += DURATION_S
    denied = Failed(reason=FetchFailure.DENIED, code="AssumeRole:AccessDenied")
    assert role.prepare() == (1, denied)
    assert len(second.asked) == 1
    role.close()


@pytest.mark.parametrize("body", [b"", b"<html>", b"<AssumeRoleResponse/>", assumed(1)[:-40]])
def test_half_an_answer_of_sts_is_no_login(given: Given, body: bytes) -> None:
    """Cut off, or of something else on the way."""
    given.script.say("AssumeRole", body)
    failed = given.ask()
    assert isinstance(failed, Failed)
    assert failed.reason is FetchFailure.UNAVAILABLE
    assert "canary" not in repr(failed)


def test_p7_without_the_role_the_controllers_own_identity_reads_nothing(given: Given) -> None:
    """No fallback: what the role is denied is not tried as somebody else."""
    given.refuses("AccessDenied")
    for _ in range(3):
        given.ask()
        given.clock.now += AGAIN_S
    assert set(given.asked()) == {"AssumeRole"}

"""What a role's login says of itself, for the account's status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.aws.source.role import DURATION_S
from providers.credentials import AGAIN_S, RENEW_SHARE
from tests.providers.aws.roles import ANSWER, EXPIRED, Given

if TYPE_CHECKING:
    from providers.protocol import LoginState

NEVER = float("-inf")


def state(given: Given) -> LoginState:
    """What is known after a fetch."""
    found = given.logins.state
    assert found is not None
    assert "canary" not in repr(found)
    return found


def test_p8_it_works_fails_while_credentials_last_and_ends(given: Given) -> None:
    """Nothing is known before the first fetch, and no answer of STS is quoted."""
    assert given.logins.needed
    assert given.logins.state is None
    began = given.clock.now
    given.value()
    assert (state(given).reason, state(given).ends_at) == (None, began + DURATION_S)
    given.refuses("AccessDenied")
    given.clock.now += DURATION_S * RENEW_SHARE
    given.ask()
    assert (state(given).reason, state(given).ends_at) == (
        FetchFailure.DENIED,
        began + DURATION_S,
    )
    assert "(AccessDenied). The role must trust" in state(given).message
    given.refuses("ServiceUnavailable", 503)
    given.clock.now = began + DURATION_S
    given.ask()
    assert state(given).reason is FetchFailure.UNAVAILABLE
    given.gives(2)
    given.clock.now += AGAIN_S
    given.value()
    assert (state(given).reason, state(given).message) == (None, "")


def test_a_login_that_never_worked_has_no_end(given: Given) -> None:
    """And says why."""
    given.refuses("AccessDenied")
    given.ask()
    assert (state(given).reason, state(given).ends_at) == (FetchFailure.DENIED, NEVER)


def test_p4_new_credentials_that_are_refused_count_as_no_login_until_they_are_known(
    given: Given,
) -> None:
    """STS gives others every 5 s, and each is refused: that is one state, and not two in turn."""
    given.script.say("GetSecretValue", EXPIRED, 400)
    given.ask()
    given.ask()
    for _ in range(3):
        assert (state(given).reason, state(given).ends_at) == (FetchFailure.DENIED, NEVER)
        assert "clocks" in state(given).message
        given.clock.now += AGAIN_S
        given.ask()
        assert (state(given).reason, state(given).ends_at) == (FetchFailure.DENIED, NEVER)
        given.ask()
    given.script.say("GetSecretValue", ANSWER)
    given.clock.now += AGAIN_S
    given.value()
    assert state(given).reason is None

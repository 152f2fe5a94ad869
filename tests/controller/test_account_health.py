"""What an account's status says of its login and breaker, and how rarely it is written."""

from __future__ import annotations

import pytest

from contract.reasons import FetchFailure
from controller.account_health import (
    MOST,
    WITHIN_S,
    AccountHealth,
    BreakerState,
    LoginStatus,
    SteadyHealth,
    fields,
    health,
)
from controller.in_use_protection import ProtectedObject, changes
from providers.protocol import LoginState
from refresh.model import Moment

NEVER = float("-inf")
AT = Moment(wall=1_800_000_000.0, mono=1000.0)
WHY = "its role cannot be assumed (AssumeRole:AccessDenied). The role must trust us"


@pytest.mark.parametrize(
    ("needed", "login", "word"),
    [
        (False, None, LoginStatus.NOT_NEEDED),
        (True, None, None),
        (True, LoginState(ends_at=1500.0), LoginStatus.LOGGED_IN),
        (True, LoginState(ends_at=900.0), LoginStatus.LOGGED_IN),
        (
            True,
            LoginState(ends_at=1500.0, reason=FetchFailure.UNAVAILABLE, message=WHY),
            LoginStatus.RENEWAL_FAILS,
        ),
        (
            True,
            LoginState(ends_at=NEVER, reason=FetchFailure.DENIED, message=WHY),
            LoginStatus.DENIED,
        ),
        (
            True,
            LoginState(ends_at=999.0, reason=FetchFailure.THROTTLED, message=WHY),
            LoginStatus.THROTTLED,
        ),
        (
            True,
            LoginState(ends_at=1000.0, reason=FetchFailure.UNAVAILABLE, message=WHY),
            LoginStatus.UNAVAILABLE,
        ),
    ],
    ids=[
        "none needed",
        "not tried",
        "works",
        "idle since",
        "renewal fails",
        "never worked",
        "ended",
        "ends now",
    ],
)
def test_the_word_for_a_login(
    needed: bool,  # noqa: FBT001 - a table
    login: LoginState | None,
    word: LoginStatus | None,
) -> None:
    """An account that was idle for longer than its credentials last logs in at its next fetch."""
    found = health(login, needed=needed, is_open=False, at=AT)
    assert found.login is word
    assert (found.until is not None) is (word is LoginStatus.RENEWAL_FAILS)


def test_credentials_that_still_last_are_said_with_their_end() -> None:
    """The account works, and an admin sees until when."""
    state = LoginState(ends_at=1500.0, reason=FetchFailure.DENIED, message=WHY)
    said = fields(health(state, needed=True, is_open=False, at=AT), (), AT.wall)
    [logged_in, available] = said["conditions"]
    assert said["loginUntil"] == "2027-01-15T08:08:20.000000Z"
    assert (logged_in["status"], logged_in["reason"]) == ("True", "RenewalFails")
    assert said["loginUntil"] in logged_in["message"]
    assert WHY in logged_in["message"]
    assert (available["type"], available["status"]) == ("Available", "True")


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    """Its reason may be another."""
    first = fields(AccountHealth(login=LoginStatus.DENIED, message=WHY), (), 1.0)
    later = fields(
        AccountHealth(login=LoginStatus.UNAVAILABLE, message=WHY), first["conditions"], 2.0
    )
    back = fields(AccountHealth(login=LoginStatus.LOGGED_IN), later["conditions"], 3.0)
    times = [it["conditions"][0]["lastTransitionTime"] for it in (first, later, back)]
    assert times[0] == times[1] < times[2]


def test_what_is_not_known_any_more_stays_and_what_is_not_in_use_says_nothing() -> None:
    """After a change of leader a login is known at the next one. An account without snapshots has
    no login to speak of.
    """
    status = {
        "inUse": True,
        **fields(AccountHealth(login=LoginStatus.DENIED, message=WHY), (), 1.0),
    }
    item = ProtectedObject.from_wire(
        {"metadata": {"name": "a", "resourceVersion": "1"}, "status": status}
    )
    unknown = {"a": AccountHealth(login=None)}
    assert changes([item], {"a": 0.0}, health=unknown, now=2.0) == []
    assert changes([item], {"a": 0.0}, now=2.0) == []
    [(_, change)] = changes([item], {}, now=2.0)
    assert change == {"inUse": False, "login": None, "breaker": None, "conditions": None}
    [(_, change)] = changes(
        [item], {"a": 0.0}, health={"a": AccountHealth(login=LoginStatus.LOGGED_IN)}
    )
    assert {"login", "conditions"} == change.keys()


def test_p4_a_provider_that_comes_and_goes_is_written_rarely() -> None:
    """A breaker that turns each second for an hour: at most MOST changes in any WITHIN_S seconds,
    the first at once, and in the end what is true is said.
    """
    steady, said, times = SteadyHealth(), None, []
    for second in range(3600):
        breaker = (BreakerState.CLOSED, BreakerState.OPEN)[second % 2]
        found = {"a": AccountHealth(login=LoginStatus.LOGGED_IN, breaker=breaker)}
        now = steady.shown(found, float(second))["a"]
        if now != said:
            said = now
            times.append(second)
    assert times[:3] == [0, 1, 2]
    assert all(later - at >= WITHIN_S for at, later in zip(times, times[MOST:], strict=False))
    last = AccountHealth(login=LoginStatus.DENIED, message=WHY)
    assert steady.shown({"a": last}, 3600 + WITHIN_S)["a"] == last


def test_p4_an_account_that_is_edited_is_written_as_rarely() -> None:
    """Of each edit the controller first knows nothing, and then another failure."""
    steady, said, times = SteadyHealth(), None, []
    for second in range(3600):
        found = {"a": AccountHealth(login=LoginStatus.DENIED, message=f"{WHY} {second}")}
        shown = steady.shown(found if second % 2 else {}, float(second))
        if second % 2 and shown["a"] != said:
            said = shown["a"]
            times.append(second)
    assert len(times) > 3600 / WITHIN_S
    assert all(later - at >= WITHIN_S for at, later in zip(times, times[MOST:], strict=False))
    assert steady.shown({}, 3600 + 2 * WITHIN_S) == {}
    assert steady._shown == {}


def test_p4_a_clock_that_moves_a_little_is_no_change() -> None:
    """The end of the same credentials is computed each second."""
    steady = SteadyHealth()
    first = AccountHealth(login=LoginStatus.RENEWAL_FAILS, message=WHY, until=2000.0)
    near = AccountHealth(login=LoginStatus.RENEWAL_FAILS, message=WHY, until=2000.4)
    later = AccountHealth(login=LoginStatus.RENEWAL_FAILS, message=WHY, until=2600.0)
    assert [steady.shown({"a": it}, 1.0)["a"] for it in (first, near, later)] == [
        first,
        first,
        later,
    ]

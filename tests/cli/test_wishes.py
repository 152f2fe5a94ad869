"""When a wish counts as carried out, by what the snapshot's status shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cli import fleet, operate
from cli.errors import CommandError
from contract.snapshot import MOST_VERSIONS
from controller.objects import Name, Spec
from tests.cli.given import NOW, SERVED

if TYPE_CHECKING:
    from controller.objects import Status

FAILED = replace(SERVED, reason="unavailable", last_attempt=NOW + 0.4)
"""Attempted in the second whose beginning is all that an API server's clock shows."""


def _wish(verb: str, status: Status) -> operate.Wish:
    return (
        operate.refresh(status, NOW) if verb == "refresh" else operate.pin(status, "not-held", NOW)
    )


@pytest.mark.parametrize("verb", ["refresh", "pin"])
def test_an_attempt_of_the_same_second_is_not_the_one_asked_for(verb: str) -> None:
    """It answered before anybody asked, and the controller would take the wish for done too."""
    wish = _wish(verb, FAILED)
    assert not wish.done(FAILED)
    assert wish.done(replace(FAILED, last_attempt=NOW + 0.5))


def test_a_refresh_is_asked_for_later_than_the_last_attempt() -> None:
    """So that the controller, which compares the two, fetches."""
    asked = operate.refresh(FAILED, NOW).change(Spec()).refresh_requested
    assert asked is not None
    assert FAILED.last_attempt is not None
    assert NOW + 0.4 == FAILED.last_attempt < asked < NOW + 0.5


@pytest.mark.parametrize("last", [None, NOW - 60])
def test_without_an_attempt_of_late_it_is_asked_for_now(last: float | None) -> None:
    """By the clock of whoever keeps the snapshots."""
    status = replace(SERVED, last_attempt=last)
    assert operate.refresh(status, NOW).change(Spec()).refresh_requested == NOW


@pytest.mark.parametrize(
    ("reason", "said"),
    [("denied", "last attempt: denied"), ("restored", "restored"), ("no-policy", "no-policy")],
)
def test_only_what_the_provider_answered_is_called_an_attempt(reason: str, said: str) -> None:
    """In the line that closes a verb."""
    line = fleet.summary(Name("payments", "lg-db"), replace(SERVED, reason=reason), NOW)
    assert line.endswith(f"; {said}")


def test_a_revocation_needs_room_in_the_spec_alone() -> None:
    """The status lists the account's revocations too, which take no room of the object's."""
    many = tuple(f"r{number}" for number in range(MOST_VERSIONS))
    change = operate.revoke(replace(FAILED, version="v1", revoked=many), "v1").change
    assert change(Spec(revoked=many[1:])).revoked == (*many[1:], "v1")
    with pytest.raises(CommandError, match="revokes 128 versions, and can revoke no more"):
        change(Spec(revoked=many))

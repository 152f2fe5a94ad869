"""When a change counts as carried out, by what the snapshot's status shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli import listing, operator_requests
from cli.exit_codes import CommandError
from contract.snapshot_format import MOST_VERSIONS
from controller.spec import SnapshotName, Spec
from tests.cli.given import NOW, SERVED

FAILED = replace(SERVED, reason="unavailable", last_attempt=NOW + 0.4)
"""Attempted in the second whose beginning is all that an API server's clock shows."""


def test_an_attempt_of_the_same_second_is_not_the_pins() -> None:
    """It answered before anybody asked."""
    change = operator_requests.pin(FAILED, "not-held", NOW)
    assert not change.done(FAILED, Spec())
    assert change.done(replace(FAILED, last_attempt=NOW + 0.5), Spec())


@pytest.mark.parametrize("attempted", [NOW - 60, NOW + 0.4, NOW + 60])
@pytest.mark.parametrize("before", [None, NOW - 60, NOW + 60])
def test_a_refresh_is_done_when_the_controller_says_that_it_answered_it(
    attempted: float, before: float | None
) -> None:
    """No other attempt counts, whenever it was made, and no answer to an earlier request."""
    status = replace(SERVED, last_attempt=attempted, refresh_handled=before)
    change = operator_requests.refresh(status, NOW)
    spec = change.apply(Spec(refresh_requested=before))
    assert not change.done(status, spec)
    assert change.done(replace(status, refresh_handled=spec.refresh_requested), spec)


def test_a_refresh_is_asked_for_later_than_any_before_it() -> None:
    """Another user's clock may be ahead of ours; the controller tells requests apart by time."""
    ahead = NOW + 60
    asked = (
        operator_requests.refresh(SERVED, NOW)
        .apply(Spec(refresh_requested=ahead))
        .refresh_requested
    )
    assert asked is not None
    assert ahead < asked < ahead + 1


def test_without_a_request_before_it_it_is_asked_for_now() -> None:
    """By the API server's clock."""
    assert operator_requests.refresh(SERVED, NOW).apply(Spec()).refresh_requested == NOW


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("denied", "last refresh failed: denied"),
        ("restored", "restored"),
        ("no-policy", "no-policy"),
    ],
)
def test_only_what_the_provider_answered_is_called_an_attempt(reason: str, said: str) -> None:
    """In the line that closes a verb."""
    line = listing.summary(SnapshotName("payments", "lg-db"), replace(SERVED, reason=reason), NOW)
    assert line.endswith(f", {said}")


def test_a_revocation_needs_room_in_the_spec_alone() -> None:
    """The status lists the account's revocations too, which take no room of the object's."""
    many = tuple(f"r{number}" for number in range(MOST_VERSIONS))
    change = operator_requests.revoke(replace(FAILED, version="v1", revoked=many), "v1").apply
    assert change(Spec(revoked=many[1:])).revoked == (*many[1:], "v1")
    with pytest.raises(CommandError, match="has 128 revoked versions, which is the maximum"):
        change(Spec(revoked=many))

"""Which changes of a status are Events on the snapshot."""

from __future__ import annotations

from typing import Any

import pytest

from controller.status_transitions import Transition, transitions

RULES = {"maxAgeSeconds": 900, "onExpired": "serve"}
FRESH = {"state": "Fresh", "class": "steady", "rules": RULES, "version": "v2"}
EXPIRED = {**FRESH, "state": "Expired", "lastSuccess": "2026-11-24T17:00:00Z"}
QUARANTINED = [{"version": "v2", "reason": "rolled-back"}]
BACK = {**FRESH, "version": "v1", "quarantined": QUARANTINED}


def _turns(before: dict[str, Any], after: dict[str, Any]) -> list[Transition]:
    return [turn for turn, _ in transitions(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param({**FRESH, "state": "Stale"}, EXPIRED, [Transition.EXPIRED], id="expired"),
        pytest.param({}, EXPIRED, [Transition.EXPIRED], id="expired in an object that is new"),
        pytest.param(EXPIRED, {**EXPIRED, "reason": "denied"}, [], id="expired as before"),
        pytest.param(EXPIRED, FRESH, [], id="fresh again"),
        pytest.param(FRESH, {"state": "Expired"}, [], id="policy gives no class any more"),
        pytest.param(FRESH, BACK, [Transition.ROLLED_BACK], id="rolled back"),
        pytest.param(BACK, BACK, [], id="rolled back as before"),
        pytest.param(FRESH, {**FRESH, "quarantined": QUARANTINED}, [], id="nothing older"),
        pytest.param(FRESH, {**FRESH, "version": "v3"}, [], id="rotated"),
        pytest.param(
            FRESH,
            {**BACK, "quarantined": [{"version": "v2", "reason": "not-json"}]},
            [],
            id="a check refused it, nobody rolled back",
        ),
    ],
)
def test_a_change_is_told_once(
    before: dict[str, Any], after: dict[str, Any], found: list[Transition]
) -> None:
    """What both statuses say already is not told again, also by the next process."""
    assert _turns(before, after) == found


@pytest.mark.parametrize(
    ("on_expired", "reason", "words"),
    [
        ("serve", None, "The value is still served. No fetch has failed"),
        (
            "refuse",
            "denied",
            "New pods must wait. Reason: denied. The provider denies the account's identity",
        ),
    ],
)
def test_p5_an_expiry_says_what_the_class_does_and_what_to_do(
    on_expired: str, reason: str | None, words: str
) -> None:
    """Beside the version, and when it was confirmed last."""
    status = {**EXPIRED, "rules": {**RULES, "onExpired": on_expired}, "reason": reason}
    ((_, note),) = transitions(FRESH, status)
    assert note.startswith(
        "version v2 was last confirmed at 2026-11-24T17:00:00Z. That is longer ago than maxAge ("
    )
    assert words in note


def test_p12_a_rollback_names_both_versions() -> None:
    """The one that is served no more, and the one that is."""
    assert list(transitions(FRESH, BACK)) == [
        (Transition.ROLLED_BACK, "rolled back from version v2 to v1"),
    ]

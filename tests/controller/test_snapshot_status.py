"""SecretSnapshots as the API server has them, and what the controller makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.snapshot import SnapshotStatus
from contract.freshness import FreshnessClass
from contract.reasons import FetchFailure, Found, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import MOST_REVOKED, MOST_VERSIONS, Quarantined
from controller.conditions import not_given
from controller.demand import DemandedParts
from controller.reconcile import Decided, Known
from controller.snapshot_objects import made, project
from controller.snapshot_status import next_transition, status_of, timeless, to_wire
from controller.times import rfc3339
from refresh.model import Checks, Demanded, Kept, SnapshotKey, SnapshotState, SourceKey

NOW = 1_800_000_000.0
KEY = SnapshotKey("payments", SourceKey("prod", "controller", "aws-sm", "/prod/payments/db"))
RULES = FreshnessClass(
    name="steady", refresh_s=60.0, budget_s=900.0, max_age_s=3600.0, on_expired="serve"
)
SERVED = SnapshotState(
    serving=Serving.SERVED,
    served=Kept(version="v2", value=SecretBytes(b"canary"), fetched_at=NOW - 10, rank=2),
    pin="v2",
    quarantined=(
        Quarantined(version="v3", reason="rolled-back"),
        Quarantined(version="v4", reason="not-json"),
    ),
    revoked=("v1",),
    last_success=NOW,
    last_attempt=NOW,
)


def _decided(*, allowed: bool = True) -> Decided:
    demanded = Demanded(key=KEY, rules=RULES, checks=Checks(max_bytes=1)) if allowed else None
    refusal = None if allowed else "no-policy"
    return Decided(known=Known(parts=DemandedParts()), demanded=demanded, refusal=refusal)


def _shown(
    state: SnapshotState, now: float, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    status = status_of(KEY, state, _decided(), ("web-1",), 3)
    return to_wire(status, state, before or {}, now)


def _as_read(body: dict[str, Any]) -> dict[str, Any]:
    """A body as the API server answers with it, its defaults put in."""
    body["spec"]["source"].setdefault("identity", "controller")
    body["metadata"] |= {"uid": "1", "generation": 1}
    return body


def test_p12_a_new_object_carries_the_requests_that_are_recorded() -> None:
    """What failed a check is no request; it is found again by checking."""
    seen = project(_as_read(made(KEY, SERVED)))
    assert seen is not None
    assert seen.key == KEY
    assert seen.named
    assert not seen.declared
    assert (seen.spec.pin, seen.spec.quarantined, seen.spec.revoked) == ("v2", ("v3",), ("v1",))


def test_p11_an_object_that_is_made_again_has_no_longer_lists_than_it_may() -> None:
    """The account's revocations are recorded too. With more than 128 the API server would refuse
    the object for ever.
    """
    revoked = tuple(f"r{number}" for number in range(MOST_REVOKED))
    state = replace(SERVED, pin="\u00fc", revoked=("not\nnamed", *revoked))
    body = made(KEY, state)
    assert body["spec"]["revoked"] == list(revoked[-MOST_VERSIONS // 2 :])
    assert "pin" not in body["spec"]
    assert project(_as_read(body)) is not None
    some = replace(SERVED, revoked=revoked[:MOST_VERSIONS])
    assert made(KEY, some)["spec"]["revoked"] == list(some.revoked)


@pytest.mark.parametrize(
    ("age_s", "state", "fresh"),
    [(0, "Fresh", "True"), (1000, "Stale", "False"), (4000, "Expired", "False")],
)
def test_p5_the_state_is_what_the_class_says_of_the_age(
    age_s: float, state: str, fresh: str
) -> None:
    """Time alone moves it, at the moment that `next_transition` names."""
    document = _shown(SERVED, NOW + age_s)
    assert document["state"] == state
    assert document["conditions"][1]["status"] == fresh
    status = status_of(KEY, SERVED, _decided(), (), 0)
    turn = next_transition(status, NOW + age_s)
    if turn != float("inf"):
        assert _shown(SERVED, turn)["state"] != state


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    """Who reads it sees since when."""
    first = _shown(SERVED, NOW)
    later = _shown(SERVED, NOW + 60, first)
    assert timeless(later) == timeless(first)
    stale = _shown(SERVED, NOW + 1000, first)
    ready, fresh = stale["conditions"]
    assert ready["lastTransitionTime"] == rfc3339(NOW)
    assert fresh["lastTransitionTime"] == rfc3339(NOW + 1000)


@pytest.mark.parametrize(
    "state",
    [SERVED, SnapshotState(), SnapshotState(serving=Serving.REVOKED, revoked=("v1",))],
    ids=["served", "never synced", "revoked"],
)
def test_p8_a_status_fits_its_schema_and_has_no_value(state: SnapshotState) -> None:
    """The model is what the CRD is generated from."""
    document = _shown(state, NOW)
    SnapshotStatus.model_validate(
        {name: value for name, value in document.items() if value is not None}
    )
    assert "canary" not in str(document)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Found.FOREIGN_SECRET, "Foreign"),
        (Found.NO_RIGHTS, "NotWritten"),
        (Found.WRITE_REFUSED, "NotWritten"),
    ],
)
def test_p5_what_pods_are_not_given_is_what_the_table_says(found: Found, state: str) -> None:
    """Not that it is fresh: what pods are given is not the snapshot."""
    restored = replace(SERVED, restored="uid-of-another-cluster")
    document = not_given(_shown(restored, NOW), found, {}, NOW)
    SnapshotStatus.model_validate(
        {name: value for name, value in document.items() if value is not None}
    )
    assert (document["state"], document["reason"]) == (state, found)
    assert [(it["type"], it["status"]) for it in document["conditions"]] == [
        ("Ready", "False"),
        ("Fresh", "Unknown"),
        ("Restored", "True"),
    ]
    again = _shown(SERVED, NOW + 60, document)
    assert [it["lastTransitionTime"] for it in again["conditions"]] == [rfc3339(NOW + 60)] * 2


def test_a_restored_backup_says_so_until_it_is_confirmed() -> None:
    """By a condition, and as the reason where there is none that is worse."""
    restored = replace(SERVED, restored="uid-of-another-cluster")
    document = _shown(restored, NOW)
    assert document["reason"] == Found.RESTORED
    assert document["unconfirmedSince"] == rfc3339(NOW)
    found = document["conditions"][2]
    assert (found["type"], found["status"], found["reason"]) == (
        "Restored",
        "True",
        "AnotherCluster",
    )
    assert "failed" not in document["conditions"][1]["message"]
    failed = _shown(replace(restored, reason=FetchFailure.DENIED), NOW)
    assert failed["reason"] == FetchFailure.DENIED
    assert "failed: denied" in failed["conditions"][1]["message"]
    confirmed = _shown(SERVED, NOW, document)
    assert [item["type"] for item in confirmed["conditions"]] == ["Ready", "Fresh"]
    assert confirmed["reason"] is None


@pytest.mark.parametrize(
    ("state", "age_s", "since"),
    [
        pytest.param(SERVED, 900, None, id="fresh"),
        pytest.param(SERVED, 901, NOW, id="late"),
        pytest.param(replace(SERVED, reason=FetchFailure.DENIED), 60, NOW, id="failing"),
        pytest.param(SnapshotState(reason=FetchFailure.DENIED), 60, None, id="never synced"),
    ],
)
def test_p5_the_table_counts_from_the_last_success_only_while_it_is_in_doubt(
    state: SnapshotState, age_s: float, since: float | None
) -> None:
    """While all is well it has not to be written again, so it must not seem to age."""
    assert _shown(state, NOW + age_s)["unconfirmedSince"] == rfc3339(since)


def test_times_alone_are_nothing_new() -> None:
    """A refresh that only confirms writes no status."""
    confirmed = replace(SERVED, last_success=NOW + 5, last_attempt=NOW + 5)
    assert timeless(_shown(confirmed, NOW + 5)) == timeless(_shown(SERVED, NOW + 5))

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.ages import Confirmed
from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import Quarantined
from refresh import versions
from refresh.model import Identity, Kept, SnapshotState
from refresh.step import known_version, step
from refresh.step_events import (
    Alarm,
    AlarmKind,
    Arrived,
    FetchFailed,
    Publish,
    Rechecked,
    Report,
    Rewound,
    Unchanged,
    Withdrawn,
)
from refresh.validate import Rejection
from tests.refresh.steps import (
    alarms,
    bad,
    good,
    held,
    operated,
    served,
    state_after,
    value_of,
)


def test_a_first_value_is_served_published_and_reported() -> None:
    """The age starts with the provider's answer."""
    state, effects = step(SnapshotState(), good("v1"), 1000.0)
    assert (served(state), state.serving, state.last_success) == ("v1", Serving.SERVED, 1000.0)
    assert effects == [Publish(), Report()]


def test_a_confirmation_moves_the_age_and_writes_nothing_at_once() -> None:
    """Ages are written with the next report; no volume swaps for them."""
    state, effects = step(state_after(good("v1")), Unchanged("v1"), 1900.0)
    assert (state.last_success, state.last_attempt, effects) == (1900.0, 1900.0, [])


def test_a_rotation_keeps_the_former_version_and_its_age() -> None:
    """A reader whose mount lags finds the age of what it has."""
    state = state_after(good("v1"), good("v2"))
    assert (served(state), held(state)) == ("v2", ["v1"])
    assert state.prior == Confirmed(version="v1", last_success=1000.0)


@pytest.mark.parametrize("reason", sorted({*FetchFailure} - {FetchFailure.BUDGET_TOO_SMALL}))
def test_p2_no_failure_touches_what_is_served(reason: FetchFailure) -> None:
    """Absent and denied included; the age goes on and the reason is shown."""
    before = state_after(good("v1"))
    after, effects = step(before, FetchFailed(reason=reason), 2000.0)
    assert (after.served, after.last_success) == (before.served, 1000.0)
    assert (after.reason, after.failures, after.last_attempt) == (reason, 1, 2000.0)
    assert effects == [Report()]


@pytest.mark.parametrize(
    "rejection",
    [
        pytest.param(Rejection(FetchFailure.EMPTY, "empty"), id="empty"),
        pytest.param(Rejection(FetchFailure.INVALID, "not-json"), id="malformed"),
        pytest.param(Rejection(FetchFailure.TOO_LARGE, "max-bytes"), id="oversized"),
    ],
)
def test_p2_a_rejected_version_is_shown_alarmed_once_and_not_served(rejection: Rejection) -> None:
    """The last good value stays, and its age goes on."""
    before = state_after(good("v1"))
    after, effects = step(before, bad("v2", rejection), 2000.0)
    assert (served(after), after.last_success) == ("v1", 1000.0)
    assert (after.latest, after.reason) == ("v2", rejection.reason)
    assert after.quarantined == (Quarantined(version="v2", reason=rejection.code),)
    assert Alarm(AlarmKind.REJECTED, "v2", rejection.code) in effects
    assert alarms(after, bad("v2", rejection)) == []
    assert state_after(Unchanged("v2"), state=after, at=3000).reason is rejection.reason
    kept = rejection.reason is FetchFailure.INVALID
    assert held(after) == (["v2"] if kept else [])


def test_p2_other_bytes_under_the_served_version_are_not_served() -> None:
    """A version names its bytes; a torn answer under it changes nothing."""
    before = state_after(good("v1"))
    torn = Arrived(material=value_of("v1", b""), rejection=Rejection(FetchFailure.EMPTY, "empty"))
    after, effects = step(before, torn, 2000.0)
    assert (after.served, after.last_success) == (before.served, 1000.0)
    assert after.reason is FetchFailure.EMPTY
    assert Alarm(AlarmKind.CHANGED_IN_PLACE, "v1") in effects
    doubt = Quarantined(version="v1", reason=versions.CHANGED_IN_PLACE)
    assert after.quarantined == (doubt,)
    assert alarms(after, torn) == []
    other = Arrived(material=value_of("v1", b"other"))
    assert state_after(other, state=before).reason is FetchFailure.INVALID


def test_a_version_hurt_on_its_way_is_served_when_it_arrives_whole() -> None:
    """The refusal was of the bytes, and is lifted with them."""
    state = state_after(good("v1"), bad("v2"))
    whole = Arrived(material=value_of("v2", b"whole"))
    state = state_after(whole, state=state, at=2000)
    assert (served(state), state.quarantined, state.failures) == ("v2", (), 0)


def test_a_rejected_version_is_rarely_asked_for_by_value_again() -> None:
    """After 1, 2, 4, 8... refreshes; in between the cheap check is enough."""
    state = state_after(good("v1"), bad("v2"))
    by_value = []
    for _ in range(16):
        by_value.append(known_version(state) is None)
        state = state_after(Unchanged("v2"), state=state, at=2000)
    assert [index + 1 for index, asked in enumerate(by_value) if asked] == [1, 2, 4, 8, 16]
    assert (served(state), state.last_success) == ("v1", 1000.0)
    assert state.reason is FetchFailure.INVALID


def test_a_rejected_first_version_serves_nothing() -> None:
    """There is no last good value yet, and none is made up."""
    state = state_after(bad("v1"))
    assert (state.serving, state.served) == (None, None)


def test_checks_that_came_later_unserve_nothing() -> None:
    """The served version fails today's checks: it stays, ages and alarms; and is not preferred to
    an older one either.
    """
    state = state_after(good("v1"), good("v2"), Rechecked())
    assert known_version(state) is None
    state, effects = step(state, bad("v2"), 2000.0)
    assert (served(state), state.last_success) == ("v2", 1010.0)
    assert Alarm(AlarmKind.REJECTED, "v2", "not-json") in effects
    assert served(state_after(operated(), state=state, at=2100)) == "v2"
    assert state_after(Unchanged("v2"), state=state, at=2200).last_success == 1010.0


def test_an_unusual_change_alarms_and_is_served() -> None:
    """A suspicion is no hold; and it is told once."""
    odd = Arrived(material=value_of("v2"), suspicion="size")
    before = state_after(good("v1"))
    after, effects = step(before, odd, 2000.0)
    assert served(after) == "v2"
    assert Alarm(AlarmKind.SUSPICIOUS, "v2", "size") in effects
    assert alarms(after, odd) == []


def test_what_the_provider_says_against_a_version_is_told() -> None:
    """It is served, or stays served, all the same."""
    warned = replace(value_of("v1"), warning="expired")
    state, effects = step(SnapshotState(), Arrived(material=warned), 1000.0)
    assert served(state) == "v1"
    assert Alarm(AlarmKind.WARNED, "v1", "expired") in effects
    again = Unchanged("v1", warning="expired")
    assert step(state, again, 2000.0)[1] == [Alarm(AlarmKind.WARNED, "v1", "expired")]
    assert step(state, Unchanged("v1"), 2000.0)[1] == []


def test_a_version_that_is_turned_off_is_told_once_with_what_to_do() -> None:
    """The last good one stays served. It is told again after another reason."""
    off = FetchFailed(reason=FetchFailure.INVALID, code="Off", what_to_do="Turn it on")
    state, effects = step(state_after(good("v1")), off, 2000.0)
    assert served(state) == "v1"
    assert Alarm(AlarmKind.NOT_USABLE, None, "Off", "Turn it on") in effects
    assert alarms(state, off) == []
    other = state_after(FetchFailed(reason=FetchFailure.UNAVAILABLE), state=state, at=3000)
    assert alarms(other, off) == [AlarmKind.NOT_USABLE]


def test_a_withdrawn_source_leaves_no_value_and_is_asked_by_value_when_allowed_again() -> None:
    """Policy took it away; history goes too."""
    state, effects = step(state_after(good("v1"), good("v2")), Withdrawn(), 2000.0)
    assert (state.serving, state.served, state.history) == (Serving.WITHDRAWN, None, ())
    assert Alarm(AlarmKind.WITHDRAWN, "v2") in effects
    assert known_version(state) is None
    assert served(state_after(good("v2"), state=state, at=2100)) == "v2"


def test_p5_a_clock_that_goes_back_makes_no_age_shrink() -> None:
    """The age that was known stays, whether the step sees it or is told."""
    before = state_after(good("v0"), good("v1"), Unchanged("v1"))
    assert before.last_success == 1020.0
    seen = state_after(FetchFailed(reason=FetchFailure.UNAVAILABLE), state=before, at=920)
    told = state_after(Rewound(100), state=before, at=920)
    for state in (seen, told):
        assert state.last_success == 920.0
        assert state.prior == Confirmed(version="v0", last_success=900.0)
    assert Report() in step(before, Rewound(100), 920)[1]


def test_p5_a_clock_that_was_ahead_leaves_no_future_age() -> None:
    """Confirmed under a clock a day ahead, then set right while the provider is down."""
    ahead = state_after(good("v1"), at=1000 + 86400)
    ahead = state_after(FetchFailed(reason=FetchFailure.UNAVAILABLE), state=ahead, at=1600 + 86400)
    right = state_after(FetchFailed(reason=FetchFailure.UNAVAILABLE), state=ahead, at=1600)
    assert right.last_success == 1000.0


def test_p5_a_value_that_another_namespace_held_is_as_old_as_there() -> None:
    """Sharing confirms nothing."""
    shared = Arrived(material=value_of("v1"), answered_at=400.0)
    state = state_after(shared, at=1000)
    assert (state.last_success, state.served and state.served.fetched_at) == (400.0, 400.0)


def test_a_version_that_becomes_current_again_is_served_again() -> None:
    """The provider moved its label back."""
    state = state_after(good("v1"), good("v2"), good("v1"), good("v1"))
    assert (served(state), held(state)) == ("v1", ["v2"])
    assert state.served is not None
    assert state.served.rank == 3


def test_history_keeps_three_good_versions_and_one_candidate() -> None:
    """And no more refusals than versions that they speak of; rollbacks stay."""
    state = state_after(*(good(f"v{n}") for n in range(6)), bad("b1"), bad("b2"))
    assert (served(state), held(state)) == ("v5", ["b2", "v4", "v3", "v2"])
    assert [item.version for item in state.quarantined] == ["b2"]
    state = state_after(operated(quarantined=("v0",)), good("v6"), good("v7"), state=state, at=2000)
    assert [item.version for item in state.quarantined] == ["b2", "v0"]


def test_history_fits_into_one_secret() -> None:
    """The oldest go first."""
    big = SecretBytes(b"x" * 400_000)
    state = SnapshotState(
        history=tuple(Kept(version=f"v{n}", value=big, fetched_at=0.0, rank=n) for n in range(3))
    )
    assert held(versions.trimmed(state)) == ["v2", "v1"]


def test_a_restored_state_is_asked_by_value_until_confirmed() -> None:
    """Another cluster's backup may be of any age."""
    state = replace(state_after(good("v1")), restored="uid-2")
    assert known_version(state) is None
    state, effects = step(state, good("v1"), 2000.0)
    assert (state.restored, effects) == (None, [Publish()])
    assert known_version(state) == Identity("v1")


def test_a_version_that_is_held_no_more_is_asked_by_value() -> None:
    """`latest` alone is no reason to be content with `unchanged`."""
    assert known_version(replace(state_after(good("v1")), latest="v7")) is None


def test_p5_a_switch_after_the_clock_went_back_makes_no_older_version_fresh() -> None:
    """The version that takes a revoked one's place is as old as it was by the clock before."""
    state = state_after(good("v1"), at=200_000)
    state = state_after(good("v2"), state=state, at=200_100)
    state = state_after(Rewound(90_000.0), state=state, at=110_150)
    state = state_after(Rechecked(), operated(revoked=("v2",)), state=state, at=110_160)
    assert served(state) == "v1"
    assert state.served is not None
    assert state.served.fetched_at == 110_000
    assert state.last_success is not None
    assert state.last_success <= 110_100

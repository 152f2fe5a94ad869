from __future__ import annotations

import pytest

from contract.reasons import FetchFailure, Serving
from contract.snapshot_format import MOST_REVOKED, MOST_VERSIONS, Quarantined
from refresh import versions
from refresh.model import Identity
from refresh.step import known_version, step
from refresh.step_events import (
    Alarm,
    AlarmKind,
    Arrived,
    FetchFailed,
    Publish,
    Rechecked,
    Report,
    Tombstoned,
    Unchanged,
)
from tests.refresh.steps import (
    BAD,
    alarms,
    bad,
    good,
    held,
    named,
    operated,
    served,
    state_after,
    value_of,
)


def test_p12_a_held_version_is_pinned_without_the_provider() -> None:
    """It is served at once and until unpinned; answers keep its age young, newer ones wait."""
    state = state_after(good("v1"), good("v2"), operated(pin="v1"))
    assert (served(state), state.last_success) == ("v1", 1010.0)
    state = state_after(good("v3"), state=state, at=2000)
    assert (served(state), state.last_success, state.latest) == ("v1", 2000.0, "v3")
    state = state_after(FetchFailed(reason=FetchFailure.DENIED), operated(), state=state, at=3000)
    assert (served(state), state.last_success) == ("v3", 2000.0)
    assert state.reason is FetchFailure.DENIED


def test_a_pin_that_is_not_held_is_fetched_by_name() -> None:
    """Until it arrives what is served stays, and no newer version comes in between."""
    state = state_after(operated(pin="v1"), state=state_after(good("v2")), at=2000)
    assert versions.missing_pin(state) == "v1"
    assert served(state) == "v2"
    state = state_after(good("v3"), state=state, at=2010)
    assert (served(state), state.last_success) == ("v2", 1000.0)
    state = state_after(named("v1"), state=state, at=2020)
    assert (served(state), state.last_success, versions.missing_pin(state)) == ("v1", 2020, None)
    state = state_after(operated(), state=state, at=2030)
    assert served(state) == "v3"


def test_p12_a_pin_of_what_was_never_served_lets_no_other_version_come_first() -> None:
    """Its record was lost, and the Secret that pods have is of the pinned version."""
    state = state_after(operated(pin="v1"), good("v2"))
    assert (state.serving, served(state)) == (None, None)
    fetched = state_after(named("v1"), state=state, at=2000)
    assert served(fetched) == "v1"
    unpinned = state_after(operated(), state=state, at=2000)
    assert served(unpinned) == "v2"


def test_unpinning_a_version_fetched_by_name_never_prefers_it() -> None:
    """Fetched last, it is still not the newest, also where the newest is unknown."""
    state = state_after(good("v2"), operated(pin="v1"), named("v1"), Rechecked(), operated())
    assert served(state) == "v2"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param(named("v9"), "another-version", id="another version"),
        pytest.param(named("v1", BAD), "not-json", id="fails its checks"),
    ],
)
def test_a_pin_that_can_not_be_served_alarms(event: Arrived, code: str) -> None:
    """What is served stays."""
    before = state_after(good("v2"), operated(pin="v1"))
    after, effects = step(before, event, 2000.0)
    assert served(after) == "v2"
    assert [effect.code for effect in effects if isinstance(effect, Alarm)] == [code]


def test_a_pin_on_a_refused_or_revoked_version_alarms_and_is_not_served() -> None:
    """The admin's checks and a revocation stand above a pin."""
    state = state_after(good("v1"), bad("v2"))
    assert alarms(state, operated(pin="v2")) == [AlarmKind.PIN_NOT_SERVED]
    assert served(state_after(operated(pin="v2"), state=state)) == "v1"
    state = state_after(operated(pin="v0", revoked=("v0",)), state=state)
    assert (served(state), versions.missing_pin(state)) == ("v1", None)


def test_a_failed_fetch_by_name_counts_against_no_refresh() -> None:
    """The reason is shown; the source's own failures are not counted."""
    state = state_after(
        good("v2"), operated(pin="v1"), FetchFailed(reason=FetchFailure.ABSENT, current=False)
    )
    assert (state.reason, state.failures) == (FetchFailure.ABSENT, 0)


def test_p12_a_rollback_serves_the_previous_good_version_until_a_newer_appears() -> None:
    """Without the provider; its answers then confirm what operators want."""
    state = state_after(good("v1"), good("v2"))
    state = state_after(operated(quarantined=("v2",)), state=state, at=2000)
    assert (served(state), state.last_success) == ("v1", 1010.0)
    state = state_after(Unchanged("v2"), state=state, at=3000)
    assert (served(state), state.last_success) == ("v1", 3000.0)
    assert known_version(state) == Identity("v2")
    state = state_after(good("v3"), state=state, at=4000)
    assert served(state) == "v3"
    state = state_after(good("v2"), state=state, at=5000)
    assert served(state) == "v3"


def test_a_rollback_taken_back_serves_the_current_version_again() -> None:
    """The spec is whole: what is not in it is no longer wanted."""
    state = state_after(good("v1"), good("v2"), operated(quarantined=("v2",)), operated())
    assert served(state) == "v2"


def test_a_rollback_with_nothing_older_keeps_what_is_served_and_alarms() -> None:
    """P2: only a revocation may leave nothing."""
    state = state_after(good("v1"))
    spec = operated(quarantined=("v1",))
    assert alarms(state, spec) == [AlarmKind.NOTHING_OLDER]
    assert served(state_after(spec, state=state)) == "v1"


def test_a_rolled_back_version_stays_an_operators_even_if_it_fails_checks() -> None:
    """A check's word never takes the place of an operator's."""
    state = state_after(good("v1"), operated(quarantined=("v2",)), bad("v2"))
    assert state.quarantined == (Quarantined(version="v2", reason=versions.ROLLED_BACK),)


def test_p12_a_revoked_version_is_replaced_by_the_newest_kept_good_one() -> None:
    """Now, without the provider; it is purged, also from history, and never comes back."""
    state = state_after(good("v1"), good("v2"), good("v3"), operated(quarantined=("v2",)))
    state = state_after(operated(quarantined=("v2",), revoked=("v3",)), state=state, at=2000)
    assert (served(state), held(state)) == ("v1", ["v2"])
    state = state_after(good("v3"), Unchanged("v3"), state=state, at=3000)
    assert (served(state), held(state)) == ("v1", ["v2"])
    assert (known_version(state), state.last_success) == (Identity("v3"), 3010.0)


def test_p12_a_revocation_with_nothing_to_replace_it_leaves_a_tombstone() -> None:
    """`serving` says why nothing is served; the next good version ends it."""
    state, effects = step(state_after(good("v1")), operated(revoked=("v1",)), 2000.0)
    assert (state.serving, state.served, state.history) == (Serving.REVOKED, None, ())
    assert state.last_success is None
    assert effects == [Publish(), Report(), Alarm(AlarmKind.REVOKED, "v1")]
    state = state_after(Unchanged("v1"), state=state, at=2100)
    assert state.serving is Serving.REVOKED
    state = state_after(good("v2"), state=state, at=2200)
    assert (served(state), state.serving) == ("v2", Serving.SERVED)


def test_revocations_only_grow() -> None:
    """A spec without a former revocation does not take it back."""
    v1, v0 = operated(revoked=("v1",)), operated(revoked=("v0",))
    state = state_after(good("v1"), v1, v0, operated())
    assert set(state.revoked) == {"v0", "v1"}


def test_a_revocation_under_a_pin_leaves_the_pin() -> None:
    """Of another version; a pinned version that is revoked gives way."""
    state = state_after(good("v1"), good("v2"), operated(pin="v1", revoked=("v2",)))
    assert (served(state), held(state)) == ("v1", [])
    state = state_after(operated(pin="v0"), operated(pin="v0", revoked=("v1",)), state=state)
    assert state.serving is Serving.REVOKED


def test_an_older_version_served_for_a_revocation_is_as_old_as_its_fetch() -> None:
    """While the provider's current version is refused by checks nothing confirms the older one."""
    state = state_after(good("v0"), good("v1"), Unchanged("v1"), bad("v2"))
    state = state_after(operated(revoked=("v1",)), state=state, at=2000)
    assert (served(state), state.last_success) == ("v0", 1000.0)


def test_p2_under_a_pin_no_more_versions_are_kept_than_else() -> None:
    """Else the record grows with each rotation, until it can't be written any more."""
    state = state_after(good("v1"), operated(pin="v1"))
    for number in range(2, 40):
        state = state_after(good(f"v{number}"), state=state, at=2000 + number)
    assert served(state) == "v1"
    assert len(state.history) <= versions.GOOD_VERSIONS + versions.CANDIDATES
    assert served(state_after(operated(), state=state, at=9000)) == "v39"


def test_p12_a_refused_version_takes_no_room_of_a_good_one() -> None:
    """A large one that fails its checks leaves something to roll back to."""
    half = versions.RECORD_BYTES * 2 // 5
    sizes = {"v1": half, "v2": half, "v3": half}
    first, second, third = (Arrived(material=value_of(it, b"x" * sizes[it])) for it in sizes)
    refused = Arrived(material=third.material, rejection=BAD)
    state = state_after(first, second, refused)
    assert [kept.version for kept in state.history] == ["v1"]


def test_p12_what_was_revoked_after_its_record_was_lost_becomes_a_tombstone() -> None:
    """Only where this process has served nothing, and until a good version comes."""
    state = state_after(operated(revoked=("v1",)), Tombstoned())
    assert (state.serving, served(state)) == (Serving.REVOKED, None)
    assert served(state_after(good("v2"), state=state, at=2000)) == "v2"
    assert served(state_after(good("v2"), Tombstoned())) == "v2"


def _names(first: int, count: int) -> tuple[str, ...]:
    return tuple(f"r{number:05}" for number in range(first, first + count))


def test_p12_revocations_are_bounded_and_none_that_is_asked_for_is_forgotten() -> None:
    """A SecretSnapshot that is deleted and made again may bring 128 others each time."""
    state = state_after(good("v1"))
    for at in range(0, 10 * MOST_VERSIONS, MOST_VERSIONS):
        asked = _names(at, MOST_VERSIONS)
        state = state_after(operated(revoked=asked), state=state)
        assert set(asked) <= set(state.revoked)
        assert len(state.revoked) <= MOST_REVOKED
    assert state.revoked == _names(10 * MOST_VERSIONS - MOST_REVOKED, MOST_REVOKED)
    assert state_after(operated(), state=state).revoked == state.revoked


def test_p12_what_is_asked_for_all_the_time_outlives_what_came_later() -> None:
    """As an account's revocations do, while objects come and go."""
    always = _names(90_000, 100)
    state = state_after(good("v1"), operated(revoked=always))
    for at in range(0, 10 * MOST_VERSIONS, MOST_VERSIONS):
        state = state_after(operated(revoked=(*always, *_names(at, MOST_VERSIONS))), state=state)
        assert set(always) <= set(state.revoked)
    assert len(state.revoked) == MOST_REVOKED


def test_p12_all_that_object_and_account_may_ask_for_is_kept() -> None:
    """Whatever was recorded before."""
    before = state_after(good("v1"), operated(revoked=_names(5000, MOST_REVOKED)))
    asked = _names(0, MOST_REVOKED)
    assert set(state_after(operated(revoked=asked), state=before).revoked) == set(asked)


def test_p12_a_revoked_version_that_may_come_again_is_not_forgotten() -> None:
    """The provider still gives it as current, and the value before it is served."""
    state = state_after(good("v1"), good("v2"), operated(revoked=("v2",)))
    for at in range(0, 10 * MOST_VERSIONS, MOST_VERSIONS):
        state = state_after(operated(revoked=_names(at, MOST_VERSIONS)), good("v2"), state=state)
    assert "v2" in state.revoked
    assert len(state.revoked) <= MOST_REVOKED
    assert served(state) == "v1"

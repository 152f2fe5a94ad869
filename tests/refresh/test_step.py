from __future__ import annotations

from dataclasses import replace

import pytest

from contract.ages import Confirmed
from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot import Quarantined
from refresh import versions
from refresh.events import (
    Alarm,
    AlarmKind,
    Arrived,
    Event,
    FetchFailed,
    Operated,
    Publish,
    Rechecked,
    Report,
    Rewound,
    Unchanged,
    Withdrawn,
)
from refresh.model import Kept, SnapshotState, Wanted
from refresh.sources.protocol import Material
from refresh.step import known_version, step
from refresh.validate import Rejection

BAD = Rejection(FetchFailure.INVALID, "not-json")


def _value(version: str, value: bytes | None = None) -> Material:
    raw = version.encode() if value is None else value
    return Material(version=version, value=SecretBytes(raw))


def _good(version: str) -> Arrived:
    return Arrived(material=_value(version))


def _bad(version: str, rejection: Rejection = BAD) -> Arrived:
    return Arrived(material=_value(version), rejection=rejection)


def _named(version: str, rejection: Rejection | None = None) -> Arrived:
    return Arrived(material=_value(version), current=False, rejection=rejection)


def _wish(
    pin: str | None = None, quarantined: tuple[str, ...] = (), revoked: tuple[str, ...] = ()
) -> Operated:
    return Operated(Wanted(pin=pin, quarantined=frozenset(quarantined), revoked=frozenset(revoked)))


def _after(*events: Event, state: SnapshotState | None = None, at: float = 1000.0) -> SnapshotState:
    """The state after events that come 10 s apart, the first at `at`."""
    state = SnapshotState() if state is None else state
    for index, event in enumerate(events):
        state, _ = step(state, event, at + 10 * index)
    return state


def _alarms(state: SnapshotState, event: Event, now: float = 2000.0) -> list[AlarmKind]:
    _, effects = step(state, event, now)
    return [effect.kind for effect in effects if isinstance(effect, Alarm)]


def _served(state: SnapshotState) -> str | None:
    return None if state.served is None else state.served.version


def _held(state: SnapshotState) -> list[str]:
    return [kept.version for kept in state.history]


def test_a_first_value_is_served_published_and_reported() -> None:
    """The age starts with the provider's answer."""
    state, effects = step(SnapshotState(), _good("v1"), 1000.0)
    assert (_served(state), state.serving, state.last_success) == ("v1", Serving.SERVED, 1000.0)
    assert effects == [Publish(), Report()]


def test_a_confirmation_moves_the_age_and_writes_nothing_at_once() -> None:
    """Ages are written with the next report; no volume swaps for them."""
    state, effects = step(_after(_good("v1")), Unchanged("v1"), 1900.0)
    assert (state.last_success, state.last_attempt, effects) == (1900.0, 1900.0, [])


def test_a_rotation_keeps_the_former_version_and_its_age() -> None:
    """A reader whose mount lags finds the age of what it has."""
    state = _after(_good("v1"), _good("v2"))
    assert (_served(state), _held(state)) == ("v2", ["v1"])
    assert state.prior == Confirmed(version="v1", last_success=1000.0)


@pytest.mark.parametrize("reason", list(FetchFailure))
def test_p2_no_failure_touches_what_is_served(reason: FetchFailure) -> None:
    """Absent and denied included; the age goes on and the reason is shown."""
    before = _after(_good("v1"))
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
    before = _after(_good("v1"))
    after, effects = step(before, _bad("v2", rejection), 2000.0)
    assert (_served(after), after.last_success) == ("v1", 1000.0)
    assert (after.latest, after.reason) == ("v2", rejection.reason)
    assert after.quarantined == (Quarantined(version="v2", reason=rejection.code),)
    assert Alarm(AlarmKind.REJECTED, "v2", rejection.code) in effects
    assert _alarms(after, _bad("v2", rejection)) == []
    kept = rejection.reason is FetchFailure.INVALID
    assert _held(after) == (["v2"] if kept else [])


def test_p2_other_bytes_under_the_served_version_are_not_served() -> None:
    """A version names its bytes; a torn answer under it changes nothing."""
    before = _after(_good("v1"))
    torn = Arrived(material=_value("v1", b""), rejection=Rejection(FetchFailure.EMPTY, "empty"))
    after, effects = step(before, torn, 2000.0)
    assert (after.served, after.last_success) == (before.served, 1000.0)
    assert after.reason is FetchFailure.EMPTY
    assert Alarm(AlarmKind.CHANGED_IN_PLACE, "v1") in effects
    assert after.quarantined == ()
    assert _alarms(after, torn) == []
    other = Arrived(material=_value("v1", b"other"))
    assert _after(other, state=before).reason is FetchFailure.INVALID


def test_a_version_hurt_on_its_way_is_served_when_it_arrives_whole() -> None:
    """The refusal was of the bytes, and is lifted with them."""
    state = _after(_good("v1"), _bad("v2"))
    whole = Arrived(material=_value("v2", b"whole"))
    state = _after(whole, state=state, at=2000)
    assert (_served(state), state.quarantined, state.failures) == ("v2", (), 0)


def test_a_rejected_version_is_rarely_asked_for_by_value_again() -> None:
    """After 1, 2, 4, 8... refreshes; in between the cheap check is enough."""
    state = _after(_good("v1"), _bad("v2"))
    by_value = []
    for _ in range(16):
        by_value.append(known_version(state) is None)
        state = _after(Unchanged("v2"), state=state, at=2000)
    assert [index + 1 for index, asked in enumerate(by_value) if asked] == [1, 2, 4, 8, 16]
    assert (_served(state), state.last_success) == ("v1", 1000.0)
    assert state.reason is FetchFailure.INVALID


def test_a_rejected_first_version_serves_nothing() -> None:
    """There is no last good value yet, and none is made up."""
    state = _after(_bad("v1"))
    assert (state.serving, state.served) == (None, None)


def test_checks_that_came_later_unserve_nothing() -> None:
    """The served version fails today's checks: it stays, ages and alarms; and is not preferred to
    an older one either.
    """
    state = _after(_good("v1"), _good("v2"), Rechecked())
    assert known_version(state) is None
    state, effects = step(state, _bad("v2"), 2000.0)
    assert (_served(state), state.last_success) == ("v2", 1010.0)
    assert Alarm(AlarmKind.REJECTED, "v2", "not-json") in effects
    assert _served(_after(_wish(), state=state, at=2100)) == "v2"
    assert _after(Unchanged("v2"), state=state, at=2200).last_success == 1010.0


def test_an_unusual_change_alarms_and_is_served() -> None:
    """A suspicion is no hold; and it is told once."""
    odd = Arrived(material=_value("v2"), suspicion="size")
    before = _after(_good("v1"))
    after, effects = step(before, odd, 2000.0)
    assert _served(after) == "v2"
    assert Alarm(AlarmKind.SUSPICIOUS, "v2", "size") in effects
    assert _alarms(after, odd) == []


def test_p12_a_held_version_is_pinned_without_the_provider() -> None:
    """It is served at once and until unpinned; answers keep its age young, newer ones wait."""
    state = _after(_good("v1"), _good("v2"), _wish(pin="v1"))
    assert (_served(state), state.last_success) == ("v1", 1010.0)
    state = _after(_good("v3"), state=state, at=2000)
    assert (_served(state), state.last_success, state.latest) == ("v1", 2000.0, "v3")
    state = _after(FetchFailed(reason=FetchFailure.DENIED), _wish(), state=state, at=3000)
    assert (_served(state), state.last_success) == ("v3", 2000.0)
    assert state.reason is FetchFailure.DENIED


def test_a_pin_that_is_not_held_is_fetched_by_name() -> None:
    """Until it arrives what is served stays, and no newer version comes in between."""
    state = _after(_wish(pin="v1"), state=_after(_good("v2")), at=2000)
    assert versions.missing_pin(state) == "v1"
    assert _served(state) == "v2"
    state = _after(_good("v3"), state=state, at=2010)
    assert (_served(state), state.last_success) == ("v2", 1000.0)
    state = _after(_named("v1"), state=state, at=2020)
    assert (_served(state), state.last_success, versions.missing_pin(state)) == ("v1", 2020, None)
    state = _after(_wish(), state=state, at=2030)
    assert _served(state) == "v3"


def test_unpinning_a_version_fetched_by_name_never_prefers_it() -> None:
    """Fetched last, it is still not the newest, also where the newest is unknown."""
    state = _after(_good("v2"), _wish(pin="v1"), _named("v1"), Rechecked(), _wish())
    assert _served(state) == "v2"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param(_named("v9"), "another-version", id="another version"),
        pytest.param(_named("v1", BAD), "not-json", id="fails its checks"),
    ],
)
def test_a_pin_that_can_not_be_served_alarms(event: Arrived, code: str) -> None:
    """What is served stays."""
    before = _after(_good("v2"), _wish(pin="v1"))
    after, effects = step(before, event, 2000.0)
    assert _served(after) == "v2"
    assert [effect.code for effect in effects if isinstance(effect, Alarm)] == [code]


def test_a_pin_on_a_refused_or_revoked_version_alarms_and_is_not_served() -> None:
    """The admin's checks and a revocation stand above a pin."""
    state = _after(_good("v1"), _bad("v2"))
    assert _alarms(state, _wish(pin="v2")) == [AlarmKind.PIN_NOT_SERVED]
    assert _served(_after(_wish(pin="v2"), state=state)) == "v1"
    state = _after(_wish(pin="v0", revoked=("v0",)), state=state)
    assert (_served(state), versions.missing_pin(state)) == ("v1", None)


def test_a_failed_fetch_by_name_counts_against_no_refresh() -> None:
    """The reason is shown; the source's own failures are not counted."""
    state = _after(
        _good("v2"), _wish(pin="v1"), FetchFailed(reason=FetchFailure.ABSENT, current=False)
    )
    assert (state.reason, state.failures) == (FetchFailure.ABSENT, 0)


def test_p12_a_rollback_serves_the_previous_good_version_until_a_newer_appears() -> None:
    """Without the provider; its answers then confirm what operators want."""
    state = _after(_good("v1"), _good("v2"))
    state = _after(_wish(quarantined=("v2",)), state=state, at=2000)
    assert (_served(state), state.last_success) == ("v1", 1010.0)
    state = _after(Unchanged("v2"), state=state, at=3000)
    assert (_served(state), state.last_success) == ("v1", 3000.0)
    assert known_version(state) == "v2"
    state = _after(_good("v3"), state=state, at=4000)
    assert _served(state) == "v3"
    state = _after(_good("v2"), state=state, at=5000)
    assert _served(state) == "v3"


def test_a_rollback_taken_back_serves_the_current_version_again() -> None:
    """The wish is whole: what is not in it is no longer wanted."""
    state = _after(_good("v1"), _good("v2"), _wish(quarantined=("v2",)), _wish())
    assert _served(state) == "v2"


def test_a_rollback_with_nothing_older_keeps_what_is_served_and_alarms() -> None:
    """P2: only a revocation may leave nothing."""
    state = _after(_good("v1"))
    wish = _wish(quarantined=("v1",))
    assert _alarms(state, wish) == [AlarmKind.NOTHING_OLDER]
    assert _served(_after(wish, state=state)) == "v1"


def test_a_rolled_back_version_stays_an_operators_even_if_it_fails_checks() -> None:
    """A check's word never takes the place of an operator's."""
    state = _after(_good("v1"), _wish(quarantined=("v2",)), _bad("v2"))
    assert state.quarantined == (Quarantined(version="v2", reason=versions.ROLLED_BACK),)


def test_p12_a_revoked_version_is_replaced_by_the_newest_kept_good_one() -> None:
    """Now, without the provider; it is purged, also from history, and never comes back."""
    state = _after(_good("v1"), _good("v2"), _good("v3"), _wish(quarantined=("v2",)))
    state = _after(_wish(quarantined=("v2",), revoked=("v3",)), state=state, at=2000)
    assert (_served(state), _held(state)) == ("v1", ["v2"])
    state = _after(_good("v3"), Unchanged("v3"), state=state, at=3000)
    assert (_served(state), _held(state)) == ("v1", ["v2"])
    assert (known_version(state), state.last_success) == ("v3", 3010.0)


def test_p12_a_revocation_with_nothing_to_replace_it_leaves_a_tombstone() -> None:
    """`serving` says why nothing is served; the next good version ends it."""
    state, effects = step(_after(_good("v1")), _wish(revoked=("v1",)), 2000.0)
    assert (state.serving, state.served, state.history) == (Serving.REVOKED, None, ())
    assert state.last_success is None
    assert effects == [Publish(), Report(), Alarm(AlarmKind.REVOKED, "v1")]
    state = _after(Unchanged("v1"), state=state, at=2100)
    assert state.serving is Serving.REVOKED
    state = _after(_good("v2"), state=state, at=2200)
    assert (_served(state), state.serving) == ("v2", Serving.SERVED)


def test_revocations_only_grow() -> None:
    """A wish without a former revocation does not take it back."""
    state = _after(_good("v1"), _wish(revoked=("v1",)), _wish(revoked=("v0",)), _wish())
    assert set(state.revoked) == {"v0", "v1"}


def test_a_revocation_under_a_pin_leaves_the_pin() -> None:
    """Of another version; a pinned version that is revoked gives way."""
    state = _after(_good("v1"), _good("v2"), _wish(pin="v1", revoked=("v2",)))
    assert (_served(state), _held(state)) == ("v1", [])
    state = _after(_wish(pin="v0"), _wish(pin="v0", revoked=("v1",)), state=state)
    assert state.serving is Serving.REVOKED


def test_an_older_version_served_for_a_revocation_is_as_old_as_its_fetch() -> None:
    """While the provider's current version is refused by checks nothing confirms the older one."""
    state = _after(_good("v0"), _good("v1"), Unchanged("v1"), _bad("v2"))
    state = _after(_wish(revoked=("v1",)), state=state, at=2000)
    assert (_served(state), state.last_success) == ("v0", 1000.0)


def test_a_withdrawn_source_leaves_no_value_and_is_asked_by_value_when_allowed_again() -> None:
    """Policy took it away; history goes too."""
    state, effects = step(_after(_good("v1"), _good("v2")), Withdrawn(), 2000.0)
    assert (state.serving, state.served, state.history) == (Serving.WITHDRAWN, None, ())
    assert Alarm(AlarmKind.WITHDRAWN, "v2") in effects
    assert known_version(state) is None
    assert _served(_after(_good("v2"), state=state, at=2100)) == "v2"


def test_p5_a_clock_that_goes_back_makes_no_age_shrink() -> None:
    """The age that was known stays, whether the step sees it or is told."""
    before = _after(_good("v0"), _good("v1"), Unchanged("v1"))
    assert before.last_success == 1020.0
    seen = _after(FetchFailed(reason=FetchFailure.UNAVAILABLE), state=before, at=920)
    told = _after(Rewound(100), state=before, at=920)
    for state in (seen, told):
        assert state.last_success == 920.0
        assert state.prior == Confirmed(version="v0", last_success=900.0)
    assert Report() in step(before, Rewound(100), 920)[1]


def test_p5_a_clock_that_was_ahead_leaves_no_future_age() -> None:
    """Confirmed under a clock a day ahead, then set right while the provider is down."""
    ahead = _after(_good("v1"), at=1000 + 86400)
    ahead = _after(FetchFailed(reason=FetchFailure.UNAVAILABLE), state=ahead, at=1600 + 86400)
    right = _after(FetchFailed(reason=FetchFailure.UNAVAILABLE), state=ahead, at=1600)
    assert right.last_success == 1000.0


def test_p5_a_value_that_another_namespace_held_is_as_old_as_there() -> None:
    """Sharing confirms nothing."""
    shared = Arrived(material=_value("v1"), answered_at=400.0)
    state = _after(shared, at=1000)
    assert (state.last_success, state.served and state.served.fetched_at) == (400.0, 400.0)


def test_a_version_that_becomes_current_again_is_served_again() -> None:
    """The provider moved its label back."""
    state = _after(_good("v1"), _good("v2"), _good("v1"), _good("v1"))
    assert (_served(state), _held(state)) == ("v1", ["v2"])
    assert state.served is not None
    assert state.served.rank == 3


def test_history_keeps_three_good_versions_and_one_candidate() -> None:
    """And no more refusals than versions that they speak of; rollbacks stay."""
    state = _after(*(_good(f"v{n}") for n in range(6)), _bad("b1"), _bad("b2"))
    assert (_served(state), _held(state)) == ("v5", ["b2", "v4", "v3", "v2"])
    assert [item.version for item in state.quarantined] == ["b2"]
    state = _after(_wish(quarantined=("v0",)), _good("v6"), _good("v7"), state=state, at=2000)
    assert [item.version for item in state.quarantined] == ["b2", "v0"]


def test_history_fits_into_one_secret() -> None:
    """The oldest go first."""
    big = SecretBytes(b"x" * 400_000)
    state = SnapshotState(
        history=tuple(Kept(version=f"v{n}", value=big, fetched_at=0.0, rank=n) for n in range(3))
    )
    assert _held(versions.trimmed(state)) == ["v2", "v1"]


def test_a_restored_state_is_asked_by_value_until_confirmed() -> None:
    """Another cluster's backup may be of any age."""
    state = replace(_after(_good("v1")), restored="uid-2")
    assert known_version(state) is None
    state, effects = step(state, _good("v1"), 2000.0)
    assert (state.restored, effects) == (None, [Publish()])
    assert known_version(state) == "v1"


def test_a_version_that_is_held_no_more_is_asked_by_value() -> None:
    """`latest` alone is no reason to be content with `unchanged`."""
    assert known_version(replace(_after(_good("v1")), latest="v7")) is None


def test_p5_a_switch_after_the_clock_went_back_makes_no_older_version_fresh() -> None:
    """The version that takes a revoked one's place is as old as it was by the clock before."""
    state = _after(_good("v1"), at=200_000)
    state = _after(_good("v2"), state=state, at=200_100)
    state = _after(Rewound(90_000.0), state=state, at=110_150)
    state = _after(Rechecked(), _wish(revoked=("v2",)), state=state, at=110_160)
    assert _served(state) == "v1"
    assert state.served is not None
    assert state.served.fetched_at == 110_000
    assert state.last_success is not None
    assert state.last_success <= 110_100

"""A secret that is deleted and made again gives the names of its versions to other bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.ages import last_success
from contract.reasons import FetchFailure, Serving
from contract.snapshot_format import META, VALUE, Quarantined, from_wire
from refresh import versions
from refresh.model import Identity, SnapshotState
from refresh.snapshot_data import entry, history_data, publication, restored, secret_data
from refresh.step import known_version, step
from refresh.step_events import Alarm, AlarmKind, Arrived, Publish, Unchanged
from refresh.validate import Rejection
from tests.refresh.steps import alarms, good, operated, served, state_after, value_of
from tests.refresh.world import CLUSTER, Provider, demanded, governed, read, snapshot

KEY = snapshot("a", "/a")


def made(value: bytes, incarnation: str | None, version: str = "v1") -> Arrived:
    """The current version arrived."""
    return Arrived(material=value_of(version, value, incarnation))


def _value(state: SnapshotState) -> bytes | None:
    return None if state.served is None else state.served.value.reveal()


def test_another_incarnation_is_a_new_version() -> None:
    """It is served, is as old as its own fetch, and readers that lag keep the age of theirs."""
    before = state_after(made(b"one", "i1"), Unchanged("v1", "i1"))
    after, effects = step(before, made(b"two", "i2"), 2000.0)
    assert (_value(after), after.last_success) == (b"two", 2000.0)
    assert Publish() in effects
    assert [kept.identity for kept in after.history] == [Identity("v1", "i1")]
    assert after.prior is not None
    assert (after.prior.incarnation, after.prior.last_success) == ("i1", 1010.0)


@given(
    events=st.lists(
        st.tuples(st.sampled_from([b"one", b"two"]), st.sampled_from([None, "i1", "i2"])),
        min_size=1,
        max_size=8,
    )
)
def test_p5_other_bytes_under_a_known_identity_never_renew_an_age(
    events: list[tuple[bytes, str | None]],
) -> None:
    """Whatever the order: an age moves only on the bytes that are served, and the change check
    confirms only an identity whose bytes are not in doubt.
    """
    state = SnapshotState()
    for number, (value, mark) in enumerate(events):
        now = 1000.0 + 100 * number
        state, _ = step(state, made(value, mark), now)
        assert state.served is not None
        if state.last_success == now:
            assert _value(state) == value
            assert mark in {None, state.served.incarnation}
        before, current = state.last_success, state.current
        assert current is not None
        state, _ = step(state, Unchanged(*current), now + 50)
        if _value(state) != value:
            assert state.last_success == before


def test_p5_bytes_that_changed_in_place_are_asked_for_by_value_after_a_restart_too() -> None:
    """The doubt is in the record; it ends with the bytes that are held, or a new version."""
    state = state_after(made(b"one", "i1"), made(b"two", "i1"))
    assert (state.last_success, state.reason) == (1000.0, FetchFailure.INVALID)
    again = restored(
        KEY,
        publication(KEY, state, (), CLUSTER),
        entry(state),
        cluster=CLUSTER,
        now=2000.0,
    )
    assert known_version(again) is None
    assert alarms(again, made(b"two", "i1")) == []
    state, _ = step(again, Unchanged("v1", "i1"), 2000.0)
    assert state.last_success == 1000.0
    whole, _ = step(state, made(b"one", "i1"), 3000.0)
    assert (whole.last_success, whole.quarantined, whole.reason) == (3000.0, (), None)
    newer, _ = step(state, made(b"two", "i2"), 3000.0)
    assert (_value(newer), newer.last_success) == (b"two", 3000.0)


def test_an_unknown_incarnation_is_adopted_with_equal_bytes() -> None:
    """As after an upgrade: nothing but the pointer changes, and the age goes on."""
    before = state_after(good("v1"))
    after, effects = step(before, made(b"v1", "i1"), 2000.0)
    assert after.served is not None
    assert (after.served.identity, after.served.fetched_at) == (Identity("v1", "i1"), 1000.0)
    assert (after.history, after.last_success, after.prior) == ((), 2000.0, None)
    assert not [effect for effect in effects if isinstance(effect, Alarm)]
    other, _ = step(before, made(b"other", "i1"), 2000.0)
    assert (_value(other), len(other.history)) == (b"other", 1)


def test_a_provider_that_says_no_incarnation_any_more_confirms_equal_bytes_only() -> None:
    """Other bytes are of the version that is held, for all that is known."""
    before = state_after(made(b"one", "i1"))
    same, _ = step(before, made(b"one", None), 2000.0)
    assert (same.served, same.last_success) == (before.served, 2000.0)
    other, _ = step(before, made(b"two", None), 2000.0)
    assert (_value(other), other.last_success) == (b"one", 1000.0)


def test_p12_revoking_a_name_covers_every_incarnation() -> None:
    """Those that are held, and those that come later."""
    state = state_after(good("v0"), made(b"one", "i1"), made(b"two", "i2"))
    state = state_after(operated(revoked=("v1",)), state=state, at=2000)
    assert (served(state), state.history) == ("v0", ())
    state = state_after(made(b"three", "i3"), state=state, at=3000)
    assert (served(state), state.history) == ("v0", ())
    alone = state_after(made(b"one", "i1"), operated(revoked=("v1",)), made(b"two", "i2"))
    assert (alone.serving, alone.served) == (Serving.REVOKED, None)


def test_p12_a_pin_stays_on_what_is_served() -> None:
    """Another incarnation of the pinned name is a newer version."""
    state = state_after(made(b"one", "i1"), operated(pin="v1"), made(b"two", "i2"))
    assert _value(state) == b"one"
    assert _value(state_after(operated(), state=state, at=2000)) == b"two"


def test_p5_a_pin_confirms_no_bytes_in_doubt() -> None:
    """The provider's current version is the pinned one, and its bytes are others."""
    state = state_after(made(b"one", "i1"), operated(pin="v1"), made(b"two", "i1"))
    state, _ = step(state, Unchanged("v1", "i1"), 5000.0)
    assert (_value(state), state.last_success) == (b"one", 1000.0)


def test_p12_a_rollback_goes_to_the_incarnation_before() -> None:
    """What is meant is what was served; the next incarnation of that name is a newer version."""
    state = state_after(made(b"one", "i1"), made(b"two", "i2"))
    spec = operated(quarantined=("v1",))
    state = state_after(spec, Unchanged("v1", "i2"), spec, state=state, at=2000)
    word = Quarantined(version="v1", reason=versions.ROLLED_BACK, incarnation="i2")
    assert (_value(state), state.quarantined) == (b"one", (word,))
    assert _value(state_after(made(b"three", "i3"), state=state, at=3000)) == b"three"


@pytest.mark.parametrize("again", [True, False], ids=["asked for again", "asked for once"])
def test_p2_a_rollback_serves_no_refused_bytes_of_another_incarnation(*, again: bool) -> None:
    """A check refused the new incarnation. The operator names the version of the one before."""
    refused = replace(made(b"{", "i2"), rejection=Rejection(FetchFailure.INVALID, "not-json"))
    before = state_after(made(b"one", "i1"), refused)
    asked = operated(quarantined=("v1",))
    after = step(before, asked, 3000.0)[0]
    if again:
        after = step(after, asked, 4000.0)[0]
    assert _value(after) == b"one"
    assert versions.is_refused(after, Identity("v1", "i2"))
    lifted = step(after, operated(), 5000.0)[0]
    assert _value(lifted) == b"one"


def test_the_record_has_every_incarnation_and_the_snapshot_its_own() -> None:
    """A restart knows all of them, and a reader of meta.json which it has."""
    state = state_after(made(b"one", "i1"), made(b"two", "i2"))
    written = secret_data(publication(KEY, state, (), CLUSTER))
    meta = from_wire(written[META])
    assert (meta.version, meta.incarnation, written[VALUE]) == ("v1", "i2", b"two")
    assert last_success(meta, entry(state)) == 1010.0
    assert last_success(meta.replace(incarnation="i1"), entry(state)) == 1000.0
    history = history_data(publication(KEY, state, (), CLUSTER).history)
    again = restored(KEY, read(written, history), entry(state), cluster=CLUSTER, now=1e9)
    assert again == replace(state, last_attempt=again.last_attempt, seen=None)


@pytest.mark.parametrize("cheap", [True, False])
def test_p5_a_secret_made_again_is_served_everywhere(*, cheap: bool) -> None:
    """By the fleet, whether the provider has change checks or not; a namespace that comes later
    shares it.
    """
    provider = Provider(cheap_checks=cheap)
    provider.recreate("/a", "v1", b"one", "i1")
    world = governed(provider)
    world.manager.demand([demanded("a", "/a")], world.at)
    world.run(10)
    provider.recreate("/a", "v1", b"two", "i2")
    world.run(2000)
    asked = len(provider.asked)
    world.manager.demand([demanded("a", "/a"), demanded("b", "/a")], world.at)
    world.run(1)
    assert len(provider.asked) == asked
    for namespace in ("a", "b"):
        assert world.store.snapshots[snapshot(namespace, "/a")]["value"] == b"two"
    assert not [alarm for _, alarm in world.recorder.alarms if alarm.kind is AlarmKind.REJECTED]

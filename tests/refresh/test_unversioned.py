"""Values of a provider that names no versions: the engine names them by the time of first sight."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import is_version
from providers.protocol import Failed, Material, NotModified, Unversioned
from refresh import naming
from refresh.model import SnapshotState
from refresh.snapshot_data import (
    entry,
    history_data,
    publication,
    restored,
    secret_data,
)
from refresh.spent import are_needed
from refresh.step import step
from refresh.step_events import Alarm, Arrived, FetchFailed, Publish, RetentionEnded, Unchanged
from tests.refresh.steps import BAD, operated, served, state_after
from tests.refresh.world import CLUSTER, read, snapshot

KEY = snapshot("a", "/a")
AT = 1_795_671_721.461
FIRST = "seen-2026-11-26T05:42:01.461Z"
SECOND = "seen-2026-11-26T05:42:11.461Z"


def seen(
    state: SnapshotState, value: bytes, now: float, *others: SnapshotState, confirms: bool = False
) -> SnapshotState:
    """The state after the provider gave this value."""
    found = Unversioned(value=SecretBytes(value), confirms_only=confirms)
    told = naming.told(state, others, found, now)
    if isinstance(told, Material):
        return step(state, Arrived(material=told), now)[0]
    if isinstance(told, NotModified):
        return step(state, Unchanged(told.version), now)[0]
    return step(state, FetchFailed(reason=told.reason), now)[0]


def after(*values: bytes) -> SnapshotState:
    """The state after values that came 10 s apart."""
    state = SnapshotState()
    for number, value in enumerate(values):
        state = seen(state, value, AT + 10 * number)
    return state


def again(state: SnapshotState, now: float) -> SnapshotState:
    """The state after a restart of the controller."""
    written = publication(KEY, state, (), CLUSTER)
    return restored(
        KEY,
        read(secret_data(written), history_data(written.history)),
        entry(state),
        cluster=CLUSTER,
        now=now,
    )


def test_a_new_value_is_named_by_the_time_of_first_sight() -> None:
    """In milliseconds; the same value again is no new version."""
    state = after(b"one", b"one", b"two")
    assert (served(state), [kept.version for kept in state.history]) == (
        "seen-2026-11-26T05:42:21.461Z",
        [FIRST],
    )


def test_an_equal_value_renews_the_age() -> None:
    """By an answer that says nothing of versions."""
    state = after(b"one", b"one")
    assert (served(state), state.last_success) == (FIRST, AT + 10)


def test_a_value_that_comes_back_has_its_name() -> None:
    """So what an operator said of it still counts."""
    two = state_after(operated(quarantined=(FIRST,)), state=after(b"one", b"two"))
    state = seen(two, b"one", AT)
    assert (state.latest, served(state)) == (FIRST, SECOND)


def test_p5_names_survive_a_restart() -> None:
    """No pod is restarted because the controller was."""
    state = seen(again(after(b"one"), AT + 50), b"one", AT + 60)
    assert (served(state), state.last_success) == (FIRST, AT + 60)


@pytest.mark.parametrize("restart", [False, True])
def test_p13_a_revoked_value_is_not_served_under_another_name(restart: bool) -> None:  # noqa: FBT001 - a table
    """Its bytes are gone, the provider still gives them: they are known again all the same."""
    state = state_after(operated(revoked=(FIRST,)), state=after(b"one"), at=AT + 20)
    assert state.serving is Serving.REVOKED
    if restart:
        state = again(state, AT + 30)
    state = seen(state, b"one", AT + 40)
    assert (served(state), state.serving) == (None, Serving.REVOKED)
    assert served(seen(state, b"two", AT + 50)) == "seen-2026-11-26T05:42:51.461Z"


def test_p13_a_retired_snapshot_knows_a_revoked_value_again_and_has_none_itself() -> None:
    """Nobody used it for its retention. Nothing is alarmed, and the next good value is served."""
    state = state_after(operated(revoked=(FIRST,)), state=after(b"one", b"two"), at=AT + 20)
    assert state.served is not None
    assert are_needed(state, {FIRST})
    assert not are_needed(state, {"another"})
    state, effects = step(state, RetentionEnded(), AT + 30)
    assert (state.serving, state.served, state.history) == (Serving.REVOKED, None, ())
    assert Publish() in effects
    assert not [effect for effect in effects if isinstance(effect, Alarm)]
    assert step(state, RetentionEnded(), AT + 40) == (replace(state, seen=AT + 40), [])
    state = seen(again(state, AT + 50), b"one", AT + 60)
    assert (state.served, state.latest) == (None, FIRST)
    state = seen(state, b"two", AT + 70)
    assert state.served is not None
    assert state.served.value.reveal() == b"two"
    assert step(SnapshotState(), RetentionEnded(), AT)[0].serving is None


def test_p8_the_digest_of_a_revoked_value_stays_in_the_record() -> None:
    """It is in no object that more people may read than the values."""
    state = state_after(operated(revoked=(FIRST,)), state=after(b"one"), at=AT + 20)
    [spent] = state.spent
    written = publication(KEY, state, (), CLUSTER)
    assert spent.digest.encode() in history_data(written.history)["meta.json"]
    assert spent.digest.encode() not in b"".join(secret_data(written).values())
    assert spent.digest not in repr(entry(state))


def test_one_value_has_one_name_in_all_namespaces() -> None:
    """Also where one namespace asked for it first."""
    first = after(b"one")
    assert served(seen(SnapshotState(), b"one", AT + 99, first)) == FIRST


def test_two_values_never_share_a_name() -> None:
    """Not even when both came in one millisecond, or a clock went back."""
    state = seen(seen(after(b"one"), b"two", AT), b"three", AT)
    names = {served(state), *(kept.version for kept in state.history)}
    assert len(names) == 3


def test_p5_a_server_that_may_lag_only_confirms() -> None:
    """What it has otherwise may be older."""
    state = after(b"one", b"two")
    late = seen(state, b"one", AT + 50, confirms=True)
    assert (served(late), late.reason) == (SECOND, FetchFailure.UNAVAILABLE)
    assert late.last_success == state.last_success
    assert seen(state, b"two", AT + 50, confirms=True).last_success == AT + 50
    assert served(seen(SnapshotState(), b"one", AT, confirms=True)) == FIRST


def test_a_value_that_failed_its_checks_is_looked_at_again() -> None:
    """As every provider's: it has its name, and is no news each time."""
    state = after(b"one")
    found = Unversioned(value=SecretBytes(b"bad"))
    told = naming.told(state, (), found, AT + 10)
    assert isinstance(told, Material)
    state, _ = step(state, Arrived(material=told, rejection=BAD), AT + 10)
    once_more = naming.told(state, (), found, AT + 20)
    assert isinstance(once_more, Material)
    assert once_more.version == told.version


@given(now=st.floats(min_value=0, max_value=4e9))
def test_a_name_is_one_that_objects_can_hold(now: float) -> None:
    """And says nothing of the value."""
    told = naming.told(SnapshotState(), (), Unversioned(value=SecretBytes(b"canary")), now)
    other = naming.told(SnapshotState(), (), Unversioned(value=SecretBytes(b"x")), now)
    assert isinstance(told, Material)
    assert isinstance(other, Material)
    assert is_version(told.version)
    assert told.version == other.version


def test_other_results_stay_as_they_are() -> None:
    """Only what has no name gets one."""
    failed = Failed(reason=FetchFailure.DENIED, code="Http403")
    assert naming.told(SnapshotState(), (), failed, AT) is failed

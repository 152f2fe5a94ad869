"""Ages of values that another program keeps: its word is the evidence, and a doubt renews none."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.protocol import Evidence, Failed, Material, NotModified, Unversioned
from refresh import naming
from refresh.model import SnapshotKey, SnapshotState, SourceKey, Use
from refresh.snapshot_data import entry, publication, restored
from refresh.step import step
from refresh.step_events import Arrived, FetchFailed, Unchanged, Weight
from tests.refresh.steps import operated, served

AT = 1_795_671_721.0
WEAK = Failed(reason=FetchFailure.WEAK_EVIDENCE, code="Find")
DOUBT = Failed(reason=FetchFailure.NOT_CONFIRMED, code="NotReady")
KEY = SnapshotKey("payments", SourceKey("cluster", "controller", "k8s", "payments/db"))
MONTH = 30 * 86_400.0
HOLD = Weight(lost=(Use("p"),), hold_s=600.0, max_age_s=86_400.0)


def seen(
    state: SnapshotState,
    value: bytes,
    now: float,
    confirmed_at: float | None = None,
    doubt: Failed | None = None,
    *,
    weight: Weight | None = None,
) -> SnapshotState:
    """The state after a read. `confirmed_at` None: the read itself confirms."""
    found = Unversioned(
        value=SecretBytes(value),
        evidence=None if confirmed_at is None else Evidence(confirmed_at=confirmed_at, doubt=doubt),
    )
    told = naming.told(state, (), found, now)
    if isinstance(told, NotModified):
        event = Unchanged(told.version, told.incarnation, told.evidence)
        return step(state, event, now)[0]
    assert isinstance(told, Material)
    arrived = Arrived(material=told, evidence=told.evidence, weight=weight)
    return step(state, arrived, now)[0]


def test_the_age_is_that_of_the_evidence_and_never_goes_back() -> None:
    """An older word than the one before changes nothing."""
    state = seen(SnapshotState(), b"one", AT, AT - 600)
    assert (state.last_success, state.reason) == (AT - 600, None)
    state = seen(state, b"one", AT + 10, AT - 300)
    assert state.last_success == AT - 300
    state = seen(state, b"one", AT + 20, AT - 900)
    assert (state.last_success, state.answered_at) == (AT - 300, AT - 300)
    state = seen(state, b"one", AT + 30, AT + 9000)
    assert state.last_success == AT + 30


def test_p5_a_doubt_renews_no_age_and_is_the_reason() -> None:
    """Whatever the data's time of writing is meanwhile, and whatever operators do."""
    state = seen(SnapshotState(), b"one", AT, AT - 600)
    for number, doubt in enumerate((DOUBT, WEAK)):
        state = seen(state, b"one", AT + 10 * number, AT, doubt)
        assert (state.last_success, state.reason, state.code) == (
            AT - 600,
            doubt.reason,
            doubt.code,
        )
    state, _ = step(state, operated(pin=served(state)), AT + 30)
    assert (state.last_success, state.reason) == (AT - 600, WEAK.reason)
    state = seen(state, b"one", AT + 40, AT + 35)
    assert (state.last_success, state.reason, state.code) == (AT + 35, None, None)


def restart(state: SnapshotState, now: float, cluster: str) -> SnapshotState:
    """As the next controller of that cluster finds it; `uid-1` wrote it."""
    written = publication(KEY, state, (), "uid-1")
    return restored(KEY, written, entry(state), cluster=cluster, now=now)


def test_p5_a_doubt_makes_nothing_younger_after_a_restore_on_another_cluster() -> None:
    """There the Secret was just written, and an operator's request is no confirmation."""
    state = restart(seen(SnapshotState(), b"one", AT), AT + MONTH, "uid-2")
    state = seen(state, b"one", AT + MONTH, AT + MONTH, DOUBT)
    state, _ = step(state, operated(quarantined=("another",)), AT + MONTH + 10)
    state = seen(state, b"one", AT + MONTH + 20, AT + MONTH, DOUBT)
    state, _ = step(state, operated(), AT + MONTH + 30)
    assert (state.last_success, state.restored, state.reason) == (AT, "uid-1", DOUBT.reason)
    state = seen(state, b"one", AT + MONTH + 40, AT + MONTH + 35)
    assert (state.last_success, state.restored, state.reason) == (AT + MONTH + 35, None, None)


def test_p5_a_doubt_on_the_version_before_takes_no_age_from_the_one_after() -> None:
    """The provider named B without a doubt. A, which is served, is not confirmed by that."""
    state = seen(SnapshotState(), b'{"p":"1"}', AT)
    state = seen(state, b"{}", AT + 100, weight=HOLD)
    assert (state.last_success, state.answered_at) == (AT, AT + 100)
    state = seen(state, b'{"p":"1"}', AT + 200, AT + 190, DOUBT)
    state, _ = step(state, operated(), AT + 210)
    assert (state.last_success, state.reason) == (AT, DOUBT.reason)


def test_p5_a_doubt_on_a_version_that_is_held_is_no_newer_than_its_fetch() -> None:
    """The bytes come back, written again."""
    state = seen(SnapshotState(), b"one", AT)
    state = seen(state, b"two", AT + 100)
    state = seen(state, b"one", AT + 200, AT + 190, DOUBT)
    assert state.served is not None
    assert state.served.value.reveal() == b"one"
    state, _ = step(state, operated(), AT + 210)
    assert state.last_success == AT


def test_a_new_value_in_doubt_is_served_and_counts_from_when_it_was_written() -> None:
    """It may be the right password."""
    state = seen(SnapshotState(), b"one", AT)
    assert state.last_success == AT
    state = seen(state, b"two", AT + 100, AT + 40, WEAK)
    assert state.served is not None
    assert (state.served.value.reveal(), state.last_success) == (b"two", AT + 40)
    assert state.reason is WEAK.reason
    state = seen(state, b"two", AT + 200, AT + 190, WEAK)
    assert state.last_success == AT + 40


def test_a_version_that_lost_a_member_is_held_from_when_it_was_seen() -> None:
    """Not from when its writer was confirmed, or an old status would end the hold at once."""
    state = seen(SnapshotState(), b'{"p":"1"}', AT)
    state = seen(state, b"{}", AT + 10, AT - 5000, weight=HOLD)
    assert (state.held_since, state.reason) == (AT + 10, FetchFailure.LOST_MEMBER)
    assert state.served is not None
    assert state.served.value.reveal() == b'{"p":"1"}'


def test_a_failure_has_its_code_and_the_next_answer_ends_it() -> None:
    """So that the status can say which grant is missing."""
    denied = FetchFailed(reason=FetchFailure.DENIED, code="Forbidden")
    state, _ = step(SnapshotState(), denied, AT)
    assert (state.reason, state.code) == (FetchFailure.DENIED, "Forbidden")
    state = seen(state, b"one", AT + 10)
    assert (state.reason, state.code) == (None, None)


reads = st.tuples(
    st.sampled_from([b"one", b"two"]),
    st.none() | st.integers(-5000, 5000),
    st.sampled_from([None, WEAK, DOUBT]),
)


@given(many=st.lists(reads, min_size=1, max_size=12))
def test_p5_no_sequence_of_words_makes_a_served_value_younger_than_its_evidence(
    many: list[tuple[bytes, int | None, Failed | None]],
) -> None:
    """While one value stays served, its age ends only at what was confirmed without a doubt."""
    state, now = SnapshotState(), AT
    for value, at, doubt in many:
        now += 10
        before = state
        confirmed_at = None if at is None else now + at
        state = seen(state, value, now, confirmed_at, None if at is None else doubt)
        assert state.served is not None
        assert state.last_success is not None
        assert state.last_success <= now
        if before.served is None or before.served.identity != state.served.identity:
            continue
        if confirmed_at is not None and doubt is not None:
            assert state.last_success == before.last_success
            assert state.reason is doubt.reason
        else:
            told = now if confirmed_at is None else min(now, confirmed_at)
            assert state.last_success == max(told, before.last_success or 0.0)
    assert replace(state, seen=None).served is not None

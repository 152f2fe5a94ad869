from __future__ import annotations

import pytest

from contract import ages, wire
from contract.ages import Confirmed, Entry
from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import META, VALUE, from_wire
from providers.protocol import Material
from refresh import snapshot_data
from refresh.model import OperatorSpec, SnapshotState
from refresh.step import step
from refresh.step_events import Arrived, FetchFailed, Operated
from tests.make import CANARY
from tests.refresh.world import CLUSTER, read, snapshot

KEY = snapshot("payments", "/prod/db")


def _state(*versions: str, wanted: OperatorSpec | None = None) -> SnapshotState:
    state = SnapshotState()
    for index, version in enumerate(versions):
        value = SecretBytes(b'{"password":"%b","n":{"x":1}}' % version.encode())
        event = Arrived(material=Material(version=version, value=value))
        state, _ = step(state, event, 1000.0 + index)
    if wanted is not None:
        state, _ = step(state, Operated(wanted), 1010.0)
    return state


def _restored(
    state: SnapshotState, *, entry: Entry | None, now: float = 2000.0, cluster: str = CLUSTER
) -> SnapshotState:
    """Written, and read again."""
    written = snapshot_data.publication(KEY, state, frozenset(), CLUSTER)
    data, history = _data(state), snapshot_data.history_data(written.history)
    return snapshot_data.restored(KEY, read(data, history), entry, cluster=cluster, now=now)


def _data(state: SnapshotState) -> dict[str, bytes]:
    return snapshot_data.secret_data(snapshot_data.publication(KEY, state, (), CLUSTER))


def test_a_snapshot_has_value_members_demanded_properties_and_meta() -> None:
    """Secret material is in the type that does not print."""
    written = snapshot_data.publication(KEY, _state("v1"), {"n/x"}, CLUSTER)
    assert set(written.values) == {VALUE, "p.password", "p.n", "p.n..x"}
    assert all(isinstance(value, SecretBytes) for value in written.values.values())
    data = snapshot_data.secret_data(written)
    assert set(data) == {*written.values, META}
    meta = from_wire(data[META])
    assert meta == written.meta
    assert (meta.serving, meta.version, meta.cluster) == (Serving.SERVED, "v1", CLUSTER)


def test_a_tombstone_has_an_empty_value_and_says_why() -> None:
    """Nothing of a revoked version is left, in the history neither."""
    state = _state("v1", wanted=OperatorSpec(revoked=frozenset({"v1"})))
    written = snapshot_data.publication(KEY, state, {"n/x"}, CLUSTER)
    data, meta = snapshot_data.secret_data(written), written.meta
    assert (set(data), data[VALUE]) == ({VALUE, META}, b"")
    assert (meta.serving, meta.version, meta.revoked) == (Serving.REVOKED, None, ("v1",))
    assert set(snapshot_data.history_data(written.history)) == {META}
    assert _restored(state, entry=None).serving is Serving.REVOKED


def test_p5_a_restart_forgets_no_version_pin_quarantine_revocation_or_age() -> None:
    """All that was published comes back as it was."""
    wanted = OperatorSpec(pin="v1", quarantined=frozenset({"v2"}), revoked=frozenset({"v0"}))
    state = _state("v1", "v2", "v3", wanted=wanted)
    state, _ = step(state, FetchFailed(reason=FetchFailure.DENIED), 1500.0)
    again = _restored(state, entry=snapshot_data.entry(state))
    for name in ("serving", "served", "history", "latest", "pin", "quarantined", "revoked"):
        assert getattr(again, name) == getattr(state, name), name
    for name in ("last_success", "prior", "last_attempt", "reason"):
        assert getattr(again, name) == getattr(state, name), name


@pytest.mark.parametrize(
    ("entry", "last_success"),
    [
        pytest.param(None, 1000.0, id="no entry: since it was fetched"),
        pytest.param(
            Entry(
                served=Confirmed(version="v1", last_success=1800.0),
                prior=None,
                last_attempt=None,
                reason=None,
            ),
            1800.0,
            id="the entry's",
        ),
        pytest.param(
            Entry(
                served=Confirmed(version="v2", last_success=1900.0),
                prior=Confirmed(version="v1", last_success=1700.0),
                last_attempt=1900.0,
                reason="no such reason",
            ),
            1700.0,
            id="the entry ran ahead: its prior",
        ),
        pytest.param(
            Entry(
                served=Confirmed(version="v1", last_success=9000.0),
                prior=Confirmed(version="v0", last_success=9000.0),
                last_attempt=9000.0,
                reason=None,
            ),
            None,
            id="the future is not believed",
        ),
        pytest.param(
            Entry(
                served=Confirmed(version="v1", last_success=2030.0),
                prior=None,
                last_attempt=None,
                reason=None,
            ),
            2000.0,
            id="a little skew is now",
        ),
    ],
)
def test_p5_a_restart_makes_no_age_younger(entry: Entry | None, last_success: float | None) -> None:
    """From the entry if it speaks of the served version, and never from the future."""
    again = _restored(_state("v1"), entry=entry)
    assert again.last_success == last_success
    assert again.answered_at == last_success


def test_p5_another_clusters_backup_is_as_old_as_its_fetch() -> None:
    """Its entries are not believed, and it keeps that cluster's mark until confirmed."""
    entry = Entry(
        served=Confirmed(version="v1", last_success=1999.0),
        prior=None,
        last_attempt=1999.0,
        reason=None,
    )
    again = _restored(_state("v1"), entry=entry, cluster="uid-2")
    assert (again.last_success, again.restored, again.last_attempt) == (1000.0, CLUSTER, None)
    assert snapshot_data.publication(KEY, again, (), "uid-2").meta.cluster == CLUSTER


def test_an_unknown_age_is_written_as_one_that_every_class_calls_expired() -> None:
    """Readers have no word for unknown."""
    again = _restored(_state("v1"), entry=None, now=10.0)
    assert again.last_success is None
    served = snapshot_data.entry(again).served
    assert served is not None
    assert served.last_success == 0.0


@pytest.mark.parametrize(
    "history",
    [
        pytest.param({}, id="missing"),
        pytest.param({META: b"{"}, id="not JSON"),
        pytest.param({META: b'{"v":1,"versions":[{}],"served_rank":1}'}, id="half"),
        pytest.param({META: b'{"v":1,"versions":[]}'}, id="without a rank"),
    ],
)
def test_a_history_that_can_not_be_read_costs_no_served_value(history: dict[str, bytes]) -> None:
    """What is served does not depend on it."""
    written = read(_data(_state("v1")), history)
    again = snapshot_data.restored(KEY, written, None, cluster=CLUSTER, now=2000.0)
    assert again.served is not None
    assert again.history == ()


def test_a_version_whose_value_is_gone_from_history_is_not_held() -> None:
    """An empty value is never served."""
    state = _state("v1", "v2")
    written = snapshot_data.publication(KEY, state, (), CLUSTER)
    history = {META: snapshot_data.history_data(written.history)[META]}
    again = snapshot_data.restored(
        KEY, read(_data(state), history), None, cluster=CLUSTER, now=2000.0
    )
    assert again.history == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({META: b"?"}, "meta.json is not JSON", id="no JSON"),
        pytest.param({VALUE: b""}, "value is empty", id="no value"),
    ],
)
def test_a_snapshot_that_can_not_be_read_says_why(change: dict[str, bytes], message: str) -> None:
    """The caller counts it as never synced; nothing is quoted."""
    data = _data(_state("v1")) | change
    with pytest.raises(wire.WireError, match=message):
        snapshot_data.restored(KEY, read(data, {}), None, cluster=CLUSTER, now=2000.0)


def test_p13_a_snapshot_of_another_source_is_not_taken_over() -> None:
    """The name is a hash that could be written by hand; meta.json has to agree."""
    written, other = read(_data(_state("v1")), {}), snapshot("payments", "/prod/other")
    with pytest.raises(wire.WireError, match="another source"):
        snapshot_data.restored(other, written, None, cluster=CLUSTER, now=2000.0)


def test_p8_states_and_entries_show_no_value() -> None:
    """`repr` of all that the core hands around."""
    event = Arrived(material=Material(version="v1", value=SecretBytes(CANARY)))
    state, effects = step(SnapshotState(), event, 1000.0)
    written = snapshot_data.publication(KEY, state, (), CLUSTER)
    shown = repr((event, state, effects, written))
    assert CANARY.decode() not in shown
    assert CANARY.decode() not in ages.to_wire(snapshot_data.entry(state))

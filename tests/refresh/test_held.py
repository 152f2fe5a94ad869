"""A new version that lost a member which is in use is held: the one before stays served."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.freshness import PROPAGATION_S
from contract.reasons import FetchFailure
from contract.snapshot_format import Quarantined
from controller import conditions
from refresh import arrivals, versions
from refresh.held_versions import what_is_lost
from refresh.model import Demanded, Identity, SnapshotState, Use
from refresh.step import known_version, step
from refresh.step_events import AlarmKind, Arrived, FetchFailed, Rechecked, Unchanged, Weighed
from tests.refresh.steps import alarms, bad, operated, served, state_after, value_of
from tests.refresh.world import CRITICAL, STEADY, Provider, demanded, governed, snapshot

BOTH = b'{"username":"u","password":"p"}'
USE = Use("password", ("api-0", "api-1"), 3)
USED = demanded("a", "/a", properties=frozenset({"password"}), used=(USE,))
UNUSED = replace(USED, used=())
KEY = snapshot("a", "/a")


def made(state: SnapshotState, version: str, value: bytes, wanted: Demanded = USED) -> Arrived:
    """The current version arrived, as it is judged for who wants it."""
    return arrivals.arrived(state, wanted, value_of(version, value))


def holding(value: bytes = b"{}", wanted: Demanded = USED) -> SnapshotState:
    """v1 is served since 1000, and v2 has come at 2000."""
    state = state_after(made(SnapshotState(), "v1", BOTH))
    return step(state, made(state, "v2", value, wanted), 2000.0)[0]


def weighed(state: SnapshotState, now: float, wanted: Demanded = USED) -> SnapshotState:
    """Compared again."""
    event = arrivals.weighed(state, wanted)
    return state if event is None else step(state, event, now)[0]


@pytest.mark.parametrize(
    "value",
    [b"{}", b'{"username":"u"}', b'{"password":null}', b'{"password":""}'],
    ids=["empty", "absent", "null", "no text"],
)
def test_p2_a_version_that_lost_a_member_in_use_is_held_and_alarmed_once(value: bytes) -> None:
    """The last good one stays, its age goes on, and the alarm names the member and its pods."""
    before = state_after(made(SnapshotState(), "v1", BOTH))
    event = made(before, "v2", value)
    state, effects = step(before, event, 2000.0)
    assert (served(state), state.last_success, state.latest) == ("v1", 1000.0, "v2")
    assert state.reason is FetchFailure.LOST_MEMBER
    assert state.quarantined == (Quarantined(version="v2", reason=versions.LOST_MEMBER),)
    [alarm] = [item for item in effects if getattr(item, "kind", None) is AlarmKind.HELD]
    assert "password, which pods use: api-0, api-1, 3 more" in str(alarm)
    assert alarms(state, event) == alarms(state, Unchanged("v2")) == []
    assert known_version(state) == Identity("v2")
    state, _ = step(state, Unchanged("v2"), 2500.0)
    assert (served(state), state.last_success) == ("v1", 1000.0)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param(b"{}", UNUSED, id="nobody uses it"),
        pytest.param(b"{}", replace(USED, used=(Use("never"),)), id="it was never there"),
        pytest.param(b"{}", replace(USED, hold_s=0.0), id="the class never holds"),
        pytest.param(b'{"password":"p2"}', USED, id="another member went"),
    ],
)
def test_nothing_is_held_without_cause(value: bytes, wanted: Demanded) -> None:
    """Then a pod that asks for the member waits, and nobody else."""
    state = holding(value, wanted)
    assert (served(state), state.last_success, state.reason) == ("v2", 2000.0, None)


def test_the_hold_ends_when_nobody_uses_the_member() -> None:
    """Its pods have gone, or are about to."""
    state = weighed(holding(), 2500.0, UNUSED)
    assert (served(state), state.quarantined, state.reason) == ("v2", (), None)
    assert state.held_since is state.held_until is None


def test_the_hold_ends_after_the_classs_time() -> None:
    """By default the freshness budget; what is served then is alarmed."""
    state = holding()
    assert state.held_until == 2000.0 + STEADY.budget_s
    assert served(weighed(state, state.held_until - 1)) == "v1"
    event = arrivals.weighed(state, USED)
    assert event is not None
    assert alarms(state, event, state.held_until) == [AlarmKind.SUSPICIOUS]
    state = weighed(state, state.held_until)
    assert (served(state), state.history[0].version) == ("v2", "v1")
    assert alarms(state, made(state, "v2", b"{}"), 9000.0) == []


@pytest.mark.parametrize("hold_s", [None, 1e9])
def test_p6_the_hold_always_ends_before_the_maximum_age(hold_s: float | None) -> None:
    """And early enough for the kubelets: one forgotten pod can't keep a dead password."""
    state = holding(wanted=replace(USED, rules=CRITICAL, hold_s=1e9))
    assert served(state) == "v2"
    state = state_after(made(SnapshotState(), "v1", BOTH))
    wanted = replace(USED, rules=CRITICAL, hold_s=hold_s)
    state, _ = step(state, made(state, "v2", b"{}", wanted), 1500.0)
    assert state.held_until is not None
    assert state.held_until <= 1000.0 + CRITICAL.max_age_s - PROPAGATION_S


def test_rotations_do_not_prolong_a_hold() -> None:
    """It counts from the first version that was held, also over one that failed its checks."""
    state = holding()
    state, _ = step(state, made(state, "v3", b"{}"), 3000.0)
    state, _ = step(state, bad("v4"), 3500.0)
    state, _ = step(state, made(state, "v5", b"{}"), 4000.0)
    assert (served(state), state.held_until) == ("v1", 2000.0 + STEADY.budget_s)
    state, _ = step(state, made(state, "v6", BOTH), 4500.0)
    assert (served(state), state.held_since) == ("v6", None)


def test_p2_an_older_version_that_lost_a_member_is_not_served_either() -> None:
    """Of two that are held one after another the first stays held, whatever operators ask for."""
    state = step(holding(), made(holding(), "v3", b"{}"), 3000.0)[0]
    assert served(state_after(operated(), state=state, at=3100)) == "v1"
    state = state_after(operated(quarantined=("v3",)), state=state, at=3100)
    assert (served(state), state.held_until) == ("v1", 2000.0 + STEADY.budget_s)
    assert served(weighed(state, 3200.0, UNUSED)) == "v2"


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        pytest.param(2600.0, UNUSED, id="nobody uses it"),
        pytest.param(2000.0 + STEADY.budget_s, USED, id="the time is over"),
    ],
)
def test_a_newer_version_that_failed_its_checks_prolongs_no_hold(
    now: float, wanted: Demanded
) -> None:
    """The held version is served in its time: one forgotten pod can't keep a dead password."""
    state = state_after(bad("v3"), state=holding(), at=2500)
    assert (served(state), state.lost, state.held_until) == ("v1", (USE,), 5600.0)
    assert "version v2 lacks password" in str(conditions.held_message(state))
    after = weighed(state, now, wanted)
    assert (served(after), after.reason, after.last_success) == (
        "v2",
        FetchFailure.INVALID,
        2000.0,
    )
    assert after.quarantined == (Quarantined(version="v3", reason="not-json"),)
    assert conditions.held_message(after) is None


def test_a_hold_is_told_in_a_short_sentence() -> None:
    """However many members and pods tenants name, and however long."""
    uses = tuple(
        Use(f"m{number}" + "x" * 200, tuple(f"{name}" * 200 for name in "abcde"))
        for number in range(256)
    )
    value = "{" + ",".join(f'"{use.member}":"x"' for use in uses) + "}"
    wanted = replace(USED, used=uses)
    state = state_after(made(SnapshotState(), "v1", value.encode()))
    state, _ = step(state, made(state, "v2", b"{}", wanted), 2000.0)
    said = str(conditions.held_message(state))
    assert len(said) < 800
    assert said.endswith(", or until no pod uses what is missing")


def test_a_provider_that_goes_back_ends_the_hold() -> None:
    """By its word alone, or with the value."""
    for event in (Unchanged("v1"), made(holding(), "v1", BOTH)):
        state, _ = step(holding(), event, 3000.0)
        assert (served(state), state.last_success, state.quarantined) == ("v1", 3000.0, ())
        assert (state.lost, state.held_since, state.held_until) == ((), None, None)
        assert arrivals.weighed(state, USED) is None


@pytest.mark.parametrize("pin", ["v1", "v2"])
def test_p12_a_pin_ends_the_hold(pin: str) -> None:
    """Somebody has decided: after it the provider's version is served."""
    state = state_after(operated(pin=pin), state=holding(), at=2100)
    assert (served(state), state.reason) == (pin, None)
    assert served(state_after(operated(), state=weighed(state, 2300.0), at=2200)) == "v2"


@pytest.mark.parametrize("spec", [operated(revoked=("v1",)), operated(quarantined=("v1",))])
def test_p12_what_unserves_the_served_version_ends_the_hold(spec: object) -> None:
    """The held version is the newest that there is."""
    assert isinstance(spec, type(operated()))
    assert served(state_after(spec, state=holding(), at=2100)) == "v2"


def test_a_failure_or_changed_checks_keep_what_is_held() -> None:
    """Nothing is forgotten meanwhile."""
    state = state_after(FetchFailed(reason=FetchFailure.DENIED), state=holding(), at=2100)
    assert (state.held_until, state.reason) == (5600.0, FetchFailure.DENIED)
    state = state_after(Rechecked(), state=state, at=2200)
    state, _ = step(state, made(state, "v2", b"{}"), 2300.0)
    assert (served(state), state.held_until) == ("v1", 5600.0)


def test_a_hold_that_ends_while_checks_changed_leaves_no_reason() -> None:
    """Then it is not known which version is current until the next fetch."""
    state = state_after(Rechecked(), state=holding(), at=2100)
    state = weighed(state, 2200.0, UNUSED)
    assert (served(state), state.reason, state.last_success) == ("v2", None, 2000.0)


def test_a_declaration_counts_as_a_user() -> None:
    """It has no pods to name."""
    assert what_is_lost((Use("password"),)) == "password, which a declaration uses"


MEMBERS = st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "x"]), max_size=2)


@given(
    values=st.lists(MEMBERS, min_size=1, max_size=6),
    used=st.frozensets(st.sampled_from("ab")),
    gap_s=st.sampled_from([10.0, 1000.0, 90_000.0]),
)
def test_p2_no_member_in_use_is_lost_before_its_time(
    values: list[dict[str, str]], used: frozenset[str], gap_s: float
) -> None:
    """Whatever comes: what is served has each used member that the version before had, unless the
    hold has run out; and it always runs out.
    """
    wanted = replace(USED, used=tuple(Use(name, ("pod",)) for name in sorted(used)))
    state, now, before = SnapshotState(), 1000.0, dict[str, str]()
    for number, value in enumerate(values):
        raw = repr({"z": "z", **value}).replace("'", '"').encode()
        was, event = state, made(state, f"v{number}", raw, wanted)
        state, _ = step(state, event, now)
        if state.served is not None and was.served is not None and served(state) != served(was):
            lost = {name for name in used if before.get(name) and not value.get(name)}
            age_s = now - (was.last_success or 0.0)
            assert (
                not lost
                or gap_s == 90_000.0
                or age_s + PROPAGATION_S >= STEADY.max_age_s
                or (was.held_since is not None and now >= was.held_since + STEADY.budget_s)
            )
        if served(state) == f"v{number}":
            before = value
        if state.held_until is not None:
            assert state.last_success is not None
            assert state.held_until <= state.last_success + STEADY.max_age_s - PROPAGATION_S
            assert served(weighed(state, state.held_until, wanted)) == f"v{number}"
        now += gap_s


def test_a_fleet_holds_and_serves_in_time_while_the_provider_is_down() -> None:
    """The end of a hold needs no fetch; a restart keeps when it began."""
    provider = Provider()
    provider.rotate("/a", "v1", BOTH)
    world = governed(provider)
    world.manager.demand([USED], world.at)
    world.run(10)
    provider.rotate("/a", "v2", b"{}")
    world.run(1000)
    state = world.manager.states.get(KEY)
    assert state is not None
    assert (served(state), state.held_until is not None) == ("v1", True)
    provider.down = FetchFailure.UNAVAILABLE
    world.run(600)
    again = governed(provider)
    again.wall, again.store = world.wall, world.store
    again.restore()
    again.manager.demand([USED], again.at)
    restored = again.manager.states.get(KEY)
    assert restored is not None
    assert (served(restored), restored.held_until) == ("v1", state.held_until)
    again.run(STEADY.budget_s)
    assert again.store.snapshots[KEY]["value"] == b"{}"
    world.manager.demand([UNUSED], world.at)
    world.run(1)
    assert world.store.snapshots[KEY]["value"] == b"{}"
    assert isinstance(arrivals.weighed(holding(), USED), Weighed)

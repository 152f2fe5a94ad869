from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from contract.reasons import FetchFailure, Serving
from refresh.budget import Budget
from refresh.events import AlarmKind
from refresh.model import Checks, SnapshotKey, SourceKey, Task, Wanted
from refresh.sources.protocol import Alone, Fetched
from tests.refresh.world import (
    CHECKS,
    CRITICAL,
    STEADY,
    Provider,
    World,
    demanded,
    most_over,
    snapshot,
)

BUDGET = Budget(calls_per_second=20, burst=40)


def _plain(_: str) -> tuple[str, bytes]:
    return "v1", b'{"a":"x"}'


def _world(provider: Provider, budget: Budget = BUDGET, seed: int = 1) -> World:
    world = World(provider, draw=Random(seed).random)
    world.fleet.govern({"aws": budget}, world.at)
    return world


def _served(world: World, key: SnapshotKey) -> str | None:
    state = world.fleet.state(key)
    return None if state is None or state.served is None else state.served.version


def test_p4_one_fetch_serves_every_namespace() -> None:
    """Calls grow with sources, not with namespaces or pods."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded(f"ns{n}", "/shared") for n in range(50)], world.at)
    world.run(10)
    assert len(provider.asked) == 1
    assert len(world.store.snapshots) == 50


def test_p4_a_namespace_that_comes_later_gets_what_is_held_without_a_call() -> None:
    """With the age that it has where it is held, and after its own checks."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", "/shared")], world.at)
    world.run(100)
    later = [demanded("b", "/shared"), demanded("c", "/shared", checks=Checks(max_bytes=3))]
    world.fleet.demand([demanded("a", "/shared"), *later], world.at)
    world.run(1)
    first, second = (world.fleet.state(snapshot(name, "/shared")) for name in "ab")
    assert first is not None
    assert second is not None
    assert second.last_success == first.last_success
    assert _served(world, snapshot("c", "/shared")) is None
    assert len(provider.by_value) == 2


@pytest.mark.parametrize(
    ("age_s", "rejected"),
    [pytest.param(4000.0, False, id="too old"), pytest.param(10.0, True, id="refused there")],
)
def test_a_value_that_is_too_old_or_refused_is_not_shared(age_s: float, rejected: bool) -> None:  # noqa: FBT001 - a table
    """The newly demanding namespace waits for the provider instead."""
    provider = Provider(default=_plain)
    world = _world(provider)
    checks = Checks(max_bytes=3) if rejected else CHECKS
    world.fleet.demand([demanded("a", "/s", checks=checks)], world.at)
    world.run(5)
    provider.down = FetchFailure.UNAVAILABLE
    world.run(age_s)
    world.fleet.demand([demanded("a", "/s", checks=checks), demanded("b", "/s")], world.at)
    assert _served(world, snapshot("b", "/s")) is None


@pytest.mark.parametrize("fault", list(FetchFailure))
def test_p4_the_budget_holds_while_the_provider_fails(fault: FetchFailure) -> None:
    """No retry storm, whatever the failure, and also when it is back."""
    provider = Provider(default=_plain, batch_limit=1)
    budget = Budget(calls_per_second=2, burst=5)
    world = _world(provider, budget)
    world.fleet.demand([demanded(f"ns{n % 7}", f"/s/{n}") for n in range(100)], world.at)
    world.run(200)
    provider.down = fault
    world.run(1800)
    provider.down = None
    world.run(900)
    assert most_over(world.call_times, rate=2, burst=5) <= 1e-3
    assert all(state.served is not None for state in world.fleet.states().values())


def test_p2_an_outage_empties_nothing_and_ends_by_itself() -> None:
    """Values stay through denial, throttling and silence; ages go on; then they are young again."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", f"/s/{n}") for n in range(20)], world.at)
    world.run(100)
    for fault in FetchFailure:
        provider.down = fault
        world.run(3600)
        for state in world.fleet.states().values():
            assert state.serving is Serving.SERVED
            assert state.last_success is not None
            assert world.wall - state.last_success > 3000
        provider.down = None
        world.run(900)
        for state in world.fleet.states().values():
            assert state.last_success is not None
            assert world.wall - state.last_success < 900


def test_retry_after_rests_the_account() -> None:
    """A throttled account is asked again only when the provider said so."""
    provider = Provider(default=_plain, down=FetchFailure.THROTTLED, asked_s=60)
    world = _world(provider)
    world.fleet.demand([demanded("a", f"/s/{n}") for n in range(200)], world.at)
    world.run(59)
    assert provider.calls <= 4


def test_p6_a_healthy_fleet_stays_within_its_freshness_budgets() -> None:
    """Both classes, for two hours."""
    world = _world(Provider(default=_plain))
    world.fleet.demand(
        [demanded("a", f"/s/{n}") for n in range(100)]
        + [demanded("b", f"/c/{n}", rules=CRITICAL) for n in range(20)],
        world.at,
    )
    for _ in range(120):
        world.run(60)
        for key, state in world.fleet.states().items():
            rules = CRITICAL if key.namespace == "b" else STEADY
            assert state.last_success is not None
            assert world.wall - state.last_success <= rules.refresh_s + 5


def test_p7_what_is_not_demanded_or_has_no_account_is_never_fetched() -> None:
    """No policy, no fetch: demand is the controller's decision, made again each time."""
    provider = Provider(default=_plain)
    world = World(provider, draw=Random(1).random)
    other = replace(demanded("a", "/s"), key=SnapshotKey("a", SourceKey("b", "", "aws-sm", "/s")))
    world.fleet.demand([demanded("a", "/s"), other], world.at)
    world.run(100)
    assert provider.calls == 0
    world.fleet.govern({"aws": BUDGET}, world.at)
    world.run(100)
    assert (provider.calls, world.fleet.next_at("b", world.at)) == (1, float("inf"))
    assert world.fleet.pick("b", world.at) is None
    world.fleet.demand([], world.at)
    world.run(10_000)
    assert provider.calls == 1
    assert _served(world, snapshot("a", "/s")) == "v1"
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.fleet.govern({}, world.at)
    world.run(10_000)
    assert provider.calls == 1


def test_p2_a_withdrawn_source_is_removed_alarmed_and_comes_back_when_allowed() -> None:
    """The grace time is the controller's."""
    provider = Provider(default=_plain)
    world = _world(provider)
    key = snapshot("a", "/s")
    world.fleet.withdraw(key, world.at)
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    world.fleet.demand([], world.at)
    world.fleet.withdraw(key, world.at)
    world.run(10)
    assert world.store.snapshots[key]["value"] == b""
    assert world.recorder.alarms[-1][1].kind is AlarmKind.WITHDRAWN
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    assert _served(world, key) == "v1"


def _first_success_s(victims: int, absent: int, batch_limit: int) -> float:
    """Seconds until all of a small tenant's sources are synced beside a tenant of absent ones."""
    provider = Provider(batch_limit=batch_limit)
    for n in range(victims):
        provider.rotate(f"/good/{n}", "v1", b"x")
    world = _world(provider, Budget(calls_per_second=1, burst=1))
    world.fleet.demand(
        [demanded("malice", f"/absent/{n}") for n in range(absent)]
        + [demanded("victim", f"/good/{n}") for n in range(victims)],
        world.at,
    )
    for second in range(10_000):
        if all(_served(world, snapshot("victim", f"/good/{n}")) for n in range(victims)):
            return float(second)
        world.run(1)
    raise AssertionError("unreachable")


def test_p13_two_hundred_absent_sources_delay_no_other_tenant() -> None:
    """Turns: the other tenant waits for about one of theirs beside each of its own."""
    alone = _first_success_s(10, 0, 1)
    assert _first_success_s(10, 200, 1) <= 2.5 * alone + 3


def test_p13_absent_sources_do_not_age_another_tenants_synced_ones() -> None:
    """They leave the lane of the new after one answer, and back off."""
    provider = Provider(batch_limit=1)
    for n in range(30):
        provider.rotate(f"/good/{n}", "v1", b"x")
    world = _world(provider, Budget(calls_per_second=0.5, burst=2))
    good = [demanded("victim", f"/good/{n}") for n in range(30)]
    world.fleet.demand(good, world.at)
    world.run(1000)
    world.fleet.demand(good + [demanded("malice", f"/no/{n}") for n in range(200)], world.at)
    for _ in range(60):
        world.run(60)
        for n in range(30):
            state = world.fleet.state(snapshot("victim", f"/good/{n}"))
            assert state is not None
            assert state.last_success is not None
            assert world.wall - state.last_success < 1100


def test_p13_a_source_that_breaks_batches_is_singled_out() -> None:
    """All of its batch are asked alone once; then it stays alone and the others go together."""
    provider = Provider(default=_plain, poison={"/bad"})
    provider.faults["/bad"] = FetchFailure.DENIED
    world = _world(provider)
    good = [demanded(f"ns{n}", f"/s/{n}") for n in range(19)]
    world.fleet.demand([*good, demanded("malice", "/bad")], world.at)
    world.run(60)
    assert all(_served(world, item.key) for item in good)
    before = provider.calls
    for item in good:
        world.fleet.operate(item.key, Wanted(refresh_requested=world.wall), world.at)
    world.run(5)
    assert provider.calls - before <= 3


def test_an_answer_that_says_nothing_of_a_single_source_is_a_failure() -> None:
    """Alone can't be asked more alone; the source backs off."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", "/s")], world.at)
    work = world.fleet.pick("aws", world.at)
    assert work is not None
    world.fleet.finish("aws", work, Fetched(results=(Alone(),), calls=1), world.at)
    assert world.recorder.results[-1][1:] == (FetchFailure.UNAVAILABLE, "no-answer")
    assert world.fleet.pick("aws", world.at) is None


def test_a_result_for_what_is_no_longer_demanded_is_passed_over() -> None:
    """Demand and account may go while a fetch is under way."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", "/s")], world.at)
    work = world.fleet.pick("aws", world.at)
    assert work is not None
    fetched = provider.fetch(world.fleet.requests(work))
    world.fleet.demand([], world.at)
    assert world.fleet.requests(work)[0].known_version is None
    world.fleet.govern({}, world.at)
    world.fleet.finish("aws", work, fetched, world.at)
    assert _served(world, snapshot("a", "/s")) is None
    world.fleet.forget(snapshot("a", "/s"))
    world.fleet.forget(snapshot("a", "/s"))
    assert world.fleet.publication(snapshot("a", "/s")) is None
    assert world.fleet.entries("a") == {}


def test_a_refresh_that_is_asked_for_comes_at_once_and_is_shown() -> None:
    """Within the budget, ahead of its namespace's other work; asked once, fetched once."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(100)
    calls, statuses = provider.calls, world.store.statuses
    wish = Wanted(refresh_requested=world.wall)
    for _ in range(3):
        world.fleet.operate(snapshot("a", "/s"), wish, world.at)
        world.run(1)
    assert provider.calls == calls + 1
    assert world.store.statuses >= statuses + 2


def test_a_restart_does_not_repeat_a_refresh_that_was_answered() -> None:
    """The wish stays in the spec; it is older than the last attempt."""
    provider = Provider(default=_plain)
    world = _world(provider)
    wish = Wanted(refresh_requested=world.wall)
    world.fleet.demand([demanded("a", "/s", wanted=wish)], world.at)
    world.run(10)
    again = World(provider, draw=lambda: 0.9, wall=world.wall, store=world.store)
    again.fleet.govern({"aws": BUDGET}, again.at)
    again.restore()
    calls = provider.calls
    again.fleet.demand([demanded("a", "/s", wanted=wish)], again.at)
    again.run(10)
    assert provider.calls == calls


def test_p12_pin_rollback_and_revoke_work_while_the_provider_is_down() -> None:
    """Each is one wish, published at once."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    world = _world(provider)
    key = snapshot("a", "/s")
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    provider.rotate("/s", "v2", b"two")
    world.run(900)
    provider.down = FetchFailure.UNAVAILABLE
    world.run(100)
    for wish, value in (
        (Wanted(pin="v1"), b"one"),
        (Wanted(), b"two"),
        (Wanted(quarantined=frozenset({"v2"})), b"one"),
        (Wanted(revoked=frozenset({"v1", "v2"})), b""),
    ):
        world.fleet.operate(key, wish, world.at)
        world.flush()
        assert world.store.snapshots[key]["value"] == value
    for data in (*world.store.snapshots[key].items(), *world.store.histories[key].items()):
        assert data[1] not in {b"one", b"two"}


def test_a_pin_is_fetched_by_name_from_the_provider_in_a_fetch_of_its_own() -> None:
    """While refreshes go on; unpinned or undemanded, it is asked for no more."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    provider.rotate("/s", "v2", b"two")
    world = _world(provider)
    key = snapshot("a", "/s")
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    provider.faults["/s"] = FetchFailure.DENIED
    world.fleet.operate(key, Wanted(pin="v1"), world.at)
    world.run(10)
    assert _served(world, key) == "v2"
    assert any(task == Task(key.source, "v1") for task, _, _ in world.recorder.results)
    del provider.faults["/s"]
    world.run(100)
    assert _served(world, key) == "v1"
    world.fleet.operate(key, Wanted(pin="v7"), world.at)
    world.run(10)
    world.fleet.operate(key, Wanted(), world.at)
    calls = provider.calls
    world.run(60)
    assert provider.calls == calls
    world.fleet.operate(key, Wanted(pin="v7"), world.at)
    world.fleet.demand([], world.at)
    world.run(10_000)
    assert provider.calls <= calls + 1


def test_changed_checks_ask_by_value_at_once_and_lift_a_refusal() -> None:
    """A policy that was too strict is repaired without a rotation."""
    provider = Provider()
    provider.rotate("/s", "v1", b"long value")
    world = _world(provider)
    key = snapshot("a", "/s")
    world.fleet.demand([demanded("a", "/s", checks=Checks(max_bytes=3))], world.at)
    world.run(10)
    assert _served(world, key) is None
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    assert _served(world, key) == "v1"


def test_a_newly_demanded_property_is_published_without_a_fetch() -> None:
    """It is in the value that is held."""
    provider = Provider(default=lambda _: ("v1", b'{"a":{"b":"x"}}'))
    world = _world(provider)
    key = snapshot("a", "/s")
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    world.fleet.demand([demanded("a", "/s", properties=frozenset({"a/b"}))], world.at)
    world.run(10)
    assert world.store.snapshots[key]["p.a..b"] == b"x"
    assert provider.calls == 1


def test_one_pod_that_names_a_property_of_a_plain_text_holds_only_itself() -> None:
    """Another pod takes the value whole, and rotations go on."""
    provider = Provider()
    provider.rotate("/s", "v1", b"plain")
    world = _world(provider)
    key = snapshot("a", "/s")
    mixed = demanded("a", "/s", properties=frozenset({"password"}), whole=True)
    world.fleet.demand([mixed], world.at)
    world.run(10)
    provider.rotate("/s", "v2", b"plainer")
    world.run(900)
    assert _served(world, key) == "v2"


def test_p2_a_value_that_stops_being_an_object_is_not_served() -> None:
    """Where properties are demanded; the first value needs to be an object too."""
    provider = Provider()
    provider.rotate("/s", "v0", b"<html>")
    world = _world(provider)
    key = snapshot("a", "/s")
    world.fleet.demand([demanded("a", "/s", properties=frozenset({"password"}))], world.at)
    world.run(10)
    assert _served(world, key) is None
    provider.rotate("/s", "v1", b'{"password":"x"}')
    world.run(900)
    provider.rotate("/s", "v2", b"<html>")
    world.run(900)
    assert _served(world, key) == "v1"


def test_a_shorter_interval_takes_effect_now() -> None:
    """Not after the former one has run out."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    world.fleet.demand([demanded("a", "/s", rules=CRITICAL)], world.at)
    world.run(60)
    assert provider.calls == 2


def test_p5_a_restart_refetches_not_everything_at_once() -> None:
    """The next refreshes are spread over the interval, and ages go on from where they were."""
    provider = Provider(default=_plain, batch_limit=1)
    world = _world(provider)
    items = [demanded("a", f"/s/{n}") for n in range(200)]
    world.fleet.demand(items, world.at)
    world.run(300)
    again = World(provider, draw=Random(2).random, wall=world.wall, store=world.store)
    again.fleet.govern({"aws": BUDGET}, again.at)
    again.restore()
    calls = provider.calls
    again.fleet.demand(items, again.at)
    for key, state in again.fleet.states().items():
        before = world.fleet.state(key)
        assert before is not None
        assert (state.last_success or 0) <= (before.last_success or 0)
    again.run(60)
    assert provider.calls - calls < 40
    again.run(840)
    assert provider.calls - calls >= 200


def test_p5_a_restored_backup_is_refetched_first() -> None:
    """Another cluster's mark: before all else, by value, and then it is ours."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    again = World(provider, draw=lambda: 0.9, wall=world.wall, store=world.store, cluster="uid-2")
    again.fleet.govern({"aws": BUDGET}, again.at)
    again.restore()
    again.fleet.demand([demanded("a", "/s")], again.at)
    again.run(1)
    assert len(provider.by_value) == 2
    assert b'"cluster":"uid-2"' in again.store.snapshots[snapshot("a", "/s")]["meta.json"]


def test_a_sink_that_fails_loses_nothing_and_is_repeated() -> None:
    """The state is written when the sink is back, as it is then."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    world = _world(provider)
    world.store.failing = True
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(100)
    provider.rotate("/s", "v2", b"two")
    world.run(900)
    assert world.store.snapshots == {}
    world.store.failing = False
    world.run(60)
    assert world.store.snapshots[snapshot("a", "/s")]["value"] == b"two"
    assert world.store.writes == 1


def test_freshness_is_written_once_a_quarter_of_the_budget_when_nothing_changes() -> None:
    """O(changes + namespaces), not one write per secret and refresh."""
    world = _world(Provider(default=_plain))
    world.fleet.demand([demanded("a", f"/s/{n}") for n in range(100)], world.at)
    world.run(900)
    reports, writes = world.store.report_writes, world.store.writes
    world.run(9000)
    assert world.store.report_writes - reports <= 11
    assert world.store.writes == writes


def test_a_budget_too_small_for_what_is_due_is_told() -> None:
    """And a change of the budget takes effect at once."""
    provider = Provider(default=_plain, batch_limit=1)
    world = _world(provider, Budget(calls_per_second=0.01, burst=1))
    world.fleet.demand([demanded("a", f"/s/{n}") for n in range(50)], world.at)
    world.run(100)
    assert world.recorder.exhausted_accounts
    world.fleet.govern({"aws": BUDGET}, world.at)
    world.run(10)
    assert len(world.store.snapshots) == 50


def test_a_namespace_that_leaves_takes_nothing_from_those_that_stay() -> None:
    """The source goes on for them, under a budget that was set again meanwhile."""
    provider = Provider(default=_plain)
    world = _world(provider)
    world.fleet.demand([demanded("a", "/s"), demanded("b", "/s")], world.at)
    world.run(10)
    world.fleet.demand([demanded("b", "/s")], world.at)
    world.fleet.govern({"aws": BUDGET}, world.at)
    world.run(900)
    first, second = (world.fleet.state(snapshot(name, "/s")) for name in "ab")
    assert first is not None
    assert second is not None
    assert (first.last_success or 0) < (second.last_success or 0)


def test_p12_a_wish_that_comes_with_the_demand_is_applied() -> None:
    """And one on a snapshot that nobody demands asks no provider."""
    provider = Provider(default=_plain)
    world = _world(provider)
    key = snapshot("a", "/s")
    world.fleet.demand([demanded("a", "/s")], world.at)
    world.run(10)
    revoke = Wanted(revoked=frozenset({"v1"}))
    world.fleet.demand([demanded("a", "/s", wanted=revoke)], world.at)
    world.run(1)
    assert world.store.snapshots[key]["value"] == b""
    calls = provider.calls
    wish = Wanted(refresh_requested=world.wall)
    world.fleet.operate(snapshot("a", "/undemanded"), wish, world.at)
    world.run(10)
    assert provider.calls == calls


def test_a_source_that_was_probed_in_an_outage_recovers_with_the_others() -> None:
    """Probes leave no long delay behind, also where all sources were probed often."""
    provider = Provider(default=_plain)
    world = _world(provider)
    items = [demanded("a", f"/s/{n}") for n in range(3)]
    world.fleet.demand(items, world.at)
    world.run(10)
    provider.down = FetchFailure.UNAVAILABLE
    world.run(3600)
    world.fleet.demand(items[1:], world.at)
    provider.down = None
    world.run(15)
    for item in items[1:]:
        state = world.fleet.state(item.key)
        assert state is not None
        assert state.last_success is not None
        assert world.wall - state.last_success < 15


def test_a_pin_of_no_name_is_a_version_like_any_other() -> None:
    """It is not held, so what is served stays; another pin follows it and refreshes go on."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    world = _world(provider)
    key = snapshot("a", "/s")
    for pin in (None, "", "v7", "", None):
        world.fleet.demand([demanded("a", "/s", wanted=Wanted(pin=pin))], world.at)
        world.run(10)
        assert _served(world, key) == "v1"
    provider.rotate("/s", "v2", b"two")
    world.run(1000)
    assert _served(world, key) == "v2"

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure, Serving
from refresh.budget import RateLimit
from refresh.model import Checks, SnapshotKey, SourceKey
from refresh.step_events import Alarm, AlarmKind
from tests.refresh.world import (
    BUDGET,
    CHECKS,
    CRITICAL,
    STEADY,
    Provider,
    World,
    demanded,
    governed,
    most_over,
    plain,
    served,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.protocol import FetchRequest


def test_p4_one_fetch_serves_every_namespace() -> None:
    """Calls grow with sources, not with namespaces or pods."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded(f"ns{n}", "/shared") for n in range(50)], world.at)
    world.run(10)
    assert len(provider.asked) == 1
    assert len(world.store.snapshots) == 50


def test_p4_a_namespace_that_comes_later_gets_what_is_held_without_a_call() -> None:
    """With the age that it has where it is held, and after its own checks."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/shared")], world.at)
    world.run(100)
    later = [demanded("b", "/shared"), demanded("c", "/shared", checks=Checks(max_bytes=3))]
    world.manager.demand([demanded("a", "/shared"), *later], world.at)
    world.run(1)
    first, second = (world.manager.states.get(snapshot(name, "/shared")) for name in "ab")
    assert first is not None
    assert second is not None
    assert second.last_success == first.last_success
    assert served(world, snapshot("c", "/shared")) is None
    assert len(provider.by_value) == 2


@pytest.mark.parametrize(
    ("age_s", "rejected"),
    [pytest.param(4000.0, False, id="too old"), pytest.param(10.0, True, id="refused there")],
)
def test_a_value_that_is_too_old_or_refused_is_not_shared(age_s: float, rejected: bool) -> None:  # noqa: FBT001 - a table
    """The newly demanding namespace waits for the provider instead."""
    provider = Provider(default=plain)
    world = governed(provider)
    checks = Checks(max_bytes=3) if rejected else CHECKS
    world.manager.demand([demanded("a", "/s", checks=checks)], world.at)
    world.run(5)
    provider.down = FetchFailure.UNAVAILABLE
    world.run(age_s)
    world.manager.demand([demanded("a", "/s", checks=checks), demanded("b", "/s")], world.at)
    assert served(world, snapshot("b", "/s")) is None


@pytest.mark.parametrize("fault", list(FetchFailure))
def test_p4_the_budget_holds_while_the_provider_fails(fault: FetchFailure) -> None:
    """No retry storm, whatever the failure, and also when it is back."""
    provider = Provider(default=plain, batch_limit=1)
    budget = RateLimit(calls_per_second=2, burst=5)
    world = governed(provider, budget)
    world.manager.demand([demanded(f"ns{n % 7}", f"/s/{n}") for n in range(100)], world.at)
    world.run(200)
    provider.down = fault
    world.run(1800)
    provider.down = None
    world.run(900)
    assert most_over(world.call_times, rate=2, burst=5) <= 1e-3
    assert all(state.served is not None for state in world.manager.states.all.values())


def test_p2_an_outage_empties_nothing_and_ends_by_itself() -> None:
    """Values stay through denial, throttling and silence; ages go on; then they are young again."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", f"/s/{n}") for n in range(20)], world.at)
    world.run(100)
    for fault in FetchFailure:
        provider.down = fault
        world.run(3600)
        for state in world.manager.states.all.values():
            assert state.serving is Serving.SERVED
            assert state.last_success is not None
            assert world.wall - state.last_success > 3000
        provider.down = None
        world.run(900)
        for state in world.manager.states.all.values():
            assert state.last_success is not None
            assert world.wall - state.last_success < 900


def test_retry_after_rests_the_account() -> None:
    """A throttled account is asked again only when the provider said so."""
    provider = Provider(default=plain, down=FetchFailure.THROTTLED, asked_s=60)
    world = governed(provider)
    world.manager.demand([demanded("a", f"/s/{n}") for n in range(200)], world.at)
    world.run(59)
    assert provider.calls <= 4


def test_p6_a_healthy_fleet_stays_within_its_freshness_budgets() -> None:
    """Both classes, for two hours."""
    world = governed(Provider(default=plain))
    world.manager.demand(
        [demanded("a", f"/s/{n}") for n in range(100)]
        + [demanded("b", f"/c/{n}", rules=CRITICAL) for n in range(20)],
        world.at,
    )
    for _ in range(120):
        world.run(60)
        for key, state in world.manager.states.all.items():
            rules = CRITICAL if key.namespace == "b" else STEADY
            assert state.last_success is not None
            assert world.wall - state.last_success <= rules.refresh_s + 5


def test_p7_what_is_not_demanded_or_has_no_account_is_never_fetched() -> None:
    """No policy, no fetch: demand is the controller's decision, made again each time."""
    provider = Provider(default=plain)
    world = World(provider, draw=Random(1).random)
    other = replace(demanded("a", "/s"), key=SnapshotKey("a", SourceKey("b", "", "aws-sm", "/s")))
    world.manager.demand([demanded("a", "/s"), other], world.at)
    world.run(100)
    assert provider.calls == 0
    world.manager.govern({"aws": BUDGET}, world.at)
    world.run(100)
    assert (provider.calls, world.manager.next_at("b", world.at)) == (1, float("inf"))
    assert world.manager.pick("b", world.at) is None
    world.manager.demand([], world.at)
    world.run(10_000)
    assert provider.calls == 1
    assert served(world, snapshot("a", "/s")) == "v1"
    world.manager.demand([demanded("a", "/s")], world.at)
    world.manager.govern({}, world.at)
    world.run(10_000)
    assert provider.calls == 1


def test_p2_a_withdrawn_source_is_removed_alarmed_and_comes_back_when_allowed() -> None:
    """The grace time is the controller's."""
    provider = Provider(default=plain)
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.states.withdraw(key, world.at)
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    world.manager.demand([], world.at)
    world.manager.states.withdraw(key, world.at)
    world.run(10)
    assert world.store.snapshots[key]["value"] == b""
    assert world.recorder.alarms[-1][1].kind is AlarmKind.WITHDRAWN
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    assert served(world, key) == "v1"


def test_a_result_for_what_is_no_longer_demanded_is_passed_over() -> None:
    """Demand and account may go while a fetch is in progress."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    work = world.manager.pick("aws", world.at)
    assert work is not None
    fetched = provider.fetch(world.manager.requests(work))
    world.manager.demand([], world.at)
    assert world.manager.requests(work)[0].known_version is None
    world.manager.govern({}, world.at)
    world.manager.finish("aws", work, fetched, world.at)
    assert served(world, snapshot("a", "/s")) is None
    world.manager.forget(snapshot("a", "/s"), world.at)
    world.manager.forget(snapshot("a", "/s"), world.at)
    assert world.manager.states.publication(snapshot("a", "/s")) is None
    assert world.manager.states.entries("a") == {}


def test_p5_an_age_counts_from_when_the_provider_was_asked() -> None:
    """What a slow answer says was true somewhere between the question and the answer: to count from
    its arrival would make each value look fresher than it is, by as much as the provider is slow.
    """
    provider = Provider(default=plain)
    world = governed(provider)
    world.latency_s = 9.0
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(0.0)
    asked_at = world.at.wall
    world.run(10.0)
    state = world.manager.states.get(snapshot("a", "/s"))
    assert state is not None
    assert state.served is not None
    assert state.last_success == state.answered_at == state.served.fetched_at == asked_at
    assert state.last_attempt == asked_at + 9.0
    world.run(4000.0)
    (entry,) = world.manager.states.entries("a").values()
    assert entry.served is not None
    assert entry.last_attempt is not None
    assert provider.calls > 1
    assert entry.served.last_success < entry.last_attempt


def test_changed_checks_ask_by_value_at_once_and_lift_a_refusal() -> None:
    """A policy that was too strict is repaired without a rotation."""
    provider = Provider()
    provider.rotate("/s", "v1", b"long value")
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.demand([demanded("a", "/s", checks=Checks(max_bytes=3))], world.at)
    world.run(10)
    assert served(world, key) is None
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    assert served(world, key) == "v1"


def test_a_newly_demanded_property_is_published_without_a_fetch() -> None:
    """It is in the value that is held."""
    provider = Provider(default=lambda _: ("v1", b'{"a":{"b":"x"}}'))
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    world.manager.demand([demanded("a", "/s", properties=frozenset({"a/b"}))], world.at)
    world.run(10)
    assert world.store.snapshots[key]["p.a..b"] == b"x"
    assert provider.calls == 1


def test_p2_a_value_that_stops_being_an_object_is_not_served() -> None:
    """Where properties are demanded; the first value needs to be an object too."""
    provider = Provider()
    provider.rotate("/s", "v0", b"<html>")
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.demand([demanded("a", "/s", properties=frozenset({"password"}))], world.at)
    world.run(10)
    assert served(world, key) is None
    provider.rotate("/s", "v1", b'{"password":"x"}')
    world.run(900)
    provider.rotate("/s", "v2", b"<html>")
    world.run(900)
    assert served(world, key) == "v1"


def test_a_shorter_interval_takes_effect_now() -> None:
    """Not after the former one has run out."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    world.manager.demand([demanded("a", "/s", rules=CRITICAL)], world.at)
    world.run(60)
    assert provider.calls == 2


def test_p5_a_restart_refetches_not_everything_at_once() -> None:
    """The next refreshes are spread over the interval, and ages go on from where they were."""
    provider = Provider(default=plain, batch_limit=1)
    world = governed(provider)
    items = [demanded("a", f"/s/{n}") for n in range(200)]
    world.manager.demand(items, world.at)
    world.run(300)
    again = World(provider, draw=Random(2).random, wall=world.wall, store=world.store)
    again.manager.govern({"aws": BUDGET}, again.at)
    again.restore()
    calls = provider.calls
    again.manager.demand(items, again.at)
    for key, state in again.manager.states.all.items():
        before = world.manager.states.get(key)
        assert before is not None
        assert (state.last_success or 0) <= (before.last_success or 0)
    again.run(60)
    assert provider.calls - calls < 40
    again.run(840)
    assert provider.calls - calls >= 200


def test_p5_a_restored_backup_is_refetched_first() -> None:
    """Another cluster's mark: before all else, by value, and then it is ours."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    again = World(provider, draw=lambda: 0.9, wall=world.wall, store=world.store, cluster="uid-2")
    again.manager.govern({"aws": BUDGET}, again.at)
    again.restore()
    assert [item[1] for item in again.recorder.alarms] == [Alarm(AlarmKind.RESTORED, "v1")]
    again.manager.demand([demanded("a", "/s")], again.at)
    again.run(1)
    assert len(provider.by_value) == 2
    assert b'"cluster":"uid-2"' in again.store.snapshots[snapshot("a", "/s")]["meta.json"]


def test_a_sink_that_fails_loses_nothing_and_is_repeated() -> None:
    """The state is written when the sink is back, as it is then."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    world = governed(provider)
    world.store.failing = True
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(100)
    provider.rotate("/s", "v2", b"two")
    world.run(900)
    assert world.store.snapshots == {}
    world.store.failing = False
    world.run(60)
    assert world.store.snapshots[snapshot("a", "/s")]["value"] == b"two"
    assert world.store.writes == 1


def test_p4_a_fleet_that_does_not_change_shares_its_calls() -> None:
    """Also long after a restart that spread its refreshes: most batches are full."""
    provider = Provider(default=plain)
    first = governed(provider)
    items = [demanded(f"ns{n % 20}", f"/s/{n}") for n in range(1000)]
    first.manager.demand(items, first.at)
    first.run(300)
    world = World(provider, draw=Random(2).random, wall=first.wall, store=first.store)
    world.manager.govern({"aws": BUDGET}, world.at)
    world.restore()
    world.manager.demand(items, world.at)
    for _ in range(4):
        before = len(world.call_times)
        world.run(STEADY.refresh_s)
        assert len(world.call_times) - before <= len(items) / 10


def test_freshness_is_written_once_a_quarter_of_the_budget_when_nothing_changes() -> None:
    """O(changes + namespaces), not one write per secret and refresh."""
    world = governed(Provider(default=plain))
    world.manager.demand([demanded("a", f"/s/{n}") for n in range(100)], world.at)
    world.run(900)
    reports, writes = world.store.report_writes, world.store.writes
    world.run(9000)
    assert world.store.report_writes - reports <= 11
    assert world.store.writes == writes


def test_a_budget_too_small_for_what_is_due_is_told() -> None:
    """And a change of the budget takes effect at once."""
    provider = Provider(default=plain, batch_limit=1)
    world = governed(provider, RateLimit(calls_per_second=0.01, burst=1))
    world.manager.demand([demanded("a", f"/s/{n}") for n in range(50)], world.at)
    world.run(100)
    assert world.recorder.exhausted_accounts
    world.manager.govern({"aws": BUDGET}, world.at)
    world.run(10)
    assert len(world.store.snapshots) == 50


class Dear(Provider):
    """Two calls for what is held, as a change check and a value are."""

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return sum(1 if request.known_version is None else 2 for request in requests)


def test_a_burst_that_is_too_small_is_said_of_every_snapshot_and_ends_with_a_larger_one() -> None:
    """A held secret needs more calls than a new one, so it is fetched once and then never again."""
    provider = Dear(default=plain, batch_limit=1)
    world = governed(provider, RateLimit(calls_per_second=1, burst=1))
    world.manager.demand([demanded("a", "/s"), demanded("b", "/s")], world.at)
    world.run(2000)
    states = [world.manager.states.get(snapshot(namespace, "/s")) for namespace in ("a", "b")]
    for state in states:
        assert state is not None
        assert (state.reason, state.failures) == (FetchFailure.BUDGET_TOO_SMALL, 0)
        assert state.last_success == state.answered_at
    assert (provider.calls, world.manager.smallest_bursts()) == (1, {"aws": 2})
    told = [code for _, reason, code in world.recorder.results if reason is not None]
    assert set(told) == {"burst"}
    report = world.store.reports["a"][snapshot("a", "/s").source.snapshot]
    assert report.reason == FetchFailure.BUDGET_TOO_SMALL
    world.manager.govern({"aws": RateLimit(calls_per_second=1, burst=2)}, world.at)
    world.run(5)
    state = world.manager.states.get(snapshot("a", "/s"))
    assert state is not None
    assert (provider.calls, state.reason, world.manager.smallest_bursts()) == (2, None, {})

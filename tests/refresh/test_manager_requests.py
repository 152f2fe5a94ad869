from __future__ import annotations

from dataclasses import replace

from contract.reasons import FetchFailure
from refresh.model import OperatorSpec, Task
from tests.refresh.world import (
    BUDGET,
    Provider,
    World,
    demanded,
    governed,
    plain,
    served,
    snapshot,
)


def test_a_refresh_that_is_asked_for_comes_at_once_and_is_shown() -> None:
    """Within the budget, ahead of its namespace's other work; asked once, fetched once."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(100)
    calls, statuses = provider.calls, world.store.statuses
    spec = OperatorSpec(refresh_requested=world.wall)
    for _ in range(3):
        world.manager.operate(snapshot("a", "/s"), spec, world.at)
        world.run(1)
    assert provider.calls == calls + 1
    assert world.store.statuses >= statuses + 2


def test_a_restart_does_not_repeat_a_refresh_that_was_answered() -> None:
    """The request stays in the spec; the status says that it was answered."""
    provider = Provider(default=plain)
    world = governed(provider)
    spec = OperatorSpec(refresh_requested=world.wall)
    world.manager.demand([demanded("a", "/s", wanted=spec)], world.at)
    world.run(10)
    again = World(provider, draw=lambda: 0.9, wall=world.wall, store=world.store)
    again.manager.govern({"aws": BUDGET}, again.at)
    again.restore()
    calls = provider.calls
    done = replace(spec, refresh_done=True)
    again.manager.demand([demanded("a", "/s", wanted=done)], again.at)
    again.run(10)
    assert provider.calls == calls
    assert again.manager.states.all[snapshot("a", "/s")].refresh_handled == spec.refresh_requested


def test_a_request_during_a_fetch_is_answered_by_another_fetch() -> None:
    """What is on its way may have been read before the change that somebody asks for."""
    provider = Provider(default=plain)
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.demand([demanded("a", "/s")], world.at)
    work = world.manager.pick("aws", world.at)
    assert work is not None
    spec = OperatorSpec(refresh_requested=world.wall)
    world.manager.operate(key, spec, world.at)
    world.manager.finish("aws", work, provider.fetch(world.manager.requests(work)), world.at)
    assert world.manager.states.all[key].refresh_handled is None
    calls = provider.calls
    world.run(1)
    assert provider.calls == calls + 1
    assert world.manager.states.all[key].refresh_handled == spec.refresh_requested
    world.run(10)
    assert provider.calls == calls + 1


def test_a_request_that_fails_is_answered_too() -> None:
    """By the failure, which its status tells; it is tried again as any failure is."""
    provider = Provider(down=FetchFailure.DENIED)
    world = governed(provider)
    spec = OperatorSpec(refresh_requested=world.wall)
    world.manager.demand([demanded("a", "/s", wanted=spec)], world.at)
    world.run(1)
    state = world.manager.states.all[snapshot("a", "/s")]
    assert (state.reason, state.refresh_handled) == (FetchFailure.DENIED, spec.refresh_requested)


def test_p12_pin_rollback_and_revoke_work_while_the_provider_is_down() -> None:
    """Each is one spec, published at once."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    provider.rotate("/s", "v2", b"two")
    world.run(900)
    provider.down = FetchFailure.UNAVAILABLE
    world.run(100)
    for spec, value in (
        (OperatorSpec(pin="v1"), b"one"),
        (OperatorSpec(), b"two"),
        (OperatorSpec(quarantined=frozenset({"v2"})), b"one"),
        (OperatorSpec(revoked=frozenset({"v1", "v2"})), b""),
    ):
        world.manager.operate(key, spec, world.at)
        world.flush()
        assert world.store.snapshots[key]["value"] == value
    for data in (*world.store.snapshots[key].items(), *world.store.histories[key].items()):
        assert data[1] not in {b"one", b"two"}


def test_a_pin_is_fetched_by_name_from_the_provider_in_a_fetch_of_its_own() -> None:
    """While refreshes go on; unpinned or undemanded, it is asked for no more."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    provider.rotate("/s", "v2", b"two")
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    provider.faults["/s"] = FetchFailure.DENIED
    world.manager.operate(key, OperatorSpec(pin="v1"), world.at)
    world.run(10)
    assert served(world, key) == "v2"
    assert any(task == Task(key.source, "v1") for task, _, _ in world.recorder.results)
    del provider.faults["/s"]
    world.run(100)
    assert served(world, key) == "v1"
    world.manager.operate(key, OperatorSpec(pin="v7"), world.at)
    world.run(10)
    world.manager.operate(key, OperatorSpec(), world.at)
    calls = provider.calls
    world.run(60)
    assert provider.calls == calls
    world.manager.operate(key, OperatorSpec(pin="v7"), world.at)
    world.manager.demand([], world.at)
    world.run(10_000)
    assert provider.calls <= calls + 1


def test_p12_a_request_that_comes_with_the_demand_is_applied() -> None:
    """And one on a snapshot that nobody demands asks no provider."""
    provider = Provider(default=plain)
    world = governed(provider)
    key = snapshot("a", "/s")
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(10)
    revoke = OperatorSpec(revoked=frozenset({"v1"}))
    world.manager.demand([demanded("a", "/s", wanted=revoke)], world.at)
    world.run(1)
    assert world.store.snapshots[key]["value"] == b""
    calls = provider.calls
    spec = OperatorSpec(refresh_requested=world.wall)
    world.manager.operate(snapshot("a", "/undemanded"), spec, world.at)
    world.run(10)
    assert provider.calls == calls


def test_a_pin_of_no_name_is_a_version_like_any_other() -> None:
    """It is not held, so what is served stays; another pin follows it and refreshes go on."""
    provider = Provider()
    provider.rotate("/s", "v1", b"one")
    world = governed(provider)
    key = snapshot("a", "/s")
    for pin in (None, "", "v7", "", None):
        world.manager.demand([demanded("a", "/s", wanted=OperatorSpec(pin=pin))], world.at)
        world.run(10)
        assert served(world, key) == "v1"
    provider.rotate("/s", "v2", b"two")
    world.run(1000)
    assert served(world, key) == "v2"


def test_a_change_that_is_heard_of_is_fetched_at_once() -> None:
    """Of that source alone."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s"), demanded("a", "/t")], world.at)
    world.run(100)
    calls = provider.calls
    world.manager.changed("aws-sm", "/s", world.at)
    world.manager.changed("aws-sm", "/unknown", world.at)
    world.run(1)
    assert provider.calls == calls + 1


def test_p13_a_hundred_changes_a_second_cost_a_call_each_five_seconds() -> None:
    """A tenant who may write a watched object can change it at any rate."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    world.run(100)
    calls = provider.calls
    for _ in range(2000):
        world.manager.changed("aws-sm", "/s", world.at)
        world.run(0.01)
    assert 2 <= provider.calls - calls <= 5


def test_a_change_during_a_fetch_is_fetched_again() -> None:
    """The answer may be older than the change."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    work = world.manager.pick("aws", world.at)
    assert work is not None
    world.manager.changed("aws-sm", "/s", world.at)
    fetched = provider.fetch(world.manager.requests(work))
    world.manager.finish("aws", work, fetched, world.at)
    calls = provider.calls
    world.run(6)
    assert provider.calls == calls + 1

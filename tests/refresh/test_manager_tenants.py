from __future__ import annotations

from random import Random

from contract.reasons import FetchFailure
from providers.protocol import Alone, Fetched
from refresh.budget import RateLimit
from refresh.model import OperatorSpec
from tests.refresh.world import (
    BUDGET,
    CRITICAL,
    Provider,
    World,
    demanded,
    governed,
    plain,
    served,
    snapshot,
)


def _first_success_s(victims: int, absent: int, batch_limit: int) -> float:
    """Seconds until all of a small tenant's sources are synced beside a tenant of absent ones."""
    provider = Provider(batch_limit=batch_limit)
    for n in range(victims):
        provider.rotate(f"/good/{n}", "v1", b"x")
    world = governed(provider, RateLimit(calls_per_second=1, burst=1))
    world.manager.demand(
        [demanded("malice", f"/absent/{n}") for n in range(absent)]
        + [demanded("victim", f"/good/{n}") for n in range(victims)],
        world.at,
    )
    for second in range(10_000):
        if all(served(world, snapshot("victim", f"/good/{n}")) for n in range(victims)):
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
    world = governed(provider, RateLimit(calls_per_second=0.5, burst=2))
    good = [demanded("victim", f"/good/{n}") for n in range(30)]
    world.manager.demand(good, world.at)
    world.run(1000)
    world.manager.demand(good + [demanded("malice", f"/no/{n}") for n in range(200)], world.at)
    for _ in range(60):
        world.run(60)
        for n in range(30):
            state = world.manager.states.get(snapshot("victim", f"/good/{n}"))
            assert state is not None
            assert state.last_success is not None
            assert world.wall - state.last_success < 1100


def test_p13_pins_to_versions_that_nobody_has_delay_no_other_tenants_rotation() -> None:
    """Each is asked for alone, before all else of its namespace and again and again, so that there
    are always some due; the other tenant waits for a few of them.
    """
    provider = Provider(default=plain)
    world = governed(provider, RateLimit(calls_per_second=1, burst=2))
    mine = demanded("victim", "/good", rules=CRITICAL)
    world.manager.demand([mine], world.at)
    world.run(60)
    pinned = OperatorSpec(pin="nobody-has-it")
    theirs = [demanded("malice", f"/pinned/{n}", wanted=pinned) for n in range(120)]
    world.manager.demand([mine, *theirs], world.at)
    world.run(15)
    provider.rotate("/good", "v2", b"{}")
    asked = OperatorSpec(refresh_requested=world.wall)
    world.manager.operate(mine.key, asked, world.at)
    before = provider.calls
    while served(world, mine.key) != "v2":
        world.run(0.25)
    assert provider.calls - before <= 4


def test_p13_a_source_that_breaks_batches_is_singled_out() -> None:
    """All of its batch are asked alone once; then it stays alone and the others go together."""
    provider = Provider(default=plain, poison={"/bad"})
    provider.faults["/bad"] = FetchFailure.DENIED
    world = governed(provider)
    good = [demanded(f"ns{n}", f"/s/{n}") for n in range(19)]
    world.manager.demand([*good, demanded("malice", "/bad")], world.at)
    world.run(60)
    assert all(served(world, item.key) for item in good)
    before = provider.calls
    for item in good:
        world.manager.operate(item.key, OperatorSpec(refresh_requested=world.wall), world.at)
    world.run(5)
    assert provider.calls - before <= 3


def test_an_answer_that_says_nothing_of_a_single_source_is_a_failure() -> None:
    """Alone can't be asked more alone; the source backs off."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    work = world.manager.pick("aws", world.at)
    assert work is not None
    world.manager.finish("aws", work, Fetched(results=(Alone(),), calls=1), world.at)
    assert world.recorder.results[-1][1:] == (FetchFailure.UNAVAILABLE, "no-answer")
    assert world.manager.pick("aws", world.at) is None


def test_one_pod_that_names_a_property_of_a_plain_text_holds_only_itself() -> None:
    """Another pod takes the value whole, and rotations go on."""
    provider = Provider()
    provider.rotate("/s", "v1", b"plain")
    world = governed(provider)
    key = snapshot("a", "/s")
    mixed = demanded("a", "/s", properties=frozenset({"password"}), whole=True)
    world.manager.demand([mixed], world.at)
    world.run(10)
    provider.rotate("/s", "v2", b"plainer")
    world.run(900)
    assert served(world, key) == "v2"


def _after_a_restart(reference: str, namespaces: str) -> tuple[Provider, World]:
    """A world that has restored nothing yet of what these namespaces held of a source."""
    provider = Provider(default=plain)
    before = governed(provider)
    before.manager.demand([demanded(name, reference) for name in namespaces], before.at)
    before.run(10)
    before.finish()
    return provider, World(provider, draw=Random(2).random, wall=before.wall, store=before.store)


def test_p13_bytes_that_a_tenant_put_into_its_own_secret_reach_no_other_namespace() -> None:
    """While the guard was away it changed the value and kept the version: another namespace that
    demands the same source gets it from the provider.
    """
    provider, again = _after_a_restart("/s", "a")
    again.store.snapshots[snapshot("a", "/s")]["value"] = b'{"a":"forged"}'
    again.restore()
    again.manager.govern({"aws": BUDGET}, again.at)
    again.manager.demand([demanded("a", "/s")], again.at)
    again.run(1000)
    for names in ("ab", "abc", "ac", "acd"):
        again.manager.demand([demanded(name, "/s") for name in names], again.at)
        again.run(10)
    again.run(1000)
    for name in "bcd":
        state = again.manager.states.get(snapshot(name, "/s"))
        assert state is not None
        assert state.served is not None
        assert state.served.value.reveal() == plain("/s")[1]
    assert "/s" in provider.by_value


def test_p4_what_was_restored_is_fetched_once_more_for_all_that_come_later() -> None:
    """Only the first newcomer asks the provider; then its bytes and the restored ones are known."""
    provider, again = _after_a_restart("/s", "a")
    again.restore()
    again.manager.govern({"aws": BUDGET}, again.at)
    calls = provider.calls
    names = "a"
    for name in "bcdef":
        names += name
        again.manager.demand([demanded(name, "/s") for name in names], again.at)
        again.run(5)
        assert served(again, snapshot(name, "/s")) == "v1"
    assert provider.calls == calls + 1
    assert provider.by_value == ["/s", "/s"]


def test_a_namespace_that_leaves_takes_nothing_from_those_that_stay() -> None:
    """The source goes on for them, under a budget that was set again meanwhile."""
    provider = Provider(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s"), demanded("b", "/s")], world.at)
    world.run(10)
    world.manager.demand([demanded("b", "/s")], world.at)
    world.manager.govern({"aws": BUDGET}, world.at)
    world.run(900)
    first, second = (world.manager.states.get(snapshot(name, "/s")) for name in "ab")
    assert first is not None
    assert second is not None
    assert (first.last_success or 0) < (second.last_success or 0)


def test_a_source_that_was_probed_in_an_outage_recovers_with_the_others() -> None:
    """Probes leave no long delay behind, also where all sources were probed often."""
    provider = Provider(default=plain)
    world = governed(provider)
    items = [demanded("a", f"/s/{n}") for n in range(3)]
    world.manager.demand(items, world.at)
    world.run(10)
    provider.down = FetchFailure.UNAVAILABLE
    world.run(3600)
    world.manager.demand(items[1:], world.at)
    provider.down = None
    world.run(15)
    for item in items[1:]:
        state = world.manager.states.get(item.key)
        assert state is not None
        assert state.last_success is not None
        assert world.wall - state.last_success < 15

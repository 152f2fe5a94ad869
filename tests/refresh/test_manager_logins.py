"""Fetches that went into a login: what was to be asked is asked again, as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from providers.protocol import Again, Fetched
from refresh.budget import RateLimit
from tests.refresh.world import Provider, demanded, governed, most_over, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.protocol import FetchRequest


@dataclass
class LogsIn(Provider):
    """Spends each third fetch on a login."""

    fetches: int = 0
    logins: int = 0

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        self.fetches += 1
        if self.fetches % 3 == 1:
            self.logins += 1
            self.calls += 1
            return Fetched(results=(Again(),) * len(requests), calls=1)
        return super().fetch(requests)


def test_what_was_to_be_asked_is_asked_again_at_once_and_as_it_was() -> None:
    """The same batch, without a failure and without a wait; only the call is paid."""
    provider = LogsIn(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", f"/s/{n}") for n in range(3)], world.at)
    first = world.manager.pick("aws", world.at)
    assert first is not None
    assert len(first.tasks) == 3
    fetched = provider.fetch(world.manager.requests(first))
    world.manager.finish("aws", first, fetched, world.at)
    assert world.recorder.results == []
    second = world.manager.pick("aws", world.at)
    assert second is not None
    assert set(second.tasks) == set(first.tasks)


def test_a_login_closes_no_breaker_and_opens_none() -> None:
    """It says nothing of the provider."""
    provider = LogsIn(default=plain)
    world = governed(provider)
    world.manager.demand([demanded("a", "/s")], world.at)
    for _ in range(10):
        work = world.manager.pick("aws", world.at)
        assert work is not None
        world.manager.finish("aws", work, Fetched(results=(Again(),), calls=0), world.at)


def test_p4_logins_are_within_the_budget() -> None:
    """However often there is one, and everything is served all the same."""
    provider = LogsIn(default=plain, batch_limit=1)
    world = governed(provider, RateLimit(calls_per_second=1, burst=2))
    world.manager.demand([demanded("a", f"/s/{n}") for n in range(60)], world.at)
    world.run(200)
    assert provider.logins >= 20
    assert len(world.manager.states.all) == 60
    assert all(state.served is not None for state in world.manager.states.all.values())
    assert most_over(world.call_times, rate=1, burst=2) <= 1e-6

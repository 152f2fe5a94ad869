"""The controller as a real process: demand and policy in, snapshots and ages out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.make.embedded import World

DB = "/prod/payments/db"


def test_what_pods_demand_is_fetched_published_and_dated(world: World) -> None:
    """Demand in, the Secret's keys and the freshness entry out."""
    world.secret(DB, b'{"password": "one"}')
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b'{"password": "one"}')
    assert world.volume(DB)["p.password"] == b"one"
    entry, meta = world.age(DB), world.meta(DB)
    assert entry is not None
    assert entry.served is not None
    assert meta is not None
    assert entry.served.version == meta.version
    assert world.end() == 0

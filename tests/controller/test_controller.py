"""The controller as a real process: demand and policy in, snapshots and ages out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.make.cluster import World

DB = "/prod/payments/db"


def test_what_pods_demand_is_fetched_published_and_dated(world: World) -> None:
    """Demand in. The Secret's keys, the freshness entry and a SecretSnapshot out."""
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
    assert world.snapshot(DB)["status"]["version"] == meta.version
    assert world.end() == 0

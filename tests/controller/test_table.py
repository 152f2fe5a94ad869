"""What `kubectl get snap` says while time passes: written seldom, and true at every moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from contract.freshness import FreshnessClass
from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import Quarantined
from controller.demand import DemandedParts
from controller.reconcile import Decided, Known
from controller.snapshot_objects import WatchedSnapshot
from controller.spec import Spec
from controller.times import rfc3339
from kube.reflector import Change
from refresh.model import Checks, Demanded, Kept, SnapshotKey, SnapshotState, SourceKey
from tests.controller.writers import writers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

KEY = SnapshotKey("payments", SourceKey("prod", "controller", "file", "/prod/payments/db"))
NAME = KEY.source.snapshot
BEGAN = 1_800_000_000.0
RULES = FreshnessClass(
    name="steady", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="serve"
)
STATE = SnapshotState(
    serving=Serving.SERVED,
    served=Kept(version="v1", value=SecretBytes(b"canary"), fetched_at=BEGAN),
    last_success=BEGAN,
    last_attempt=BEGAN,
)
DECIDED = Decided(
    known=Known(parts=DemandedParts(whole=True), synced=True),
    demanded=Demanded(key=KEY, rules=RULES, checks=Checks(max_bytes=1)),
)


class World:
    """A status writer, its API server and a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.writes: list[Mapping[str, Any]] = []
        self.told: list[str] = []
        self.states = {KEY: STATE}
        seen = WatchedSnapshot(
            namespace="payments", name=NAME, uid="1", key=KEY, declared=False, spec=Spec()
        )
        self._items = {("payments", NAME): seen}
        self._watching: list[Callable[[Change[WatchedSnapshot]], None]] = []
        informers = SimpleNamespace(
            snapshots=SimpleNamespace(items=self._items, subscribe=self._watching.append),
            namespaces=SimpleNamespace(items={("", "payments"): SimpleNamespace(uid="u")}),
        )
        self.statuses = writers(self, informers, clock=self, events=self).statuses

    def now(self) -> float:
        return BEGAN + self.passed_s

    def monotonic(self) -> float:
        return self.passed_s

    async def merge_patch(self, path: str, body: Mapping[str, Any]) -> None:
        """The watch tells of it before the answer comes, as on a real API server."""
        assert path.endswith(f"{NAME}/status")
        self.writes.append(body["status"])
        there = {name: value for name, value in body["status"].items() if value is not None}
        before = self._items["payments", NAME]
        after = self._items["payments", NAME] = replace(before, status=there)
        for tell in self._watching:
            tell(Change(key=("payments", NAME), before=before, after=after))

    async def say(self, of: object, about: str, reason: str, note: str, *, severity: str) -> None:
        del of, about, note
        self.told.append(f"{severity} {reason}")

    async def at(self, passed_s: float) -> None:
        """Time has passed, and the writer has looked."""
        self.passed_s = passed_s
        await asyncio.sleep(0.3)

    async def reports(self, passed_s: float, **changes: Any) -> None:  # noqa: ANN401 - a state's members
        """The engine knows it otherwise, and says so."""
        self.knows(**changes)
        self.statuses.show(KEY, self.states[KEY])
        await self.at(passed_s)

    def knows(self, **changes: Any) -> None:  # noqa: ANN401 - as above
        """The engine knows it otherwise."""
        self.states[KEY] = replace(self.states[KEY], **changes)


def _run(scenario: Callable[[World], Awaitable[None]]) -> World:
    async def run() -> World:
        world = World()
        world.statuses.decided({KEY: DECIDED}, {}, {})
        world.statuses.write(KEY, STATE)
        running = asyncio.create_task(world.statuses.run(world.states))
        await world.at(0)
        await scenario(world)
        running.cancel()
        return world

    return asyncio.run(run())


def test_p5_a_healthy_snapshot_is_written_once_and_shows_no_age() -> None:
    """It is confirmed each minute."""

    async def healthy(world: World) -> None:
        for minute in range(1, 5):
            world.knows(last_success=BEGAN + 60 * minute)
            world.statuses.write(KEY, world.states[KEY])
            await world.at(60 * minute)

    (status,) = _run(healthy).writes
    assert (status["state"], status["unconfirmedSince"]) == ("Fresh", None)


def test_p5_a_value_that_nobody_asks_for_any_more_goes_stale_in_the_table() -> None:
    """By time alone: the engine says nothing, and the status was compared last long before."""

    async def aging(world: World) -> None:
        for passed_s in (2, 200, 301, 901):
            await world.at(passed_s)

    states = [status["state"] for status in _run(aging).writes]
    assert states == ["Fresh", "Stale", "Expired"]


def test_p5_in_an_outage_the_table_counts_from_the_last_success_until_it_is_over() -> None:
    """From the first failure on, though the status had been written long before."""

    async def outage(world: World) -> None:
        world.knows(last_success=BEGAN + 120)
        await world.reports(180, reason=FetchFailure.UNAVAILABLE, failures=1)
        await world.at(120 + 301)
        await world.at(120 + 901)
        await world.reports(1100, reason=None, failures=0, last_success=BEGAN + 1100)

    world = _run(outage)
    last = rfc3339(BEGAN + 120)
    assert [(it["state"], it["unconfirmedSince"], it["reason"]) for it in world.writes] == [
        ("Fresh", None, None),
        ("Fresh", last, "unavailable"),
        ("Stale", last, "unavailable"),
        ("Expired", last, "unavailable"),
        ("Fresh", None, None),
    ]
    assert world.told == ["Warning Expired"]


def test_p5_a_confirmation_after_a_delay_without_a_failure_is_written() -> None:
    """As when the budget was short: the engine reports no change, for no reason came or went."""

    async def late(world: World) -> None:
        await world.at(301)
        world.knows(last_success=BEGAN + 400)
        await world.at(400)

    assert [(it["state"], it["unconfirmedSince"]) for it in _run(late).writes] == [
        ("Fresh", None),
        ("Stale", rfc3339(BEGAN)),
        ("Fresh", None),
    ]


def test_p12_a_rollback_is_said_as_what_was_asked_for() -> None:
    """And no Warning, which somebody would be called for."""

    async def rollback(world: World) -> None:
        left = Quarantined(version="v1", reason="rolled-back")
        older = Kept(version="v0", value=SecretBytes(b"canary"), fetched_at=BEGAN - 60)
        await world.reports(10, served=older, quarantined=(left,))

    assert _run(rollback).told == ["Normal RolledBack"]

"""Nudges: many at once, more at a bounded rate, and each pod once."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, cast

from contract import layout, plan
from contract.annotations import SYNC_REQUESTED
from controller.informers import Informers
from controller.nudges import AT_ONCE, PER_SECOND, Nudges
from kube.errors import of_status
from tests import make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kube.api import Api

Json = dict[str, Any]


class Clock:
    """Stands still until it is set."""

    mono = 0.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.mono

    def monotonic(self) -> float:
        return self.mono


class Server:
    """Takes patches of pods; of pods that it does not have it says so."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing
        self.asleep: set[str] = set()
        self.patches: list[tuple[str, Json]] = []

    async def merge_patch(self, path: str, body: Json) -> Json:
        name = path.rpartition("/")[2]
        if name in self.missing:
            raise of_status(404, reason="NotFound", method="PATCH", path=path)
        self.patches.append((name, body))
        return {}


def _nudged(server: Server, clock: Clock, pods: int, *, until: int) -> Nudges:
    """Asks for so many pods, and waits until so many patches were sent or nothing moves."""

    async def run() -> Nudges:
        nudges = Nudges(cast("Api", server), clock, lambda _, pod: pod not in server.asleep)
        nudges.ask("payments", [f"web-{number}" for number in range(pods)])
        running = asyncio.create_task(nudges.run())
        for _ in range(200):
            await asyncio.sleep(0.001)
            if len(server.patches) >= until:
                break
        await asyncio.sleep(0.01)
        running.cancel()
        return nudges

    return asyncio.run(run())


def test_p12_a_hundred_pods_are_nudged_at_once_and_the_others_wait_for_their_turn() -> None:
    """The clock stands still, so no more than the burst may go."""
    server = Server()
    _nudged(server, Clock(), AT_ONCE + 50, until=AT_ONCE + 1)
    assert len(server.patches) == AT_ONCE


def test_p12_as_time_passes_the_others_follow() -> None:
    """At the rate that the log names."""

    class Moving(Clock):
        def monotonic(self) -> float:
            self.mono += 1 / PER_SECOND
            return self.mono

    server = Server()
    _nudged(server, Moving(), AT_ONCE + 20, until=AT_ONCE + 20)
    assert len({name for name, _ in server.patches}) == AT_ONCE + 20


def test_a_nudge_changes_one_annotation_and_one_that_fails_stops_no_other() -> None:
    """It costs only latency."""
    server = Server("web-0")
    _nudged(server, Clock(), 3, until=2)
    assert sorted(name for name, _ in server.patches) == ["web-1", "web-2"]
    for _, body in server.patches:
        assert list(body) == ["metadata"]
        assert list(body["metadata"]["annotations"]) == [SYNC_REQUESTED]


def test_p13_a_pod_of_another_namespace_waits_for_no_crowd() -> None:
    """Namespaces take turns, so its one pod goes second."""

    async def run() -> list[str]:
        server = Server()
        nudges = Nudges(cast("Api", server), Clock(), lambda _, __: True)
        nudges.ask("crowd", [f"pod-{number}" for number in range(5000)])
        nudges.ask("payments", ["web-1"])
        running = asyncio.create_task(nudges.run())
        await asyncio.sleep(0.05)
        running.cancel()
        return [name for name, _ in server.patches]

    assert asyncio.run(run()).index("web-1") == 1


def test_a_pod_that_ends_while_it_waits_is_not_nudged_and_costs_no_turn() -> None:
    """Its kubelet looks no more; no other pod loses its place to it."""
    server = Server()
    server.asleep = {f"web-{number}" for number in range(200)}
    _nudged(server, Clock(), 203, until=3)
    assert sorted(name for name, _ in server.patches) == ["web-200", "web-201", "web-202"]


class Cluster(Server):
    """Has pods, which a feed reads."""

    def __init__(self, *pods: Json) -> None:
        super().__init__()
        self._pods = pods

    async def pages(self, path: str, **_: object) -> AsyncIterator[Json]:
        items = self._pods if path.endswith("/pods") else ()
        yield {"items": list(items), "metadata": {"resourceVersion": "1"}}

    async def watch(self, path: str, **_: object) -> AsyncIterator[None]:
        del path
        await asyncio.Event().wait()
        yield


def _pod(name: str, **metadata: str) -> Json:
    args = ["gate", "--plan", plan.to_wire(make.plan())]
    gate = make.container(layout.GATE, args=args)
    found: Json = make.pod(name, namespace="payments", annotations={}, initContainers=[gate])
    found["metadata"] |= metadata
    return found


def test_p12_a_terminating_pod_and_one_that_is_gone_are_not_nudged() -> None:
    """As the feed reads them: a deletionTimestamp is there while finalizers or a grace time last,
    and its kubelet looks no more.
    """
    ending = _pod("web-0", deletionTimestamp="2026-11-24T17:00:00Z")
    server = Cluster(ending, _pod("web-1"))

    async def run() -> None:
        informers = Informers(cast("Api", server), Clock(), Random(1), lambda *_: None)
        nudges = Nudges(cast("Api", server), Clock(), informers.is_awake)
        running = [
            asyncio.create_task(it) for it in (*informers.runs(asyncio.Event()), nudges.run())
        ]
        await informers.wait_synced()
        assert [name for _, name in informers.pods.items] == ["web-0", "web-1"]
        nudges.ask("payments", ["web-0", "web-1", "gone"])
        await asyncio.sleep(0.05)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(run())
    assert [name for name, _ in server.patches] == ["web-1"]

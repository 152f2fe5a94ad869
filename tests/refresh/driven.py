"""The engine in a loop: its clock, its sink and its provider are the test's."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING

from refresh.budget import RateLimit
from refresh.engine import DRAIN_S, Engine
from tests.make import CANARY
from tests.refresh.world import CLUSTER, Provider, Recorder, Store, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from contract.ages import Entry
    from providers.protocol import Source
    from refresh.model import SnapshotKey, SnapshotState
    from refresh.sink import Publication


KEY = snapshot("a", "/s")


class Clock:
    """The machine's, with a wall clock that can be set."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now(self) -> float:
        return time.time() + self.offset_s

    def monotonic(self) -> float:
        return time.monotonic()


class Sink:
    """The store behind coroutines."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.states: dict[SnapshotKey, SnapshotState] = {}

    async def publish(self, key: SnapshotKey, publication: Publication) -> None:
        await asyncio.sleep(0)
        self.store.write(key, publication)

    async def report(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        self.store.note(namespace, entries)

    async def status(self, key: SnapshotKey, state: SnapshotState) -> None:
        self.states[key] = state


class Setup:
    """An engine and all that it is given."""

    def __init__(
        self, source: Source | Callable[[str, str, str], Source], drain_s: float = DRAIN_S
    ) -> None:
        self.store = Store()
        self.sink = Sink(self.store)
        self.recorder = Recorder()
        self.clock = Clock()
        opened = source if callable(source) else lambda *_: source
        self.engine = Engine(
            sources=opened,
            sink=self.sink,
            clock=self.clock,
            rng=Random(1),
            cluster=CLUSTER,
            observer=self.recorder,
            drain_s=drain_s,
        )
        self.engine.govern({"aws": RateLimit(calls_per_second=100, burst=100)})

    def run(self, story: Callable[[], Coroutine[None, None, None]]) -> None:
        """Runs the story beside the engine; then stops it."""

        async def both() -> None:
            stop = asyncio.Event()
            running = asyncio.create_task(self.engine.run(stop))
            try:
                await story()
            finally:
                stop.set()
                await asyncio.wait_for(running, 30)

        asyncio.run(both())


async def until(condition: Callable[[], bool]) -> None:
    """TimeoutError: it was not true within 20 seconds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the condition is of other threads
            await asyncio.sleep(0.005)


def new_provider() -> Provider:
    """With one secret, `/s`."""
    provider = Provider()
    provider.rotate("/s", "v1", CANARY)
    return provider

"""A reflector that follows a scripted server."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from kube.api import Api
from kube.api_resources import PODS
from kube.reflector import Change, Pace, Reflector
from tests.kube.server import Server, serving
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any

    Json = dict[str, Any]


FAST = Pace(watch_least_s=30, watch_most_s=30, backoff_s=0.02, backoff_most_s=0.05, page=2)


class World:
    """A server, a reflector of it, and what was told about it."""

    def __init__(self, server: Server, reflector: Reflector[int]) -> None:
        self.server = server
        self.reflector = reflector
        self.changes: list[tuple[str, int | None, int | None]] = []
        self.problems: list[str] = []
        reflector.subscribe(self._changed)

    def _changed(self, change: Change[int]) -> None:
        self.changes.append((change.key[1], change.before, change.after))

    def names(self) -> dict[str, int]:
        """What the reflector has, by name."""
        return {name: value for (_, name), value in self.reflector.items.items()}

    async def until(self, true: Callable[[], bool]) -> None:
        """Within ten seconds."""
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - what tests wait for has no event
                await asyncio.sleep(0.005)


def project(content: Json) -> int | None:
    """Keeps `value`; fails without one."""
    value = content["value"]
    return None if value < 0 else int(value)


@contextlib.asynccontextmanager
async def world(
    *given: str,
    pace: Pace = FAST,
    timeout_s: float = 5.0,
    grace_s: float = 5.0,
    optional: bool = False,
    most: int | None = None,
) -> AsyncIterator[World]:
    """With objects `given`, of value 1 each; not yet running."""
    async with serving() as server:
        for name in given:
            server.put(name, value=1)
        api = Api(server.configuration(), timeout_s=timeout_s, watch_grace_s=grace_s)
        async with api:
            problems: list[str] = []
            reflector = Reflector(
                api,
                PODS,
                project,
                clock=SystemClock(),
                rng=random.Random(1),
                pace=pace,
                problem=problems.append,
                optional=optional,
                most=most,
            )
            made = World(server, reflector)
            made.problems = problems
            stop = asyncio.Event()
            turning = asyncio.create_task(reflector.run(stop))
            try:
                yield made
            finally:
                stop.set()
                await asyncio.wait_for(turning, 2)


def check(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Runs it in a loop of its own."""
    asyncio.run(scenario())

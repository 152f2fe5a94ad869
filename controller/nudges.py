"""Pods whose volumes are to be looked at now: a change to a pod's annotations makes its kubelet
look (docs/contract.md, "Snapshots and ages"). One that fails costs only latency.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from contract.annotations import SYNC_REQUESTED
from controller.telemetry import say
from controller.times import rfc3339
from kube.api_resources import PODS
from kube.errors import ApiError, FencedError
from refresh.budget import Bucket, RateLimit
from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kube.api import Api
    from workqueue.clock import Clock

AT_ONCE = 100
"""Pods that may be nudged without a pause."""
PER_SECOND = 20.0
"""Beyond those."""
_MOST_IN_FLIGHT = 10


class Nudges:
    """Pods by namespace and name, each once however often it is asked for. Namespaces take turns.
    `awake(namespace, pod)` says whether its kubelet still looks.
    """

    def __init__(self, api: Api, clock: Clock, awake: Callable[[str, str], bool]) -> None:
        self._api = api
        self._clock = clock
        self._awake = awake
        self._namespaces: WorkQueue[str] = WorkQueue()
        """Those with pods that wait: each gives one pod and goes to the end of the queue."""
        self._waiting: dict[str, dict[str, None]] = {}
        """By namespace, in the order in which they were asked for."""
        self._some = asyncio.Event()
        self._bucket = Bucket(
            RateLimit(calls_per_second=PER_SECOND, burst=AT_ONCE), clock.monotonic()
        )

    def ask(self, namespace: str, pods: Iterable[str]) -> None:
        """Nudges soon."""
        asked = dict.fromkeys(pods)
        if not asked:
            return
        waiting = self._waiting.setdefault(namespace, {})
        waiting |= asked
        self._namespaces.add(namespace, self._clock.monotonic())
        if len(waiting) > AT_ONCE:
            say(
                logging.INFO,
                "controller.nudges_queued",
                namespace=namespace,
                pods=len(waiting),
                decision=f"the first {AT_ONCE} now, the others at {PER_SECOND:g} a second",
            )
        self._some.set()

    async def run(self) -> None:
        """Until cancelled."""
        in_flight: set[asyncio.Task[None]] = set()
        while True:
            await self._some.wait()
            while (pod := self._next()) is not None:
                await self._paid()
                if len(in_flight) >= _MOST_IN_FLIGHT:
                    await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(self._nudge(*pod))
                in_flight.add(task)
                task.add_done_callback(in_flight.discard)
            self._some.clear()

    def _next(self) -> tuple[str, str] | None:
        """The next pod that is awake."""
        now = self._clock.monotonic()
        while (namespace := self._namespaces.get(now)) is not None:
            waiting = self._waiting[namespace]
            pod = next(iter(waiting))
            del waiting[pod]
            if waiting:
                self._namespaces.add(namespace, now)
            else:
                del self._waiting[namespace]
            self._namespaces.done(namespace)
            if self._awake(namespace, pod):
                return namespace, pod
        return None

    async def _paid(self) -> None:
        now = self._clock.monotonic()
        while not self._bucket.take(1, now):
            await asyncio.sleep(self._bucket.ready_at(1, now) - now)  # noqa: TID251 - the budget gives its length
            now = self._clock.monotonic()
        self._bucket.settle(1, 1, now)

    async def _nudge(self, namespace: str, pod: str) -> None:
        stamp = rfc3339(self._clock.now())
        body = {"metadata": {"annotations": {SYNC_REQUESTED: stamp}}}
        try:
            await self._api.merge_patch(PODS.path(namespace, pod), body)
        except (ApiError, FencedError) as error:
            why = type(error).__name__
            say(logging.INFO, "controller.not_nudged", namespace=namespace, pod=pod, why=why)

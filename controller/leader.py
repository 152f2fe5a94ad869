"""Takes part in the election on a cluster, and runs the work of the leader."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from controller import lease
from controller.lease import CandidateState, LeaseAct, LeaseRecord, LeaseTimes
from controller.telemetry import say
from kube.api_resources import LEASES
from kube.errors import ApiError, NotFoundError

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from kube.api import Api, Json
    from workqueue.clock import Clock


class Leader:
    """One candidate; leads at most once. Who has lost ends the process and starts again, because
    what it knows may be old.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Clock,
        rng: random.Random,
        times: LeaseTimes | None = None,
    ) -> None:
        """`identity` must be new for each process: the pod's name with a random part."""
        self._api = api
        self._collection = LEASES.path(namespace)
        self._path = LEASES.path(namespace, name)
        self._name = name
        self._times = times or LeaseTimes()
        self._clock = clock
        self._rng = rng
        self._state = CandidateState(identity=identity)
        self.elected = asyncio.Event()
        """Set once this process leads; stays set."""

    def remaining_s(self) -> float:
        """For how long this process may still write; 0: not now. For `Api.fenced`."""
        return lease.remaining_s(self._state, self._times, self._clock.monotonic())

    async def run(self) -> None:
        """Until leadership is lost; cancel it to leave the election earlier."""
        while True:
            act = lease.decide(self._state, self._times, self._clock.monotonic())
            if act is LeaseAct.LOST:
                return
            if act is LeaseAct.WAIT:
                await self._wait()
            else:
                await self._try(act)
            if not self.elected.is_set() and self.remaining_s() > 0:
                self.elected.set()

    async def release(self) -> None:
        """After the work has ended: the next one need not wait. Nothing when it can't be done."""
        if self.remaining_s() <= 0:
            return
        body = {"metadata": {"resourceVersion": self._state.version}, "spec": lease.RELEASED}
        with contextlib.suppress(ApiError, TimeoutError):
            async with asyncio.timeout(self._times.retry_s):
                await self._api.merge_patch(self._path, body)

    async def _wait(self) -> None:
        """The leader is on time; the others are spread a little."""
        spread = 1.0 if self._state.held_since is not None else 1.0 + self._rng.random() / 5
        await asyncio.sleep(self._times.retry_s / 4 * spread)  # noqa: TID251 - Times gives its length

    async def _try(self, act: LeaseAct) -> None:
        sent = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._request_s(sent)):
                if act is LeaseAct.READ:
                    await self._read()
                else:
                    self._wrote(await self._write(act), sent)
        except (ApiError, TimeoutError) as error:
            self._state = lease.unknown(self._state)
            why = str(error) or "TimedOut"
            say(logging.WARNING, "leader.lease_not_had", act=act.value, why=why)
            await self._wait()

    def _request_s(self, now: float) -> float:
        """No request takes longer than half of a leader's time, or than what is left of it."""
        most_s = self._times.renew_deadline_s / 2
        held_since = self._state.held_since
        if held_since is None:
            return most_s
        return min(most_s, held_since + self._times.renew_deadline_s - now)

    async def _read(self) -> None:
        try:
            found: Json | None = await self._api.get(self._path)
        except NotFoundError:
            found = None
        record = None if found is None else LeaseRecord.from_wire(found.get("spec") or {})
        now = self._clock.monotonic()
        self._state = lease.saw(self._state, record, _version(found), now)

    async def _write(self, act: LeaseAct) -> Json:
        spec = lease.desired(self._state, self._times, self._clock.now())
        if act is LeaseAct.CREATE:
            body = {
                "apiVersion": LEASES.api_version,
                "kind": "Lease",
                "metadata": {"name": self._name},
                "spec": spec,
            }
            return await self._api.create(self._collection, body)
        patch = {"metadata": {"resourceVersion": self._state.version}, "spec": spec}
        return await self._api.merge_patch(self._path, patch)

    def _wrote(self, answer: Json, sent: float) -> None:
        self._state = lease.wrote(
            self._state,
            LeaseRecord.from_wire(answer.get("spec") or {}),
            _version(answer),
            times=self._times,
            sent=sent,
            now=self._clock.monotonic(),
        )


class Candidate(Protocol):
    """What `lead` needs of one: a `Leader`, or a `controller.lease_renewal.Renewal` of one."""

    elected: asyncio.Event

    async def run(self) -> None:
        """Until leadership is lost."""
        ...

    async def release(self) -> None:
        """After the work has ended."""
        ...


async def lead(
    leader: Candidate, stop: asyncio.Event, work: Callable[[asyncio.Event], Awaitable[None]]
) -> bool:
    """Runs `work` once `leader` leads. True: ended, as `stop` or the work asked, and the Lease is
    free; False: leadership was lost, and the work was cancelled.

    `work` gets an event that tells it to end; it has as long as it takes, the Lease being renewed
    meanwhile. What it raises is raised. Its writes go through `Api.fenced(leader.remaining_s)`.
    """
    running = asyncio.create_task(leader.run())
    stopping = asyncio.create_task(stop.wait())
    elected = asyncio.create_task(leader.elected.wait())
    working: asyncio.Task[None] | None = None
    try:
        await _first(running, stopping, elected)
        if stop.is_set():
            return True
        if running.done():
            running.result()
            return False
        say(logging.INFO, "leader.elected")
        ending = asyncio.Event()
        working = asyncio.ensure_future(_awaited(work, ending))
        await _first(running, stopping, working)
        ending.set()
        await _first(running, working)
        if not working.done():
            say(
                logging.ERROR,
                "leader.lost",
                decision="it writes nothing more, and the process ends",
            )
            running.result()
            return False
        working.result()
        return True
    finally:
        tasks = [task for task in (working, running, stopping, elected) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await leader.release()


async def _awaited(work: Callable[[asyncio.Event], Awaitable[None]], ending: asyncio.Event) -> None:
    await work(ending)


async def _first(*tasks: asyncio.Task[None] | asyncio.Task[bool]) -> None:
    """Until one of them is done."""
    await asyncio.wait(set(tasks), return_when=asyncio.FIRST_COMPLETED)


def _version(found: Json | None) -> str:
    return "" if found is None else str((found.get("metadata") or {}).get("resourceVersion", ""))

"""Running work while leading, against one Lease behind real HTTP; the election between processes is
in test_leader.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from controller.leader import Leader, lead
from controller.lease import LeaseTimes
from kube.api import Api
from kube.errors import FencedError
from tests.kube.server import serving
from tests.refresh.driven import Setup
from tests.refresh.world import Provider, demanded
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

    from providers.protocol import Fetched, FetchRequest

TIMES = LeaseTimes(duration_s=4, renew_deadline_s=3.0, retry_s=0.3)


class LeaseServer:
    """One Lease, with resource versions; `away` resets every connection."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] | None = {}
        self.version = 1
        self.away = False

    @property
    def holder(self) -> str:
        """Who has it."""
        return str((self.spec or {}).get("holderIdentity") or "")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """GET, POST and PATCH."""
        if self.away:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = json.loads(await request.read() or b"{}")
        refused = self._refused(request.method, body)
        if refused:
            return web.json_response({"kind": "Status", "code": refused}, status=refused)
        if request.method != "GET":
            self.spec = {**(self.spec or {}), **body["spec"]}
            self.version += 1
        metadata = {"resourceVersion": str(self.version)}
        return web.json_response({"metadata": metadata, "spec": self.spec})

    def _refused(self, method: str, body: dict[str, Any]) -> int | None:
        if method == "POST":
            return 409 if self.spec is not None else None
        if self.spec is None:
            return 404
        seen = (body.get("metadata") or {}).get("resourceVersion", str(self.version))
        return 409 if seen != str(self.version) else None


@contextlib.asynccontextmanager
async def leases() -> AsyncIterator[tuple[LeaseServer, Callable[[str], Leader], Api]]:
    """A server, and how to make candidates."""
    async with serving() as server:
        made = LeaseServer()
        server.instead = made.answer
        async with Api(server.configuration(), timeout_s=2.0) as api:

            def candidate(identity: str) -> Leader:
                return Leader(
                    api,
                    namespace="a",
                    name="election",
                    identity=identity,
                    clock=SystemClock(),
                    rng=random.Random(1),
                    times=TIMES,
                )

            yield made, candidate, api


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Within a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(bounded())


@pytest.mark.slow
def test_work_is_told_to_end_and_may_take_its_time() -> None:
    """The Lease is renewed until it has ended, longer than its duration; then it is free."""

    async def scenario() -> None:
        async with leases() as (server, candidate, _):
            stop, done = asyncio.Event(), asyncio.Event()

            async def work(ending: asyncio.Event) -> None:
                stop.set()
                await ending.wait()
                await asyncio.sleep(TIMES.duration_s * 1.2)
                assert leader.remaining_s() > 0
                assert server.holder == "one"
                done.set()

            leader = candidate("one")
            assert await lead(leader, stop, work)
            assert done.is_set()
            assert server.holder == ""

    run(scenario)


def test_who_cannot_renew_stops_writing_and_is_told_so() -> None:
    """The work is cancelled, and no write leaves meanwhile."""

    async def scenario() -> None:
        async with leases() as (server, candidate, api):
            leader = candidate("one")
            fenced = api.fenced(leader.remaining_s)
            ended = asyncio.Event()

            async def work(_: asyncio.Event) -> None:
                server.away = True
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

            assert not await lead(leader, asyncio.Event(), work)
            assert ended.is_set()
            assert leader.remaining_s() == 0.0
            server.away = False
            with pytest.raises(FencedError):
                await fenced.merge_patch("/api/v1/pods/a", {})
            assert server.holder == "one"

    run(scenario)


def test_what_the_work_raises_is_raised_and_the_lease_is_free() -> None:
    """Another one need not wait for it."""

    async def scenario() -> None:
        async with leases() as (server, candidate, _):

            async def work(_: asyncio.Event) -> None:
                raise KeyError("a mistake")

            with pytest.raises(KeyError):
                await lead(candidate("one"), asyncio.Event(), work)
            assert server.holder == ""

    run(scenario)


def test_the_lease_is_free_although_a_fetch_hangs() -> None:
    """The pod is told to end while a secret store's answer never comes."""
    never, started = threading.Event(), threading.Event()

    class Hanging(Provider):
        def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
            started.set()
            never.wait()
            return super().fetch(requests)

    async def scenario() -> None:
        async with leases() as (server, candidate, _):
            stop = asyncio.Event()
            setup = Setup(Hanging(), drain_s=0.1)
            setup.engine.demand([demanded("a", "/s")])

            async def work(ending: asyncio.Event) -> None:
                running = asyncio.create_task(setup.engine.run(ending))
                while not started.is_set():  # noqa: ASYNC110 - the thread's own event
                    await asyncio.sleep(0.01)
                stop.set()
                await running

            assert await lead(candidate("one"), stop, work)
            assert server.holder == ""

    run(scenario)
    never.set()


def test_a_candidate_may_leave_before_it_leads() -> None:
    """While another has the Lease, which it leaves alone."""

    async def scenario() -> None:
        async with leases() as (server, candidate, _):
            server.spec = {"holderIdentity": "other", "leaseDurationSeconds": 60}
            stop = asyncio.Event()

            async def work(_: asyncio.Event) -> None:
                raise AssertionError("unreachable")

            asyncio.get_running_loop().call_later(0.5, stop.set)
            assert await lead(candidate("one"), stop, work)
            assert server.holder == "other"

    run(scenario)


@pytest.mark.slow
def test_of_two_only_one_works_at_a_time() -> None:
    """Also when the Lease is deleted under the one that works."""

    async def scenario() -> None:
        async with leases() as (server, candidate, _):
            working: list[str] = []
            came: list[str] = []
            stop = asyncio.Event()

            def work(name: str) -> Callable[[asyncio.Event], Awaitable[None]]:
                async def act(ending: asyncio.Event) -> None:
                    assert working == []
                    working.append(name)
                    came.append(name)
                    try:
                        await ending.wait()
                    finally:
                        working.remove(name)

                return act

            both = [
                asyncio.create_task(lead(candidate(name), stop, work(name)))
                for name in ("one", "two")
            ]
            for _ in range(3):
                await asyncio.sleep(1.0)
                server.spec = None
                server.version += 1
            await asyncio.sleep(TIMES.duration_s * 1.5)
            stop.set()
            await asyncio.gather(*both)
            assert came

    run(scenario)

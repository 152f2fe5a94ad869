"""The stand-in API server inside the simulation's loop, behind Unix sockets: one for each process,
so that the death of a process cuts its connections and no other's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from apiserver.install import install
from apiserver.server import ApiServer
from kube.api import Api
from kube.kubernetes_client import Configuration

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from apiserver.authorization import User
    from faults.virtual_loop import VirtualClock

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Socket:
    """One process's way to the API server."""

    def __init__(self, server: ApiServer, path: Path, user: User) -> None:
        self.token = server.token(user)
        self.path = path
        self.writes = 0
        """Requests that change something, so far."""
        self.dies_at: tuple[int, bool] | None = None
        """At which write it is cut, and whether that write is done."""
        self.on_death: Callable[[], None] = lambda: None
        self._server = server
        self._runner: web.AppRunner | None = None
        self._refuses = False

    async def open(self) -> None:
        """Listens from now on."""
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = self._runner = web.AppRunner(app, shutdown_timeout=0.0, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(self.path)).start()

    def refuse(self) -> None:
        """No more answers, and no more requests, from this moment on."""
        self._refuses = True
        runner = self._runner
        for handler in list(runner.server.connections) if runner and runner.server else ():
            if isinstance(handler.transport, asyncio.WriteTransport):
                handler.transport.abort()

    async def close(self) -> None:
        """As `refuse`, and the socket is gone."""
        self.refuse()
        if self._runner is not None:
            await self._runner.cleanup()

    def api(self) -> Api:
        """A client."""
        configuration = Configuration()
        configuration.host = "http://apiserver"
        configuration.api_key = {"BearerToken": f"Bearer {self.token}"}
        return Api(
            configuration,
            user_agent="lastgood-controller",
            connector=lambda _: aiohttp.UnixConnector(str(self.path), limit=0),
        )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._refuses:
            return _cut_off(request)
        if request.method not in WRITES or "dryRun" in request.query:
            return await self._server.answer(request)
        self.writes += 1
        if self.dies_at is None or self.writes < self.dies_at[0]:
            return await self._server.answer(request)
        if self.dies_at[1]:
            await self._server.answer(request)
        self.dies_at = None
        self.on_death()
        return _cut_off(request)


def _cut_off(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def started(clock: VirtualClock, rng: random.Random) -> ApiServer:
    """An API server with what `helm install` makes, without the webhook."""
    server = ApiServer(rng=rng, now=clock.now, monotonic=clock.monotonic)
    await install(server, webhook=False)
    return server

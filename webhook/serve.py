"""Runs the routes over TLS until the process is told to end, and keeps certificate and policies
current.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import uvicorn

from webhook.tls import CertificateError

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Sequence
    from types import FrameType

    from fastapi import FastAPI

    from policy.load import FolderPolicies
    from webhook.server import Lifecycle
    from webhook.telemetry import Telemetry
    from webhook.tls import Certificate, Serving

KEEP_ALIVE_S = 120
"""Longer than the API server keeps an idle connection (90 s), so that it and not we ends it:
it does not repeat a request that meets a closing connection."""


class Server(uvicorn.Server):
    """uvicorn's, but the first signal drains before it ends; a second one ends at once."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_s: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_s = drain_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; from here on the loop is known."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal: not ready first, then, after the drain time, the end."""
        del sig, frame
        if self._lifecycle.draining or self._loop is None:
            self.should_exit = True
            return
        self._lifecycle.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_s, self._end)

    def _end(self) -> None:
        self.should_exit = True


def make_server(app: FastAPI, certificate: Serving, lifecycle: Lifecycle, drain_s: float) -> Server:
    """The server, not yet running."""

    def context(_config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        return certificate.context

    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=10,
        ssl_context_factory=context,
    )
    return Server(config, lifecycle, drain_s)


Part = Callable[[], AbstractAsyncContextManager[None]]
"""Runs beside the server while its block lasts."""


async def run(server: Server, bound: socket.socket, parts: Sequence[Part]) -> None:
    """Serve on `bound` until told to end, with `parts` beside."""
    async with contextlib.AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(part())
        await server.serve(sockets=[bound])


class Followed:
    """Files that are looked at every `reload_s` seconds; what can't be used is logged and left for
    the next look.
    """

    def __init__(self, look: Callable[[], None], reload_s: float) -> None:
        self._look = look
        self._reload_s = reload_s

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the block ends."""
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._reload_s)  # noqa: TID251 - the one wait of this process; its length is a setting
            await asyncio.to_thread(self._look)


def look_at_certificate(certificate: Certificate, telemetry: Telemetry) -> None:
    """Take over what changed."""
    try:
        if certificate.refresh():
            telemetry.certificate(certificate.not_after)
            telemetry.log.write("certificate.loaded", not_after=certificate.not_after)
    except CertificateError as error:
        telemetry.reload_failed("certificate")
        telemetry.log.write("certificate.kept_last_good", level="warning", problem=str(error))


def look_at_policies(policies: FolderPolicies, telemetry: Telemetry) -> None:
    """Take over what changed."""
    before = policies.problem
    policies.refresh()
    if policies.problem is not None and policies.problem != before:
        telemetry.reload_failed("policies")

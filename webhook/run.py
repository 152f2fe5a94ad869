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

from serving.limits import ClientLimits
from serving.listener import Listener
from webhook.client_certificates import is_named
from webhook.http_protocol import Protocol
from webhook.tls import CertificateError

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Collection, Sequence
    from types import FrameType

    from fastapi import FastAPI

    from policy.load import FolderPolicies
    from serving.client_connection import Connection
    from webhook.routes import Lifecycle
    from webhook.telemetry import Telemetry
    from webhook.tls import Certificate, ServingCertificate

KEEP_ALIVE_S = 120
"""Longer than the API server keeps an idle connection (90 s), so that it and not we ends it:
it does not repeat a request that meets a closing connection."""
LIMITS = ClientLimits(
    connections=512, per_address=256, held_bytes=32 * 1024 * 1024, idle_s=float(KEEP_ALIVE_S)
)
"""An API server keeps at most 25 idle connections (client-go's idleConnsPerHost), and has at most
200 mutating requests in flight (--max-mutating-requests-inflight), each on a connection of its own.
So its address stays below 256. An idle TLS connection costs about 30 KiB, and ten bodies of 3 MiB
fit.
"""


class DrainingServer(uvicorn.Server):
    """uvicorn's, but the first signal drains before it ends; a second one ends at once."""

    def __init__(
        self,
        config: uvicorn.Config,
        serving: ServingCertificate,
        lifecycle: Lifecycle,
        drain_s: float,
        *,
        clients: Collection[str] | None,
        telemetry: Telemetry,
    ) -> None:
        """`clients`: names of which a client must have proved one to ask for admissions; None: any
        client may ask.
        """
        super().__init__(config)
        self._serving = serving
        self._clients = clients
        self._telemetry = telemetry
        self._lifecycle = lifecycle
        self._drain_s = drain_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens within LIMITS, in place of uvicorn's own servers. `sockets` is one, bound."""
        self._loop = asyncio.get_running_loop()
        (bound,) = [] if sockets is None else sockets
        await self.lifespan.startup()
        listener = Listener(
            bound,
            LIMITS,
            self._protocol,
            loop=self._loop,
            context=lambda: self._serving.context,
            ended=self._telemetry.connection_ended,
        )
        self._telemetry.connected(lambda: len(listener), lambda: listener.held_bytes)
        listener.start()
        # uvicorn's shutdown calls what a Listener has too: close and wait_closed.
        self.servers = [listener]  # type: ignore[list-item]
        self.started = True

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state, self._verified)

    def _verified(self, connection: Connection) -> bool:
        return self._clients is not None and is_named(connection.certificate(), self._clients)

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


def make_server(
    app: FastAPI,
    certificate: ServingCertificate,
    lifecycle: Lifecycle,
    drain_s: float,
    *,
    clients: Collection[str] | None,
    telemetry: Telemetry,
) -> DrainingServer:
    """The server, not yet running."""
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
        timeout_graceful_shutdown=10,
    )
    return DrainingServer(
        config, certificate, lifecycle, drain_s, clients=clients, telemetry=telemetry
    )


Part = Callable[[], AbstractAsyncContextManager[None]]
"""Runs beside the server while its block lasts."""


async def run(server: DrainingServer, bound: socket.socket, parts: Sequence[Part]) -> None:
    """Serve on `bound` until told to end, with `parts` beside."""
    async with contextlib.AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(part())
        await server.serve(sockets=[bound])


class Followed:
    """Files that are read again every `reload_s` seconds. What can't be used is logged and left for
    the next time.
    """

    def __init__(self, reload: Callable[[], None], reload_s: float) -> None:
        self._reload = reload
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
            await asyncio.to_thread(self._reload)


def reload_certificate(certificate: Certificate, telemetry: Telemetry) -> None:
    """Take over what changed."""
    try:
        if certificate.refresh():
            telemetry.certificate(certificate.not_after)
            telemetry.log.write("certificate.loaded", not_after=certificate.not_after)
    except CertificateError as error:
        telemetry.reload_failed("certificate")
        telemetry.log.write("certificate.kept_last_good", level="warning", problem=str(error))


def reload_policies(policies: FolderPolicies, telemetry: Telemetry) -> None:
    """Take over what changed."""
    before = policies.problem
    policies.refresh()
    if policies.problem is not None and policies.problem != before:
        telemetry.reload_failed("policies")


def reload_client_ca(serving: ServingCertificate, telemetry: Telemetry) -> None:
    """Take over a changed CA of the clients."""
    try:
        if serving.refresh():
            telemetry.log.write("client_ca.loaded")
    except CertificateError as error:
        telemetry.reload_failed("client_ca")
        telemetry.log.write("client_ca.kept_last_good", level="warning", problem=str(error))

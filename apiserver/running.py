"""The stand-in in a thread of this process, on a free port of loopback."""

from __future__ import annotations

import asyncio
import json
import queue
import random
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from apiserver.client import kubeconfig
from apiserver.server import ADMIN, MOST_BYTES, ApiServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from apiserver.authorization import User

T = TypeVar("T")


class Running:
    """A server that is being served. `call` reaches it from other threads."""

    def __init__(
        self, server: ApiServer, loop: asyncio.AbstractEventLoop, url: str, ca: Path
    ) -> None:
        self.server = server
        self.url = url
        self.ca = ca
        """The file of the CA that signed its certificate."""
        self._loop = loop

    def call(self, act: Callable[[ApiServer], T]) -> T:
        """What `act` answers, run in the server's loop."""

        async def run(server: ApiServer) -> T:
            return act(server)

        return self.run(run)

    def run(self, act: Callable[[ApiServer], Coroutine[None, None, T]]) -> T:
        """As `call`, for a coroutine."""
        return asyncio.run_coroutine_threadsafe(act(self.server), self._loop).result(30)

    def kubeconfig(self, path: Path, user: User = ADMIN, namespace: str = "default") -> Path:
        """Writes a kubeconfig of a user, for our processes and for kubectl."""
        token = self.call(lambda server: server.token(user))
        content = kubeconfig(self.url, self.ca, token, user=user.name, namespace=namespace)
        path.touch(mode=0o600)
        path.write_text(json.dumps(content))
        return path


@contextmanager
def running(*, ca: Path, certificate: Path, key: Path, port: int = 0) -> Iterator[Running]:
    """Serves until the block ends. `certificate` is for `localhost` and signed by `ca`."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    begun: queue.SimpleQueue[Running] = queue.SimpleQueue()
    stop = asyncio.Event()

    async def serve() -> None:
        server = ApiServer(rng=random.Random(), now=time.time, monotonic=time.monotonic)
        app = web.Application(client_max_size=MOST_BYTES + 1)
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "localhost", port, ssl_context=tls).start()
        url = f"https://localhost:{runner.addresses[0][1]}"
        begun.put(Running(server, asyncio.get_running_loop(), url, ca))
        await stop.wait()
        handlers = runner.server.connections if runner.server else []
        for transport in [one.transport for one in handlers]:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()  # clients need not answer TLS's goodbye
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    found = begun.get(timeout=30)
    try:
        yield found
    finally:
        found.call(lambda _: stop.set())
        thread.join(30)

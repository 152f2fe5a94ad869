"""The controller's replicas: the production process, with its Lease, on the simulated cluster."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry

from apiserver.install import CONTROLLER, SYSTEM
from controller.lease_renewal import Renewal
from controller.run import ControllerProcess, LostError
from controller.settings import Settings
from faults.cluster import Socket
from faults.history import Died
from faults.provider import accounts_of
from faults.virtual_loop import LIFE, Life, VirtualClock
from kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from apiserver.server import ApiServer
    from controller.leader import Leader
    from faults.history import History
    from faults.provider import SimulatedProvider
    from faults.virtual_loop import VirtualLoop
    from kube.api import Api
    from kube.forbidden_requests import Attempts
    from providers.protocol import Fetched

RESTART_S = 5.0
POLL_S = 1.0


class InLoop(Renewal):
    """The candidate in the work's own loop, where the production one has a thread."""

    async def run(self) -> None:
        async with await self._connect() as api:
            leader = self._leader = self._candidate(api)
            telling = asyncio.create_task(self._tell(leader))
            try:
                await leader.run()
            finally:
                telling.cancel()
                await leader.release()

    async def _tell(self, leader: Leader) -> None:
        await leader.elected.wait()
        self.elected.set()

    async def release(self) -> None:
        """`run` has done it."""

    def loop_runs(self) -> bool:
        return True


class Replica:
    """One pod of the Deployment: it starts again whenever its process ends."""

    def __init__(
        self,
        name: str,
        *,
        server: ApiServer,
        provider: SimulatedProvider,
        folder: Path,
        loop: VirtualLoop,
        history: History,
        seed: int,
    ) -> None:
        self.name = name
        self.clock = VirtualClock(loop)
        self._server = server
        self._provider = provider
        self._folder = folder
        self._history = history
        self._rng = random.Random(seed)
        self._starts = 0
        self._socket: Socket | None = None
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._starts += 1
            path = self._folder / f"{self.name}-{self._starts}.sock"
            socket = self._socket = Socket(self._server, path, CONTROLLER)
            socket.on_death = self.kill
            await socket.open()
            life = Life()
            before = LIFE.set(life)
            self._task = asyncio.create_task(self._process(socket))
            LIFE.reset(before)
            try:
                await asyncio.wait({self._task})
            finally:
                await socket.close()
                await life.end()
                (ended,) = await asyncio.gather(self._task, return_exceptions=True)
            if isinstance(ended, Exception) and not isinstance(ended, LostError | ApiError):
                raise ended
            await asyncio.sleep(RESTART_S)

    def kill(self) -> None:
        """SIGKILL: what is written is written, and nothing more."""
        if self._task is not None and not self._task.done():
            self._history.add(Died, process=self.name)
            if self._socket is not None:
                self._socket.refuse()
            self._task.cancel()

    def die_at_write(self, number: int, *, done: bool) -> None:
        """At the write that comes `number`th from now, before it or after it is `done`."""
        if self._socket is not None:
            self._socket.dies_at = (self._socket.writes + number, done)

    async def _process(self, socket: Socket) -> None:
        registry = CollectorRegistry()
        identity = f"{self.name}-{self._starts}"
        settings = Settings(
            kubeconfig=None,
            namespace=SYSTEM,
            pod=None,
            identity=identity,
            self_check=False,
            reports_reads=False,
            namespaces=None,
            file_accounts=True,
            host="127.0.0.1",
            port=0,
            poll_s=POLL_S,
        )

        async def connect() -> Api:
            return socket.api()

        async def ask(account: str, asking: Callable[[], Fetched]) -> Fetched:
            del account
            half_s = self._provider.latency_s() / 2
            await asyncio.sleep(half_s)
            found = asking()
            await asyncio.sleep(half_s)
            return found

        async with socket.api() as api:
            process = ControllerProcess(
                api,
                settings,
                connect=connect,
                clock=self.clock,
                rng=random.Random(self._rng.getrandbits(64)),
                salt=self._rng.getrandbits(128).to_bytes(16, "big"),
                registry=registry,
                attempts=cast("Attempts", None),  # without the check of itself none is made
                ask=ask,
                renewal=InLoop,
                accounts=accounts_of(self._provider, identity),
            )
            await process.run(asyncio.Event())

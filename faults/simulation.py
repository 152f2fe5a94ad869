"""One run: the cluster, two replicas of the controller, three pods, and what a scenario does to
them. The history is what comes of it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apiserver import kinds
from apiserver.faults import Fault as ApiFault
from apiserver.faults import FaultRule
from apiserver.operations import Target
from apiserver.server import ADMIN
from cli import operator_requests
from cli.exit_codes import CommandError
from contract.object_names import snapshot_name
from controller.snapshot_objects import patch, read
from controller.times import seconds
from faults import admin
from faults.cluster import Socket, started
from faults.history import Asked, FaultBegan, History, PodWritten, StatusSeen
from faults.pods import LAG_S, Node, Pod, injected
from faults.provider import SimulatedProvider
from faults.replica import Replica
from faults.scenario import API_KINDS, CLOCK_STEP_S, NODE_KINDS, PROCESS_KINDS, SECRETS
from faults.virtual_loop import VirtualClock, VirtualLoop
from kube.api_resources import SECRET_SNAPSHOTS
from kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cli.operator_requests import SpecChange
    from controller.snapshot_status import Status
    from faults.scenario import Deed, Fault, Scenario

PODS_OF = {
    "web": (
        "payments",
        {"db-user": "db#user", "db-password": "db#password", "api": "api#password"},
    ),
    "jobs": ("payments", {"api-user": "api#user", "api-password": "api#password"}),
    "shop": ("orders", {"db-user": "db#user", "db-password": "db#password"}),
}
"""By pod its namespace and its secrets: `secret#member` below the namespace's folder."""
LATE_S = 90.0
LOOK_S = 20.0
FOLDER = Path("/dev/shm")  # noqa: S108 - made with mkdtemp
"""Memory: gate and agent write to a tmpfs."""


def run(scenario: Scenario) -> History:
    """The history of a scenario. Whatever a part raises that it should not is raised."""
    loop = VirtualLoop()
    folder = Path(tempfile.mkdtemp(prefix="lastgood-faults-", dir=FOLDER))
    logging.disable(logging.CRITICAL)
    try:
        return loop.run_until_complete(Simulation(scenario, loop, folder).run())
    finally:
        logging.disable(logging.NOTSET)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)
        gc.collect()


class Simulation:
    """The parts of one run."""

    def __init__(self, scenario: Scenario, loop: VirtualLoop, folder: Path) -> None:
        self._scenario = scenario
        self._loop = loop
        self._folder = folder
        self._rng = random.Random(scenario.seed ^ 0x5EED)
        self._clock = VirtualClock(loop)
        self._pod_clock = VirtualClock(loop)
        self.history = History(now=self._clock.now)
        self.provider = SimulatedProvider(self.history, self._clock.monotonic)
        self._pods: dict[str, tuple[Pod, asyncio.Task[None]]] = {}
        self._made = 0

    async def run(self) -> History:
        """Until the scenario's end."""
        rng = random.Random(self._rng.getrandbits(64))
        self.server = await started(self._clock, rng)
        self._node = Node(self.server.store)
        self._socket = Socket(self.server, self._folder / "admin.sock", ADMIN)
        await self._socket.open()
        for item in admin.objects():
            await self._create(_KINDS[item["kind"]], item)
        for secret in SECRETS:
            self.provider.write(secret)
        self._replicas = [
            Replica(
                name,
                server=self.server,
                provider=self.provider,
                folder=self._folder,
                loop=self._loop,
                history=self.history,
                seed=self._rng.getrandbits(64),
            )
            for name in ("controller-a", "controller-b")
        ]
        async with self._socket.api() as self._api:
            tasks = [asyncio.create_task(replica.run()) for replica in self._replicas]
            for name in PODS_OF:
                await self._start_pod(name)
            acts = [
                *(
                    asyncio.create_task(self._at(fault.at, self._fail, number, fault))
                    for number, fault in enumerate(self._scenario.faults)
                ),
                *(
                    asyncio.create_task(self._at(deed.at, self._do, deed))
                    for deed in self._scenario.deeds
                ),
                asyncio.create_task(self._look()),
            ]
            ending = asyncio.create_task(asyncio.sleep(self._scenario.duration_s))
            everything = [*tasks, *acts, ending, *(task for _, task in self._pods.values())]
            try:
                await self._watch_over(everything, ending)
            finally:
                everything += [task for _, task in self._pods.values()]
                for task in everything:
                    task.cancel()
                await asyncio.gather(*everything, return_exceptions=True)
        await self._socket.close()
        self._record_writes_to_pods()
        return self.history

    async def _watch_over(
        self, tasks: list[asyncio.Task[None]], ending: asyncio.Task[None]
    ) -> None:
        """Until `ending` is done, or a task raised, which is raised."""
        waiting = set(tasks)
        while not ending.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()
            waiting.add(ending)

    async def _at(
        self, seconds: float, act: Callable[..., Awaitable[None]], *words: object
    ) -> None:
        await asyncio.sleep(seconds)
        await act(*words)

    async def _create(self, kind: kinds.Kind, content: dict[str, Any]) -> None:
        namespace = content["metadata"].get("namespace", "")
        kind = self.server.registry.kind(kind.group, kind.version, kind.plural) or kind
        target = Target(kind=kind, namespace=namespace)
        await self.server.registry.create(target, content, ADMIN, dry_run=False)
        self.server.changed()

    async def _start_pod(self, name: str) -> None:
        namespace, secrets = PODS_OF[name]
        self._made += 1
        given = {key: f"file:/prod/{namespace}/{path}" for key, path in secrets.items()}
        manifest = injected(f"{name}-{self._made}", namespace, given, admin.text())
        folder = self._folder / f"{name}-{self._made}"
        await self._create(kinds.POD, manifest)
        pod = Pod(
            manifest,
            folder=folder,
            node=self._node,
            clock=self._pod_clock,
            history=self.history,
            rng=random.Random(self._rng.getrandbits(64)),
        )
        self._pods[name] = pod, asyncio.create_task(pod.run())

    # What goes wrong

    async def _fail(self, number: int, fault: Fault) -> None:
        until = self.history.now() + fault.lasts_s
        self.history.add(
            FaultBegan, number=number, kind=fault.kind, target=fault.secret, until=until
        )
        if fault.kind in API_KINDS:
            await self._fail_api(fault)
        elif fault.kind in NODE_KINDS:
            await self._fail_node(fault)
        elif fault.kind in PROCESS_KINDS:
            await self._fail_process(fault)
        elif fault.kind == "recreated":
            self.provider.recreate(fault.secret or SECRETS[0])
        else:
            self.provider.begin(fault.kind, fault.secret)
            await asyncio.sleep(fault.lasts_s)
            self.provider.end(fault.kind, fault.secret)

    async def _fail_node(self, fault: Fault) -> None:
        if fault.kind == "late-volumes":
            self._node.lag_s = LATE_S / 2
            await asyncio.sleep(fault.lasts_s)
            self._node.lag_s = LAG_S
        elif fault.kind == "agent-killed":
            for pod, _ in self._pods.values():
                pod.restart_agent()
        else:
            await self._step([self._pod_clock], fault)

    async def _fail_process(self, fault: Fault) -> None:
        if fault.kind == "controller-killed":
            self._replicas[fault.number % 2].kill()
        elif fault.kind.startswith("killed-"):
            for replica in self._replicas:
                replica.die_at_write(fault.number, done=fault.kind == "killed-after-write")
        else:
            await self._step([replica.clock for replica in self._replicas], fault)

    async def _step(self, clocks: list[VirtualClock], fault: Fault) -> None:
        """Wrong for a while, and then right again."""
        step_s = CLOCK_STEP_S if fault.kind.endswith("forward") else -CLOCK_STEP_S
        for clock in clocks:
            clock.offset_s += step_s
        await asyncio.sleep(fault.lasts_s)
        for clock in clocks:
            clock.offset_s -= step_s

    async def _fail_api(self, fault: Fault) -> None:
        """Of the controllers' requests alone: others have to be seen."""
        kind = fault.kind
        if kind == "compacted":
            self.server.store.compact()
            return
        often = float("inf")
        rules = {
            "silence": FaultRule(fault=ApiFault.SILENCE, times=often),
            "status-429": FaultRule(fault=ApiFault.STATUS, code=429, retry_after_s=3, times=often),
            "status-500": FaultRule(fault=ApiFault.STATUS, code=500, times=often),
            "status-409": FaultRule(
                fault=ApiFault.STATUS, code=409, method="PUT|PATCH|POST", times=often
            ),
            "lost-answer": FaultRule(
                fault=ApiFault.LOST, method="PUT|PATCH|POST|DELETE", times=fault.number
            ),
            "cut": FaultRule(fault=ApiFault.RESET, times=often),
        }
        self.server.faults.add(rules[kind])
        await asyncio.sleep(fault.lasts_s)
        self.server.faults.clear()

    # What people do

    async def _do(self, deed: Deed) -> None:
        if deed.what == "write":
            self.provider.write(deed.secret)
        elif deed.what in {"pod", "restart"}:
            name = next(name for name, (space, _) in PODS_OF.items() if space in deed.secret)
            _, task = self._pods[name]
            pod = self._pods[name][0]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            target = Target(kind=kinds.POD, namespace=pod.namespace, name=pod.name)
            self.server.registry.delete(target, {}, dry_run=False)
            self.server.changed()
            await self._start_pod(name)
        else:
            await self._operate(deed)

    async def _operate(self, deed: Deed) -> None:
        """As the command line does, by the same functions."""
        path = _path_of(deed.secret)
        try:
            before = read(await self._api.get(path))
            status = before.status
            version = status.version
            change = self._change(deed.what, status)
            if change is None:
                return
            await self._api.merge_patch(path, patch(before, change.apply(before.spec)))
        except (ApiError, CommandError):
            return
        self.history.add(Asked, verb=deed.what, secret=deed.secret, version=version)

    def _change(self, verb: str, status: Status) -> SpecChange | None:
        """None: there is nothing to name."""
        if verb == "unpin":
            return operator_requests.unpin(status)
        if verb == "rollback":
            return operator_requests.roll_back(status)
        if status.version is None:
            return None
        if verb == "pin":
            return operator_requests.pin(status, status.version, self._clock.now())
        return operator_requests.revoke(status, status.version)

    # What is seen

    async def _look(self) -> None:
        """Anybody may read a SecretSnapshot."""
        while True:
            for secret in SECRETS:
                found = self.server.store.get(
                    f"{SECRET_SNAPSHOTS.group}/{SECRET_SNAPSHOTS.plural}",
                    (_namespace(secret), _snapshot(secret)),
                )
                if found is not None and "status" in found:
                    status = found["status"]
                    self.history.add(
                        StatusSeen,
                        secret=secret,
                        version=status.get("version"),
                        last_success=_seconds(status.get("lastSuccess")),
                    )
            await asyncio.sleep(LOOK_S)

    def _record_writes_to_pods(self) -> None:
        for seen in self.server.seen:
            parts = seen.path.split("/")
            nudge = seen.method == "PATCH" and parts[-2] == "pods"
            if seen.method != "GET" and seen.user != ADMIN.name and "pods" in parts and not nudge:
                self.history.add(PodWritten, method=seen.method, path=seen.path)


_KINDS = {
    "Namespace": kinds.NAMESPACE,
    "SecretAccount": kinds.Kind(
        group="lastgood.dev", version="v1alpha1", plural="secretaccounts", kind="SecretAccount"
    ),
    "SecretPolicy": kinds.Kind(
        group="lastgood.dev", version="v1alpha1", plural="secretpolicies", kind="SecretPolicy"
    ),
}


def _namespace(secret: str) -> str:
    return secret.split("/")[2]


def _snapshot(secret: str) -> str:
    return snapshot_name(admin.ACCOUNT, "controller", "file", secret)


def _path_of(secret: str) -> str:
    return SECRET_SNAPSHOTS.path(_namespace(secret), _snapshot(secret))


def _seconds(text: str | None) -> float | None:
    return None if text is None else seconds(text)

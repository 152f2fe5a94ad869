"""Pods: the kubelet's volumes, the production gate and agent, and an app that reads."""

from __future__ import annotations

import asyncio
import base64
import shutil
from typing import TYPE_CHECKING, Any

from agent.decide import PodVerdict
from agent.follow import Follow
from agent.sync import Folders, sync_once
from apiserver import kinds
from contract import plan as plans
from contract import snapshot_format, status_file
from contract.layout import DATA, FILES, STATUS
from contract.reasons import Serving
from contract.snapshot_format import META, data_key
from contract.wire import WireError
from demo.volumes import project
from faults.history import AppMissed, AppRead, PodCreated, PodStarted
from policy.load import load_texts
from webhook.admit import admit
from webhook.injection_settings import Injection

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from pathlib import Path

    from contract.plan import Plan, PlannedSnapshot
    from faults.history import History
    from faults.virtual_loop import VirtualClock

SYNC_S = 60.0
"""How often a kubelet renews a pod's volumes when nothing tells it of a change."""
LAG_S = 1.0
"""From a change to its place in the volume."""
POLL_S = 0.5
READ_S = 5.0


class Silent:
    """A log that nobody reads."""

    def __call__(self, event: str, **members: object) -> None:
        """Nothing: the history is what is judged."""


class Node:
    """One kubelet's view, and what is wrong with it."""

    def __init__(self, objects: Any) -> None:  # noqa: ANN401 - apiserver's store
        self._store = objects
        self.lag_s = LAG_S
        """How late volumes are."""
        self.blind = False
        """Whether volumes stay as they are."""

    def read(self, kind: str, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The keys of an object, as a projected volume needs them."""
        stored = kinds.SECRET if kind == "secret" else kinds.CONFIG_MAP
        found = self._store.get(stored.store, (namespace, name))
        if found is None:
            return None
        data: Mapping[str, str] = found.get("data") or {}
        if kind == "secret":
            return {key: base64.b64decode(text) for key, text in data.items()}
        return {key: text.encode() for key, text in data.items()}


class Pod:
    """One pod, from its creation to its end."""

    def __init__(
        self,
        manifest: dict[str, Any],
        *,
        folder: Path,
        node: Node,
        clock: VirtualClock,
        history: History,
        rng: random.Random,
    ) -> None:
        """`manifest` is injected."""
        self.name: str = manifest["metadata"]["name"]
        self.namespace: str = manifest["metadata"]["namespace"]
        self._folder = folder
        self._node = node
        self._clock = clock
        self._history = history
        self._rng = rng
        self._volumes = {item["name"]: item for item in manifest["spec"]["volumes"]}
        gate = manifest["spec"]["initContainers"][0]
        self.plan: Plan = plans.from_wire(_argument(gate, "--plan"))
        self._cache = self._mount(gate, "--cache")
        self._folders = Folders(
            cache=str(self._cache),
            snapshots=str(self._mount(gate, "--snapshots")),
            freshness=str(self._mount(gate, "--freshness")),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._agent: asyncio.Task[None] | None = None
        self._had: set[str] = set()
        self.started = False

    async def run(self) -> None:
        """Until it is cancelled."""
        self._history.add(PodCreated, pod=self.name, ready=self._is_ready())
        try:
            self._renew()
            kubelet = asyncio.create_task(self._keep_volumes())
            self._tasks.append(kubelet)
            await self._gate()
            self.started = True
            self._history.add(PodStarted, pod=self.name, calls=0)
            self.restart_agent()
            await self._read_on()
        finally:
            for task in (*self._tasks, *filter(None, [self._agent])):
                task.cancel()
            shutil.rmtree(self._folder, ignore_errors=True)

    def restart_agent(self) -> None:
        """The agent is killed, where it runs, and a new one begins."""
        if self._agent is not None:
            self._agent.cancel()
        if self.started:
            self._agent = asyncio.create_task(self._follow())

    def _is_ready(self) -> bool:
        """Whether every snapshot that it needs is there and serves a value with its members."""
        return all(self._serves(item) for item in self.plan.snapshots)

    def _serves(self, planned: PlannedSnapshot) -> bool:
        found = self._node.read("secret", self.namespace, planned.snapshot)
        if found is None or snapshot_format.from_wire(found[META]).serving is not Serving.SERVED:
            return False
        return all(data_key(file.property) in found for file in planned.files)

    def _mount(self, container: dict[str, Any], option: str) -> Path:
        """The folder here of what the container has at the option's path."""
        path = _argument(container, option)
        mounts = sorted(container["volumeMounts"], key=lambda it: -len(it["mountPath"]))
        mount = next(it for it in mounts if f"{path}/".startswith(f"{it['mountPath']}/"))
        base: Path = self._folder / mount["name"] / mount.get("subPath", "")
        found = base / path.removeprefix(mount["mountPath"]).strip("/")
        if "emptyDir" in self._volumes[mount["name"]]:
            found.mkdir(parents=True, exist_ok=True)
        return found

    def _renew(self) -> None:
        for name, volume in self._volumes.items():
            if "projected" in volume:
                project(volume, self._folder / name, self._node.read, self.namespace)

    async def _keep_volumes(self) -> None:
        """As a kubelet does: soon after a change, and from time to time."""
        while True:
            await asyncio.sleep(self._node.lag_s * (1 + self._rng.random()))
            if not self._node.blind:
                self._renew()

    async def _gate(self) -> None:
        while True:
            try:
                found = sync_once(self.plan, self._folders, self._clock.now(), starting=True)
                if found.decision.verdict is PodVerdict.START:
                    return
            except (OSError, WireError):
                pass
            await asyncio.sleep(POLL_S)

    async def _follow(self) -> None:
        work = Follow(self.plan, self._folders, self._clock, Silent())  # type: ignore[arg-type]  # a log, by its one method
        while True:
            work.step()
            await asyncio.sleep(POLL_S)

    async def _read_on(self) -> None:
        while True:
            self._read()
            await asyncio.sleep(READ_S * (1 + self._rng.random()))

    def _read(self) -> None:
        """One revision: its status, and all files."""
        found = app_view(self._cache)
        status = self._cache / FILES / STATUS
        shown = status_file.from_wire(status.read_bytes()) if status.is_file() else None
        for planned in self.plan.snapshots:
            secret = planned.reference
            files = [found.get(file.file) for file in planned.files]
            about = None if shown is None else shown.secrets.get(planned.files[0].name)
            present = [raw for raw in files if raw is not None]
            if present:
                self._had.add(secret)
                self._history.add(
                    AppRead,
                    pod=self.name,
                    secret=secret,
                    versions=tuple(version_in(raw) for raw in present),
                    shown=None if about is None else about.version,
                    last_success=None if about is None else about.last_success,
                )
            elif secret in self._had:
                why = None if about is None else about.reason
                self._history.add(AppMissed, pod=self.name, secret=secret, shown=why)


def app_view(cache: Path) -> dict[str, bytes]:
    """What an app reads that opens `..data` once and then its files."""
    folder = (cache / FILES / DATA).resolve()
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def version_in(raw: bytes) -> str:
    """The version that the bytes of a member say they are of."""
    parts = raw.decode(errors="replace").split("@")
    return parts[1] if len(parts) > 1 else "?"


def injected(name: str, namespace: str, secrets: Mapping[str, str], admin: str) -> dict[str, Any]:
    """A pod as the webhook admits it. `secrets`: references by the annotation's name."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {f"lastgood.dev/secret.{key}": ref for key, ref in secrets.items()},
        },
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    }
    policies = load_texts({"admin": admin})
    verdict = admit(pod, namespace, policies, Injection(image="agent:1"))
    if verdict.plan is None:
        raise ValueError(f"the webhook denies the simulation's pod: {verdict.mistakes}")
    return dict(verdict.pod)


def _argument(container: dict[str, Any], option: str) -> str:
    words = [*container.get("command", ()), *container.get("args", ())]
    return str(words[words.index(option) + 1])

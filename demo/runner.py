"""Runs the containers of injected pods as processes of this machine, in the kubelet's order. For
our shapes only.

What it does as the kubelet does: volumes before containers; init containers one after another, a
native sidecar started and left running; then the containers; restarts with back-off; projected
volumes looked at every second, or at once when the pod's annotations changed; a pod that ends ends
its sidecars.

What it does not do: images (it knows a command for each), users, security contexts, resources,
read-only mounts, probes, namespaces of any kind, `$(VAR)`. The kubelet also looks at init
containers only once a second, this looks all the time. A container's mount paths are rewritten to
the folders of its volumes, and the addresses 0.0.0.0, [::] and 127.0.0.1 to the pod's own loopback
address.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract import layout
from demo.pods import ContainerProcess, PodProcesses
from demo.processes import end, start
from demo.volumes import NotYet, mounted, prepare, project, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from demo.volumes import Read

SYNC_S = 1.0
BACKOFF_S = (0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Before the n-th restart of a container, as the kubelet's CrashLoopBackOff."""


class Node:
    """The pods of one machine. Nothing happens between calls of `sync`; `close` ends every process
    that it started.
    """

    def __init__(
        self,
        folder: Path,
        *,
        read: Read,
        report: Callable[[PodProcesses], None],
        image: Path,
        entrypoints: Mapping[str, Sequence[str]],
    ) -> None:
        """`read` gives the keys of a Secret or ConfigMap. `report` is told of a pod with another
        `progress`.
        """
        self._folder = folder
        self._read = read
        self._report = report
        self._image = image
        self._entrypoints = entrypoints
        self._network = f"127.{64 + os.getpid() % 128}"
        self.pods: dict[str, PodProcesses] = {}
        self._made = 0

    def add(self, manifest: Mapping[str, Any]) -> PodProcesses:
        """Take on a pod, which has a name; its processes start with the next `sync`."""
        self._made += 1
        name = manifest["metadata"]["name"]
        ip = f"{self._network}.{self._made // 250}.{self._made % 250 + 1}"
        pod = PodProcesses(
            manifest=manifest, folder=self._folder / name, ip=ip, created=time.time()
        )
        init = manifest["spec"].get("initContainers", [])
        pod.init = [
            ContainerProcess(spec, sidecar=spec.get("restartPolicy") == "Always") for spec in init
        ]
        pod.containers = [ContainerProcess(spec) for spec in manifest["spec"]["containers"]]
        pod.folder.mkdir(parents=True)
        self.pods[name] = pod
        return pod

    def update(self, name: str, manifest: Mapping[str, Any]) -> None:
        """The pod's annotations changed: its volumes are looked at with the next `sync`."""
        pod = self.pods[name]
        if manifest["metadata"].get("annotations") != pod.manifest["metadata"].get("annotations"):
            pod.synced = 0.0
        pod.manifest = manifest

    def sync(self) -> None:
        """One look at every pod."""
        for pod in self.pods.values():
            before = pod.progress
            if pod.phase in {"Pending", "Running"}:
                self._sync(pod, time.time())
            if pod.progress != before:
                self._report(pod)

    def remove(self, names: Iterable[str]) -> None:
        """End pods and forget them; their log files stay."""
        pods = [self.pods.pop(name) for name in names]
        end(each.process for pod in pods for each in (*pod.containers, *pod.init))

    def close(self) -> None:
        """End every process, also those of pods that were half started."""
        end(each.process for pod in self.pods.values() for each in (*pod.containers, *pod.init))
        self.pods.clear()

    def _sync(self, pod: PodProcesses, now: float) -> None:
        if now - pod.synced >= SYNC_S:
            pod.synced = now
            self._volumes(pod)
        if not pod.volumes_ready:
            return
        for container in pod.init:
            self._keep(pod, container, now)
            if container.process is None or not (container.sidecar or container.done):
                return
        for container in pod.containers:
            self._keep(pod, container, now)
        pod.phase = "Running"
        codes = [container.code for container in pod.containers]
        policy = pod.spec.get("restartPolicy", "Always")
        if policy != "Always" and None not in codes and (policy == "Never" or not any(codes)):
            pod.phase = "Failed" if any(codes) else "Succeeded"
            end(each.process for each in pod.init)

    def _volumes(self, pod: PodProcesses) -> None:
        """Make or refresh the pod's volumes; a required object that is missing makes it wait, a
        running pod keeps what it has.
        """
        step = project if pod.volumes_ready else prepare
        try:
            for volume in pod.spec.get("volumes", []):
                if step is prepare or "projected" in volume:
                    step(volume, pod.volume(volume["name"]), self._read, pod.namespace)
        except NotYet as reason:
            pod.waiting = str(reason)
        else:
            pod.volumes_ready, pod.waiting = True, None

    def _keep(self, pod: PodProcesses, container: ContainerProcess, now: float) -> None:
        """Start a container that has not run, and restart one that ended and should not have."""
        if container.process is None:
            self._start(pod, container)
            return
        code, policy = container.code, pod.spec.get("restartPolicy", "Always")
        ends = container in pod.init and not container.sidecar
        again = code is not None and (code != 0 or not ends)
        if policy != "Always" and not container.sidecar:
            again = policy == "OnFailure" and code not in (None, 0)
        if again and container.not_before is None:
            container.not_before = now + BACKOFF_S[min(container.restarts, len(BACKOFF_S) - 1)]
        if again and now >= (container.not_before or now):
            container.restarts, container.not_before = container.restarts + 1, None
            self._start(pod, container)

    def _start(self, pod: PodProcesses, container: ContainerProcess) -> None:
        spec = container.spec
        paths = {
            mount["mountPath"]: mounted(pod.volume(mount["name"]), mount)
            for mount in spec.get("volumeMounts", [])
        }
        paths[layout.PYTHON] = Path(sys.executable)
        paths[layout.CODE_PATH] = self._image
        paths["/dev/termination-log"] = pod.folder / f"{spec['name']}.termination"
        argv = [*(spec.get("command") or self._entrypoints[spec["image"]]), *spec.get("args", [])]
        env = {
            item["name"]: rewrite(item.get("value", ""), paths, pod.ip)
            for item in spec.get("env", [])
        }
        container.started_at = time.time()
        container.process = start(
            [rewrite(word, paths, pod.ip) for word in argv],
            env={"PATH": os.defpath, "POD_IP": pod.ip, **env},
            folder=pod.folder,
            log=pod.folder / f"{spec['name']}.log",
        )

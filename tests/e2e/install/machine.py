"""A cluster of which the processes run on this machine: each is killed by its id, and started
again.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.install.evidence import attempted
from tests.e2e.install.kubectl import run
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings

KILLED_S = 20.0
KNOWN_S = 60.0


@dataclass(frozen=True, slots=True)
class Machine:
    """Its folder has `pid/NAME` for each process; `up` starts those that do not run."""

    folder: Path
    up: str

    def kill(self, name: str) -> None:
        """SIGKILL, and waits until it is gone; nothing when it is gone already, and somebody else
        may have its id.
        """
        file = self.folder / "pid" / name
        if not file.exists():
            return
        pid = int(file.read_text(encoding="ascii"))
        if self._is_ours(pid):
            os.kill(pid, signal.SIGKILL)
            until(f"the end of {name}", lambda: not _runs(pid), KILLED_S)
        file.unlink()

    def start(self, apiserver_args: str = "") -> None:
        """Whatever does not run, the API server with these flags more; waits until the node is
        ready and its kubelet knows its pods: the API server counts a killed kubelet as ready for a
        while. kube-proxy goes first: it ends when its configuration is written again, as `up` does.
        """
        self.kill("proxy")
        given = (f"LASTGOOD_CLUSTER={self.folder}", f"APISERVER_ARGS={apiserver_args}")
        run("env", *given, self.up)
        until("the kubelet to know its pods", _knows_its_pods, KNOWN_S)

    def _is_ours(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/exe").readlink().is_relative_to(self.folder)
        except OSError:
            return False


def here(settings: Settings) -> Machine | None:
    """None: the node is another machine, or nothing here starts it."""
    if settings.node_folder is None or settings.up is None or os.geteuid() != 0:
        return None
    return Machine(folder=Path(settings.node_folder), up=settings.up)


def kill_container(pod: Json, name: str) -> None:
    """SIGKILL for every process of a pod's container, where the node is this machine."""
    (found,) = (item for item in pod["status"]["containerStatuses"] if item["name"] == name)
    cgroup = found["containerID"].rpartition("/")[2].encode()
    processes = [
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if cgroup in _bytes(process / "cgroup")
    ]
    assert processes, "the container's processes are this machine's"
    for process in processes:
        os.kill(process, signal.SIGKILL)


def pods_processes(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Environment and command line of every process of a pod, and of the cluster itself."""
    known = {file.read_text(encoding="ascii").strip() for file in (folder / "pid").iterdir()}
    for process in Path("/proc").glob("[0-9]*"):
        if process.name not in known and b"kubepods" not in _bytes(process / "cgroup"):
            continue
        for member in ("environ", "cmdline"):
            yield f"host {process.name} {member}", _bytes(process / member)


def _knows_its_pods() -> bool:
    """Whether each kubelet tells of every pod that the API server says runs there."""
    words = ("get", "pods", "-A", "--field-selector=status.phase=Running", "-o", "json")
    running = json.loads(run("kubectl", *words))["items"]
    known: set[str] = set()
    for node in {pod["spec"]["nodeName"] for pod in running}:
        said = attempted("kubectl", "get", "--raw", f"/api/v1/nodes/{node}/proxy/pods")
        if not said.startswith("{"):
            return False
        known |= {pod["metadata"]["uid"] for pod in json.loads(said)["items"] or ()}
    return {pod["metadata"]["uid"] for pod in running} <= known


def _runs(pid: int) -> bool:
    """Whether it is there and more than a child that nobody has waited for."""
    fields = _bytes(Path(f"/proc/{pid}/stat")).rpartition(b") ")[2].split()
    return bool(fields) and fields[0] not in (b"Z", b"X")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

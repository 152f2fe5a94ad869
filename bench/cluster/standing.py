"""A workload that a controller on this machine serves. Controller, store and proxy are processes
here; lastgood must not be installed on the cluster.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cluster.counted import read_writes
from bench.cluster.figures import say
from bench.cluster.workload import NAME
from demo.processes import end, start
from demo.provider import KEYS, Proxy, launch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.cluster.workload import Workload
    from demo.processes import Process

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "charts/lastgood/crds"
FILLED_S = 300.0
READY_S = 900.0
STILL_S = 10.0


class NotReadyError(RuntimeError):
    """The workload was not served in time, or the controller ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What runs while each snapshot is served."""

    folder: Path
    """For logs; gone afterwards."""
    proxy: Proxy
    controller: Process


@contextmanager
def standing(workload: Workload, *, quiet: bool) -> Iterator[Standing]:
    """Declares all, and waits until all are served; `quiet`: also until the controller writes
    nothing for a while, which it does only with budgets of many minutes. Removes what it made, the
    definitions apart, and what a run that was killed has left. NotReadyError.
    """
    _define()
    asyncio.run(workload.remove())
    with tempfile.TemporaryDirectory(prefix="lastgood-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        secrets, log = str(workload.snapshots), folder / "store.log"
        store = launch("bench.cluster.filled_provider", secrets, log=log, within_s=FILLED_S)
        stack.callback(store.stop)
        proxy = Proxy(log=folder / "proxy.log", upstream=store.said["listen"])
        stack.callback(proxy.stop)
        stack.callback(lambda: asyncio.run(workload.remove()))
        asyncio.run(workload.govern(proxy.addresses["default"]))
        log = folder / "controller.log"
        controller = start_controller(workload, log)
        stack.callback(end, [controller])
        began = time.monotonic()
        asyncio.run(workload.declare())
        say(f"declared {workload.snapshots} snapshots in {time.monotonic() - began:.0f} s")
        _served(workload, controller, log, quiet=quiet)
        say(f"all served and written {time.monotonic() - began:.0f} s after the first declaration")
        yield Standing(folder=folder, proxy=proxy, controller=controller)


def start_controller(workload: Workload, log: Path) -> Process:
    """A controller with the rights of the kubeconfig."""
    words = ["--namespace", NAME, "--kubeconfig", str(workload.kubeconfig)]
    more = ["--listen", "127.0.0.1:0", "--without-self-check"]
    env = {"PATH": os.environ["PATH"], "HOME": str(log.parent), **KEYS}
    return start([sys.executable, "-m", "controller", *words, *more], env=env, folder=ROOT, log=log)


def check(controller: Process, log: Path) -> None:
    """NotReadyError: it has ended."""
    if controller.poll() is not None:
        last = log.read_text(encoding="utf-8").splitlines()[-1:]
        raise NotReadyError(f"the controller ended with {controller.returncode}: {last}")


def _define() -> None:
    established = ("wait", "--for=condition=Established", "--timeout=30s")
    for words in (("apply",), established):
        subprocess.run(["kubectl", *words, "-f", CRDS], check=True, stdout=subprocess.DEVNULL)


def _served(workload: Workload, controller: Process, log: Path, *, quiet: bool) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        check(controller, log)
        before = read_writes()
        time.sleep(STILL_S)
        still = not quiet or read_writes() == before
        if still and asyncio.run(workload.served()) == workload.snapshots:
            return
    raise NotReadyError(f"not all of {workload.snapshots} snapshots were served in {READY_S:.0f} s")

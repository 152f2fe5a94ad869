"""The controller with very many snapshots that do not change, over one whole interval: memory, CPU,
writes to the API server and calls of the provider a minute. Controller, store and proxy are
processes on this machine; lastgood must not be installed on the cluster.

What another operator needed for the same was measured before, per 1,000 secrets at one minute:
128 MB, 0.18 core, 1,007 writes and 1,002 calls a minute, which is one of each per secret and
interval.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cluster.counted import LeaseWrites, read_writes
from bench.cluster.fleet import NAME, Fleet
from bench.cluster.report import line, say
from controller.lease import LEASE
from demo.processes import end, start
from demo.provider import KEYS, Proxy, launch

if TYPE_CHECKING:
    from collections import Counter

    from demo.processes import Process

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "charts/lastgood/crds"
FILLED_S = 300.0
READY_S = 900.0
STILL_S = 10.0
LOG = "controller.log"
MEMORY_AIM_MIB = 300.0
CALLS_AIM = 0.1
WRITES_AIM = 2.0
"""Per namespace and quarter of the freshness budget; one is what ages need."""


class NotReadyError(RuntimeError):
    """The fleet was not served in time, or the controller ended."""


def run(fleet: Fleet) -> None:
    """Prints the lines; removes what it made, the definitions apart, and what a run that was killed
    has left.
    """
    _define()
    asyncio.run(fleet.remove())
    with tempfile.TemporaryDirectory(prefix="lastgood-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        secrets, log = str(fleet.snapshots), folder / "store.log"
        store = launch("bench.cluster.store", secrets, log=log, within_s=FILLED_S)
        stack.callback(store.stop)
        proxy = Proxy(log=folder / "proxy.log", upstream=store.said["listen"])
        stack.callback(proxy.stop)
        stack.callback(lambda: asyncio.run(fleet.remove()))
        asyncio.run(fleet.govern(proxy.addresses["default"]))
        controller = _start(fleet, folder)
        stack.callback(end, [controller])
        began = time.monotonic()
        asyncio.run(fleet.declare())
        say(f"declared {fleet.snapshots} snapshots in {time.monotonic() - began:.0f} s")
        _served(fleet, controller, folder / LOG)
        say(f"all served and written {time.monotonic() - began:.0f} s after the first declaration")
        lease = LeaseWrites(NAME, LEASE, folder / "lease.log")
        stack.callback(lease.stop)
        _measure(fleet, controller, proxy, lease)


def _define() -> None:
    established = ("wait", "--for=condition=Established", "--timeout=30s")
    for words in (("apply",), established):
        subprocess.run(["kubectl", *words, "-f", CRDS], check=True, stdout=subprocess.DEVNULL)


def _start(fleet: Fleet, folder: Path) -> Process:
    words = ["--namespace", NAME, "--kubeconfig", str(fleet.kubeconfig)]
    more = ["--listen", "127.0.0.1:0", "--without-self-check"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **KEYS}
    log = folder / "controller.log"
    return start([sys.executable, "-m", "controller", *words, *more], env=env, folder=ROOT, log=log)


def _served(fleet: Fleet, controller: Process, log: Path) -> None:
    """Waits until each is served and the controller writes nothing for a while."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if controller.poll() is not None:
            last = log.read_text(encoding="utf-8").splitlines()[-1:]
            raise NotReadyError(f"the controller ended with {controller.returncode}: {last}")
        before = read_writes()
        time.sleep(STILL_S)
        if read_writes() == before and asyncio.run(fleet.served()) == fleet.snapshots:
            return
    raise NotReadyError(f"not all of {fleet.snapshots} snapshots were served in {READY_S:.0f} s")


def _measure(fleet: Fleet, controller: Process, proxy: Proxy, lease: LeaseWrites) -> None:
    proxy.reset()
    cpu_s, begun = _cpu_s(controller.pid), time.monotonic()
    before, renewals = read_writes(), lease.count()
    memory = []
    while (elapsed_s := time.monotonic() - begun) < fleet.interval_s:
        memory.append(_status_mib(controller.pid, "VmRSS"))
        time.sleep(max(0.0, min(5.0, fleet.interval_s - elapsed_s)))
    wrote = read_writes() - before
    renewed = lease.count() - renewals
    counts = proxy.counts().get("default", {})
    cores = (_cpu_s(controller.pid) - cpu_s) / elapsed_s
    _report_memory(controller, memory, cores)
    _report_calls(fleet, counts, elapsed_s)
    _report_writes(fleet, wrote, renewed, elapsed_s)


def _report_memory(controller: Process, memory: list[float], cores: float) -> None:
    greatest = max(memory)
    line("controller-memory", greatest / MEMORY_AIM_MIB, 1.0)
    say(
        f"RSS at most {greatest:.0f} MiB while nothing changed, {MEMORY_AIM_MIB:.0f} MiB aimed at;"
        f" {_status_mib(controller.pid, 'VmHWM'):.0f} MiB at most since the start"
    )
    say(f"CPU {cores:.3f} core")


def _report_calls(fleet: Fleet, counts: dict[str, int], elapsed_s: float) -> None:
    calls = sum(counts.values())
    line("controller-calls", calls / _intervals(fleet, elapsed_s), CALLS_AIM, digits=3)
    each = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    say(
        f"{calls / elapsed_s * 60:.1f} calls a minute ({each} in {elapsed_s:.0f} s) for"
        f" {fleet.snapshots} snapshots every {fleet.interval_s} s"
    )


def _report_writes(fleet: Fleet, wrote: Counter[str], renewed: int, elapsed_s: float) -> None:
    writes = sum(wrote.values())
    needed = fleet.namespaces * elapsed_s / (fleet.budget_s / 4)
    line("controller-writes", writes / needed, WRITES_AIM)
    each = ", ".join(f"{count} {name}" for name, count in sorted(wrote.items())) or "none"
    say(
        f"{writes / elapsed_s * 60:.1f} writes a minute ({each}) in {fleet.namespaces} namespaces,"
        f" {writes / _intervals(fleet, elapsed_s):.4f} per snapshot and interval; and"
        f" {renewed / elapsed_s * 60:.1f} a minute of the Lease"
    )


def _intervals(fleet: Fleet, elapsed_s: float) -> float:
    """One for each snapshot and interval."""
    return fleet.snapshots * elapsed_s / fleet.interval_s


def _status_mib(pid: int, field: str) -> float:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition(f"{field}:")[2].split()[0]) / 1024


def _cpu_s(pid: int) -> float:
    """Of all its threads, since its start."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

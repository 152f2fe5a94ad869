"""The controller with very many snapshots that do not change, over one whole interval: memory, CPU,
writes to the API server and calls of the provider a minute. lastgood must not be installed on the
cluster.

What another operator needed for the same was measured before, per 1,000 secrets at one minute:
128 MB, 0.18 core, 1,007 writes and 1,002 calls a minute, which is one of each per secret and
interval.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cluster.counted import LeaseWrites, read_writes
from bench.cluster.figures import line, say
from bench.cluster.standing import standing
from bench.cluster.workload import NAME
from controller.lease import LEASE

if TYPE_CHECKING:
    from collections import Counter

    from bench.cluster.workload import Workload
    from demo.processes import Process
    from demo.provider import Proxy

MEMORY_AIM_MIB = 300.0
CALLS_AIM = 0.1
WRITES_AIM = 2.0
"""Per namespace and quarter of the freshness budget; one is what ages need."""


def run(workload: Workload) -> None:
    """Prints the lines; removes what it made, the definitions apart."""
    with standing(workload, quiet=True) as found:
        lease = LeaseWrites(NAME, LEASE, found.folder / "lease.log")
        try:
            _measure(workload, found.controller, found.proxy, lease)
        finally:
            lease.stop()


def _measure(workload: Workload, controller: Process, proxy: Proxy, lease: LeaseWrites) -> None:
    proxy.reset()
    cpu_s, begun = _cpu_s(controller.pid), time.monotonic()
    before, renewals = read_writes(), lease.count()
    memory = []
    while (elapsed_s := time.monotonic() - begun) < workload.interval_s:
        memory.append(_status_mib(controller.pid, "VmRSS"))
        time.sleep(max(0.0, min(5.0, workload.interval_s - elapsed_s)))
    wrote = read_writes() - before
    renewed = lease.count() - renewals
    counts = proxy.counts().get("default", {})
    cores = (_cpu_s(controller.pid) - cpu_s) / elapsed_s
    _report_memory(controller, memory, cores)
    _report_calls(workload, counts, elapsed_s)
    _report_writes(workload, wrote, renewed, elapsed_s)


def _report_memory(controller: Process, memory: list[float], cores: float) -> None:
    greatest = max(memory)
    line("controller-memory", greatest / MEMORY_AIM_MIB, 1.0)
    say(
        f"RSS at most {greatest:.0f} MiB while nothing changed, {MEMORY_AIM_MIB:.0f} MiB aimed at;"
        f" {_status_mib(controller.pid, 'VmHWM'):.0f} MiB at most since the start"
    )
    say(f"CPU {cores:.3f} core")


def _report_calls(workload: Workload, counts: dict[str, int], elapsed_s: float) -> None:
    calls = sum(counts.values())
    line("controller-calls", calls / _intervals(workload, elapsed_s), CALLS_AIM, digits=3)
    each = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    say(
        f"{calls / elapsed_s * 60:.1f} calls a minute ({each} in {elapsed_s:.0f} s) for"
        f" {workload.snapshots} snapshots every {workload.interval_s} s"
    )


def _report_writes(workload: Workload, wrote: Counter[str], renewed: int, elapsed_s: float) -> None:
    writes = sum(wrote.values())
    needed = workload.namespaces * elapsed_s / (workload.budget_s / 4)
    line("controller-writes", writes / needed, WRITES_AIM)
    each = ", ".join(f"{count} {name}" for name, count in sorted(wrote.items())) or "none"
    say(
        f"{writes / elapsed_s * 60:.1f} writes a minute ({each}) in {workload.namespaces}"
        f" namespaces, {writes / _intervals(workload, elapsed_s):.4f} per snapshot and interval;"
        f" and {renewed / elapsed_s * 60:.1f} a minute of the Lease"
    )


def _intervals(workload: Workload, elapsed_s: float) -> float:
    """One for each snapshot and interval."""
    return workload.snapshots * elapsed_s / workload.interval_s


def _status_mib(pid: int, field: str) -> float:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition(f"{field}:")[2].split()[0]) / 1024


def _cpu_s(pid: int) -> float:
    """Of all its threads, since its start."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

"""The agent at rest with 3 secrets: memory and CPU, against a bare `python -I -S` that sleeps."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from demo.image import build_agent_image
from tests.agent.pod import AgentPod, memory_folder, three_secrets, until

IDLE_S = 60.0
SAMPLES = 60
RSS_AIM = 2.2
CPU_AIM_PERCENT = 0.1
SLEEPER = "import time\nwhile True: time.sleep(3600)"


def main() -> int:
    """Prints a line per figure and the figures behind it. Takes a minute."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        image = build_agent_image(Path(folder) / "image")
        pod = AgentPod(Path(folder) / "pod", three_secrets(), image)
        pod.mount_all("value")
        listen = ("--listen", "127.0.0.1:0")
        sleeper = subprocess.Popen([sys.executable, "-I", "-S", "-c", SLEEPER])
        try:
            with pod.start("follow", *listen) as agent:
                until(pod.status)
                _measure(sleeper.pid, agent.process.pid)
        finally:
            sleeper.kill()
            sleeper.wait()
    return 0


def _measure(bare: int, agent: int) -> None:
    time.sleep(1)
    before = {pid: _cpu_s(pid) for pid in (bare, agent)}
    begun = time.monotonic()
    rss: dict[int, list[int]] = {bare: [], agent: []}
    for sample in range(SAMPLES):
        time.sleep(max(0.0, begun + (sample + 1) * IDLE_S / SAMPLES - time.monotonic()))
        for pid, found in rss.items():
            found.append(_rss_kib(pid))
    elapsed_s = time.monotonic() - begun
    bare_kib, agent_kib = statistics.median(rss[bare]), statistics.median(rss[agent])
    percent = {pid: (_cpu_s(pid) - before[pid]) / elapsed_s * 100 for pid in (bare, agent)}
    _line("agent-rss", agent_kib / bare_kib, RSS_AIM)
    print(f"  bare {bare_kib / 1024:.1f} MiB, agent {agent_kib / 1024:.1f} MiB")
    _line("agent-cpu-percent", percent[agent], CPU_AIM_PERCENT)
    print(
        f"  over {elapsed_s:.0f} s idle: bare {percent[bare]:.4f} %, agent {percent[agent]:.4f} %"
    )


def _line(name: str, ratio: float, aim: float) -> None:
    print(f"bench {name} {ratio:.3f} aim {aim} {'ok' if ratio <= aim else 'short'}")


def _rss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _cpu_s(pid: int) -> float:
    """CPU seconds so far, by the scheduler's count if there is one: clock ticks are 10 ms."""
    scheduled = Path(f"/proc/{pid}/schedstat")
    if scheduled.exists():
        return int(scheduled.read_text().split()[0]) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    raise SystemExit(main())

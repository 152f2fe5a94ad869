"""The gate from exec to exit with 3 secrets on tmpfs, against `python -I -S -c pass`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo.image import build_agent_image
from tests.agent.pod import AgentPod, memory_folder, three_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS = 60
AIM = 3.0


def main() -> int:
    """Prints one line and the figures behind it."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        pod = AgentPod(
            Path(folder) / "pod", three_secrets(), build_agent_image(Path(folder) / "image")
        )
        pod.mount_all("value")
        yardstick, subject = [], []
        for _ in range(ROUNDS):
            yardstick.append(_run_s([sys.executable, "-I", "-S", "-c", "pass"]))
            pod.empty_cache()
            subject.append(_run_s(pod.command("gate")))
    base, gate = statistics.median(yardstick), statistics.median(subject)
    verdict = "ok" if gate / base <= AIM else "short"
    print(f"bench gate {gate / base:.2f} aim {AIM} {verdict}")
    print(
        f"  python -I -S -c pass: median {base * 1000:.1f} ms, best {min(yardstick) * 1000:.1f} ms"
    )
    print(f"  gate, 3 secrets: median {gate * 1000:.1f} ms, best {min(subject) * 1000:.1f} ms")
    return 0


def _run_s(argv: Sequence[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    raise SystemExit(main())

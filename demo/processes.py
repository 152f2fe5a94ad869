"""Processes that the demo starts: each leads a group of its own, and each is ended by that group's
id and no other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    Process = subprocess.Popen[bytes]

GRACE_S = 2.0


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    log: Path,
    errors: Path | None = None,
) -> Process:
    """Start a process in `folder` with exactly `env`; what it writes is added to `log`, or its
    standard error to `errors`.
    """
    with log.open("ab") as out, (errors or log).open("ab") as err:
        return subprocess.Popen(
            argv,
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            process_group=0,
        )


def end(processes: Iterable[Process | None]) -> None:
    """SIGTERM to all, a grace time for all of them together, then SIGKILL; each with its whole
    group.
    """
    running = [process for process in processes if process is not None and process.poll() is None]
    for process in running:
        send(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            send(process, signal.SIGKILL)
            process.wait()


def send(process: Process, number: signal.Signals) -> None:
    """Signal a process's group unless it was waited for: its id may be another's by then."""
    if process.poll() is None:
        os.killpg(process.pid, number)

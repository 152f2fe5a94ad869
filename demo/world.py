"""All processes of the story, and the one loop in which it waits for them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.processes import end, send, start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from demo.node_copies import Objects
    from demo.processes import Process
    from demo.runner import Node

ROOT = Path(__file__).parent.parent
TICK_S = 0.01
ANSWERS_S = 30.0
"""A process of ours that has not answered by then won't."""


class Broken(Exception):  # noqa: N818 - a promise, not an error
    """Something did not happen in time; the message says what. Ends the story."""


class World:
    """A folder on tmpfs, the processes in it, and the interrupts that end them.

    A signal only sets a flag, and the loop raises where no process is half started, so that none is
    left behind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        """Of who types commands."""
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.node: Node | None = None
        self.objects: Objects | None = None
        self._processes: dict[str, Process] = {}
        self._closing: list[Callable[[], None]] = []
        self._began = time.monotonic()
        self._interrupted = False

    def listen_to_signals(self) -> None:
        """Ctrl-C, SIGTERM and a closed terminal end the story in order."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)

    def start(
        self, name: str, words: Sequence[str], env: Mapping[str, str] | None = None
    ) -> Process:
        """Start one of our own processes: `python words…`, in the repository."""
        own = {"PATH": os.defpath, "HOME": str(self.folder), "PYTHONUNBUFFERED": "1"}
        process = start(
            [sys.executable, *words],
            env={**own, **(env or {})},
            folder=ROOT,
            log=self.logs / f"{name}.log",
        )
        self._processes[name] = process
        return process

    def run(self, name: str, words: Sequence[str]) -> None:
        """One of our own processes that ends by itself; Broken when it does not end well."""
        process = self.start(name, words)
        self.need(name, lambda: process.poll() is not None, ANSWERS_S)
        self.alive()
        del self._processes[name]

    def send(self, name: str, number: signal.Signals) -> None:
        """Signal one of our own processes."""
        send(self._processes[name], number)

    def elapsed_s(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._began

    def on_close(self, close: Callable[[], None]) -> None:
        """Call it when the story ends, the last one first."""
        self._closing.append(close)

    def announced(self, name: str, event: str) -> dict[str, Any]:
        """The log line `event` by which a process of ours says that it listens, and where."""
        found: list[dict[str, Any]] = []

        def said() -> bool:
            lines = (self.logs / f"{name}.log").read_text().splitlines()
            found.extend(json.loads(line) for line in lines if f'"{event}"' in line)
            return bool(found)

        self.need(f"{name} to listen", said, ANSWERS_S)
        return found[0]

    def processes(self) -> list[int]:
        """The ids of all that runs: services and containers."""
        pods = self.node.pods.values() if self.node is not None else ()
        containers = [each.process for pod in pods for each in (*pod.init, *pod.containers)]
        return [
            process.pid
            for process in (*self._processes.values(), *containers)
            if process is not None and process.poll() is None
        ]

    def alive(self) -> None:
        """Raises Broken when a service has ended."""
        for name, process in self._processes.items():
            if process.poll():
                last = (self.logs / f"{name}.log").read_text().strip().splitlines()[-3:]
                raise Broken(f"{name} ended with {process.returncode}: {' / '.join(last)}")

    def tick(self) -> None:
        """One step of the node; raises KeyboardInterrupt after a signal."""
        if self._interrupted:
            raise KeyboardInterrupt
        if self.node is not None and self.objects is not None:
            for pod in list(self.node.pods.values()):
                now = self.objects.pods.get(pod.namespace, pod.name)
                if now is not None and now is not pod.manifest:
                    self.node.update(pod.name, now)
            self.node.sync()
        time.sleep(TICK_S)

    def wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Steps until `condition`, or for `within_s` seconds; whether it came true."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() >= deadline:
                return False
            self.tick()
        return True

    def need(self, what: str, condition: Callable[[], bool], within_s: float) -> None:
        """As `wait`, and Broken when it does not come true, or when a service has ended."""

        def met() -> bool:
            self.alive()
            return condition()

        if not self.wait(met, within_s):
            raise Broken(f"{what}: not within {within_s:.0f} s")

    def lastgood(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """A command as a user would type it, with `--output json`; its answer."""
        said = f"lastgood {' '.join(words)}"
        log = self.logs / f"lastgood-{time.time_ns()}.out"
        errors = log.with_suffix(".err")
        process = start(
            [sys.executable, "-m", "cli", *words, "--output", "json"],
            env={"PATH": os.defpath, "KUBECONFIG": str(self.kubeconfig)},
            folder=ROOT,
            log=log,
            errors=errors,
        )
        try:
            self.need(said, lambda: process.poll() is not None, ANSWERS_S)
        finally:
            end([process])
        if process.returncode != 0:
            raise Broken(f"{said} exited {process.returncode}: {errors.read_text().strip()}")
        return json.loads(log.read_text())

    def close(self) -> None:
        """End everything, pods first."""
        if self.node is not None:
            self.node.close()
        end(self._processes.values())
        for close in reversed(self._closing):
            close()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted = True

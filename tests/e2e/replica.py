"""The webhook as a process of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tests.make.waiting import PAGE_S, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.admission import Place

Json = dict[str, Any]
IMAGE = "localhost/lastgood-agent:dev"
"""As the chart has it: its policies, where it is installed, accept no other."""


@dataclass(slots=True)
class Webhook:
    """One replica."""

    process: subprocess.Popen[bytes]
    port: int
    lines: list[Json] = field(default_factory=list)

    def follow(self) -> None:
        """Keep its log."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self, name: str) -> list[Json]:
        """The log lines of one event."""
        return [line for line in list(self.lines) if line["event"] == name]

    def get(self, path: str) -> httpx.Response:
        """As a probe does, which verifies no certificate."""
        return httpx.get(f"https://127.0.0.1:{self.port}{path}", verify=False, timeout=5)  # noqa: S501 - as above

    def ready(self) -> bool:
        """Whether its readiness probe holds."""
        with contextlib.suppress(httpx.HTTPError):
            return self.get("/readyz").status_code == 200
        return False

    def metric(self, series: str) -> float:
        """One series, named with its labels."""
        time.sleep(PAGE_S)
        lines = self.get("/metrics").text.splitlines()
        found = next(line for line in lines if line.startswith(f"{series} "))
        return float(found.rpartition(" ")[2])

    def signed_since(self, count: int) -> bool:
        """Whether it has made more than `count` leaves."""
        return len(self.events("certificate.signed")) > count


@contextlib.contextmanager
def webhook(found: Place, port: int, **settings: str) -> Iterator[Webhook]:
    """A replica with the cluster's policies and our own CA."""
    given = {
        "LISTEN": f"127.0.0.1:{port}",
        "AGENT_IMAGE": IMAGE,
        "KUBECONFIG": os.environ["KUBECONFIG"],
        "NAMESPACE": found.system,
        "CONFIGURATION": found.configuration,
        "NAMES": "127.0.0.1",
        "DRAIN_S": "0",
        **settings,
    }
    environment = {f"LASTGOOD_WEBHOOK_{name}": text for name, text in given.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "webhook"],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    replica = Webhook(process, port)
    following = threading.Thread(target=replica.follow, daemon=True)
    following.start()
    try:
        yield replica
    finally:
        process.kill()
        process.wait()
        following.join(5)
        if process.stdout is not None:
            process.stdout.close()

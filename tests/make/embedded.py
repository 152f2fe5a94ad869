"""The embedded system as real processes: the controller on a store in memory, and the command
line.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from contract import layout, plan
from contract.ages import CONFIG_MAP, Entry, from_wire
from contract.names import snapshot_name
from contract.snapshot import META, Meta
from contract.snapshot import from_wire as meta_from_wire
from demo.volume_writer import read
from tests import make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")
MEMORY = Path("/dev/shm")
REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 20.0
PAGE_S = 1.1
"""A page of metrics is at most a second old."""

ACCOUNT = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {{name: files}}
spec:
  provider: file
  file: {{root: {root}}}
  budget: {{callsPerSecond: {rate}, burst: {burst}}}
"""
POLICY = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: ["payments", "orders"]
  sources:
    - {account: files, allow: ["file:/prod/{namespace}/*", "file:/shared/*"], class: steady}
  classes:
    steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h, onExpired: serve}
  limits: {snapshotsPerNamespace: 20}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
---
apiVersion: v1
kind: Namespace
metadata: {name: orders, labels: {lastgood.dev/policy: payments}}
"""


def until(what: str, ready: Callable[[], _T], patience_s: float = PATIENCE_S) -> _T:
    """Looks until `ready` answers something true, and returns that."""
    end = time.monotonic() + patience_s
    while not (found := ready()):
        assert time.monotonic() < end, f"waited {patience_s:g} s for {what}"
        time.sleep(0.02)
    return found


@dataclass
class World:
    """One store with its provider (a folder), its controller, and whoever types commands."""

    root: Path
    files: Path
    process: subprocess.Popen[bytes] | None = None
    logs: list[Path] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    """Of the controller's environment, beside our own."""

    @property
    def store(self) -> Path:
        return self.root / "store"

    def configure(self, *, rate: float = 1000, burst: int = 1000, policy: str = POLICY) -> None:
        """Writes what the admin writes."""
        config = self.store / "config"
        config.mkdir(parents=True, exist_ok=True)
        account = ACCOUNT.format(root=self.files, rate=rate, burst=burst)
        _replace(config / "account.yaml", account.encode())
        _replace(config / "policy.yaml", policy.encode())

    def secret(self, reference: str, value: bytes) -> None:
        """Sets what the provider has."""
        path = self.files / reference.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, value)

    def pod(
        self,
        name: str,
        *references: str,
        namespace: str = "payments",
        account: str = "files",
        provider: str = "file",
        **changes: object,
    ) -> None:
        """Starts a pod, as far as the controller is concerned."""
        planned = [
            make.planned_snapshot(
                make.planned_file(f"s{number}"),
                account=account,
                identity="controller",
                provider=provider,
                reference=reference,
            )
            for number, reference in enumerate(references)
        ]
        args = ["gate", "--plan", plan.to_wire(make.plan(*planned))]
        gate = make.container(layout.GATE, args=args)
        pod = make.pod(name, namespace=namespace, annotations={}, initContainers=[gate]) | changes
        folder = self.store / "pods"
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / f"{namespace}.{name}.json", json.dumps(pod).encode())

    def start(self) -> None:
        """Starts the controller and waits until it serves."""
        self.launch()
        until("the controller", lambda: self.ended() or self.events("controller.restored"))
        assert not self.ended(), self.log()

    def launch(self) -> None:
        """Starts the controller."""
        log = self.root / f"controller-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as out:
            command = [sys.executable, "-m", "controller", "--store", str(self.store)]
            self.process = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0"],
                cwd=REPOSITORY,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.variables},
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends the controller; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def log(self) -> str:
        """Everything that controllers have said, the last one last."""
        return "".join(log.read_text() for log in self.logs)

    def events(self, event: str) -> list[dict[str, Any]]:
        """Log lines of the last controller, by event."""
        found = []
        for line in self.logs[-1].read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [item for item in found if item.get("event") == event]

    def address(self) -> str | None:
        started = self.events("controller.started")
        return str(started[0]["listen"]) if started else None

    def get(self, path: str) -> str:
        """What the controller serves. The page of metrics is made at most once a second, so that it
        is asked for after that.
        """
        if path == "/metrics":
            time.sleep(PAGE_S)
        with urllib.request.urlopen(f"http://{self.address()}{path}", timeout=5) as answer:
            return bytes(answer.read()).decode()

    def calls(self) -> int:
        """Provider calls of the running controller."""
        lines = self.get("/metrics").splitlines()
        counted = [line for line in lines if line.startswith("lastgood_provider_requests_total{")]
        return int(sum(float(line.rpartition(" ")[2]) for line in counted))

    def volume(self, reference: str, namespace: str = "payments") -> dict[str, bytes]:
        """The keys of a snapshot; none when it was never published."""
        return read(self.store / "volumes" / namespace / snapshot_of(reference)) or {}

    def meta(self, reference: str, namespace: str = "payments") -> Meta | None:
        """None: it was never published."""
        raw = self.volume(reference, namespace).get(META)
        return None if raw is None else meta_from_wire(raw)

    def age(self, reference: str, namespace: str = "payments") -> Entry | None:
        """The freshness entry; None: there is none."""
        keys = read(self.store / "volumes" / namespace / CONFIG_MAP) or {}
        raw = keys.get(snapshot_of(reference))
        return None if raw is None else from_wire(raw)

    def serves(self, reference: str, value: bytes, namespace: str = "payments") -> None:
        """Waits until that is what pods are given, and its age is written."""
        until(
            f"{reference} to be served",
            lambda: (
                self.volume(reference, namespace).get("value") == value
                and (entry := self.age(reference, namespace)) is not None
                and entry.served is not None
            ),
        )

    def lastgood(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Types a command; its exit code has to be `code`."""
        done = self.command(*words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Types a command."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=REPOSITORY,
            env={**os.environ, "LASTGOOD_STORE": str(self.store)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def status(self, reference: str) -> dict[str, Any]:
        """What `lastgood status` says of one snapshot to programs."""
        shown = self.lastgood("status", f"file:{reference}", "-n", "payments", "--output", "json")
        found: dict[str, Any] = json.loads(shown.stdout)[0]
        return found


def snapshot_of(reference: str) -> str:
    """The snapshot's name of a file."""
    return snapshot_name("files", "controller", "file", reference)


@pytest.fixture
def store_root() -> Iterator[Path]:
    """A folder of its own on tmpfs."""
    root = Path(tempfile.mkdtemp(prefix="lastgood-test-", dir=MEMORY))
    yield root
    shutil.rmtree(root)


@pytest.fixture
def world(store_root: Path) -> Iterator[World]:
    """A configured store whose controller is not started yet, and is ended with the test."""
    made = World(root=store_root, files=store_root / "provider")
    made.files.mkdir()
    made.configure()
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.rename(path)

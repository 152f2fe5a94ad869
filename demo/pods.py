"""A pod of the runner, and its containers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from demo.processes import Process


@dataclass
class ContainerProcess:
    """One container and its process."""

    spec: Mapping[str, Any]
    sidecar: bool = False
    process: Process | None = None
    started_at: float | None = None
    """Of its last start, in seconds since the epoch; None: it never ran."""
    restarts: int = 0
    not_before: float | None = None

    @property
    def code(self) -> int | None:
        """Its last exit code; None: it runs, or never ran."""
        return None if self.process is None else self.process.poll()

    @property
    def done(self) -> bool:
        """It ran and ended well."""
        return self.code == 0


@dataclass
class PodProcesses:
    """One pod of the node. `phase` is Pending, Running, Succeeded or Failed, as in the API."""

    manifest: Mapping[str, Any]
    folder: Path
    ip: str
    created: float
    init: list[ContainerProcess] = field(default_factory=list)
    containers: list[ContainerProcess] = field(default_factory=list)
    phase: str = "Pending"
    waiting: str | None = None
    """Why its containers can't be made yet."""
    volumes_ready: bool = False
    synced: float = 0.0

    @property
    def name(self) -> str:
        name: str = self.manifest["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        namespace: str = self.manifest["metadata"]["namespace"]
        return namespace

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.manifest["spec"]
        return spec

    @property
    def progress(self) -> object:
        """Another one after each change that its status tells of."""
        return self.phase, [(each.started_at, each.code) for each in (*self.init, *self.containers)]

    def volume(self, name: str) -> Path:
        """The folder of one of its volumes."""
        return self.folder / "volumes" / name

    def log(self, container: str) -> str:
        """What a container wrote so far."""
        path = self.folder / f"{container}.log"
        return path.read_text() if path.exists() else ""

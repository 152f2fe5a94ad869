"""What the installation takes from the environment, read once."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chart.rendering import helm
from tests.make import waiting

if TYPE_CHECKING:
    from collections.abc import Mapping

KUBECONFIG = "KUBECONFIG"
REPOSITORY = "LASTGOOD_E2E_REPOSITORY"
TAG = "LASTGOOD_E2E_TAG"
LOGS = "LASTGOOD_E2E_LOGS"
NODE = "LASTGOOD_E2E_NODE_FOLDER"
CLUSTER = "LASTGOOD_E2E_CLUSTER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A cluster that is the tests' alone, and the images that its nodes can start."""

    repository: str
    """What comes before `agent`, `webhook`, `controller` and `provider`."""
    tag: str
    logs: str
    """A folder for the logs of what failed."""
    node_folder: str | None
    """Where the cluster's processes keep their files and their ids, when the node is this
    machine."""
    up: str | None
    """The command that starts what of this machine's cluster does not run."""

    def image(self, name: str) -> str:
        return f"{self.repository}{name}:{self.tag}"


def load(environment: Mapping[str, str]) -> Settings | str:
    """The settings, or why there are none."""
    for name in (KUBECONFIG, REPOSITORY):
        if not environment.get(name):
            return f"needs a cluster of its own (make e2e): {name} is not set"
    if helm() is None or shutil.which("kubectl") is None:
        return "needs helm and kubectl"
    return Settings(
        repository=environment[REPOSITORY],
        tag=environment.get(TAG) or "e2e",
        logs=environment.get(LOGS) or "build/e2e",
        node_folder=environment.get(NODE) or _beside(environment[KUBECONFIG]),
        up=_up(environment.get(CLUSTER)),
    )


def _beside(kubeconfig: str) -> str | None:
    """The folder of a kubeconfig, if a cluster of this machine keeps its state there."""
    folder = Path(kubeconfig).absolute().parent
    return str(folder) if (folder / "pid" / "kubelet").exists() else None


def _up(cluster: str | None) -> str | None:
    folder = Path(cluster) if cluster else waiting.REPOSITORY.parent / "shared" / "cluster"
    return shutil.which("up", path=str(folder.absolute()))


def from_environment() -> Settings | str:
    """As `load`, from this process's environment."""
    return load(os.environ)

"""One image for all tests of the agent, and pods on tmpfs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.image import build_agent_image
from tests.agent.pod import AgentPod, memory_folder, three_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contract.plan import Plan


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is /opt/lastgood in the image."""
    return build_agent_image(tmp_path_factory.mktemp("agent") / "image")


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder on tmpfs."""
    found = Path(tempfile.mkdtemp(dir=memory_folder(), prefix="lastgood-test-"))
    yield found
    shutil.rmtree(found)


@pytest.fixture
def new_pod(folder: Path, image: Path) -> Callable[[Plan], AgentPod]:
    """Makes a pod for a plan."""
    return lambda plan: AgentPod(folder / "pod", plan, image)


@pytest.fixture
def pod(new_pod: Callable[[Plan], AgentPod]) -> AgentPod:
    """A pod with three secrets, of which nothing is mounted yet."""
    return new_pod(three_secrets())

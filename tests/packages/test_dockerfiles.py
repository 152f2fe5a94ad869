"""What the images are built from: each of our packages that a process imports, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PROJECT["tool"]["importlinter"]["root_packages"]
IMAGES = [
    ("webhook", "Dockerfile.webhook", "build"),
    ("controller", "Dockerfile.agent", "controller-build"),
    ("agent", "Dockerfile.agent", "agent-build"),
]


def _stage(dockerfile: str, name: str) -> str:
    stages = re.split(r"^(?=FROM )", (ROOT / dockerfile).read_text(), flags=re.MULTILINE)
    (found,) = [text for text in stages if re.match(rf"FROM \S+ AS {name}\n", text)]
    return found


def _copied(stage: str) -> set[str]:
    return set(re.findall(r"^COPY (\w+) /slim/opt/lastgood/\1$", stage, flags=re.MULTILINE))


@pytest.mark.parametrize(("process", "dockerfile", "stage"), IMAGES)
def test_an_image_has_the_packages_that_its_process_imports(
    process: str, dockerfile: str, stage: str
) -> None:
    """A package that is missing is found when the image is built, which few changes do."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    modules = [process, *graph.find_descendants(process)]
    needed = {it for module in modules for it in graph.find_upstream_modules(module)}
    assert _copied(_stage(dockerfile, stage)) == {process, *(it.split(".")[0] for it in needed)}


@pytest.mark.parametrize(("process", "dockerfile", "stage"), IMAGES)
def test_what_is_copied_is_compiled_and_let_through(
    process: str, dockerfile: str, stage: str
) -> None:
    """`.dockerignore` names what a builder sees, and a read-only root file system keeps no byte
    code.
    """
    text = _stage(dockerfile, stage)
    seen = (ROOT / ".dockerignore").read_text().splitlines()
    copied = _copied(text)
    assert {f"!{name}" for name in copied} <= set(seen)
    (compiled,) = re.findall(r"compileall .* -s /slim (.*)", text)
    if process != "agent":
        assert set(compiled.split()) == {"__main__.py", *copied}

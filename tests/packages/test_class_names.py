"""One class name, one idea: a reader who knows a name knows what it stands for everywhere."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
ONE_PER_PROCESS = {
    "Informers": "the copies that a process keeps of cluster objects",
    "Settings": "what a process reads once from its environment",
    "Telemetry": "the metrics and log lines of a process",
}
"""The same idea in several processes, which may not import each other."""


def _product() -> list[Path]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def _classes(source: str) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]


def _shared() -> dict[str, list[str]]:
    """Modules by the name of a class that several of them have."""
    found = defaultdict(list)
    for path in _product():
        for name in _classes(path.read_text()):
            found[name.lstrip("_")].append(str(path.relative_to(ROOT)))
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_class_name_stands_for_two_things() -> None:
    """Private classes count too, without the underscore."""
    unexpected = {name: it for name, it in _shared().items() if name not in ONE_PER_PROCESS}
    assert not unexpected, "rename one of each"


def test_exceptions_are_one_class_per_process() -> None:
    """Each is still needed, and no process has two."""
    shared = _shared()
    assert set(ONE_PER_PROCESS) <= set(shared)
    for name in ONE_PER_PROCESS:
        packages = [place.partition("/")[0] for place in shared[name]]
        assert len(packages) == len(set(packages)), name

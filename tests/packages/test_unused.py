"""Nothing of the product is there that the product does not use."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from providers.registry import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS: list[str] = PROJECT["tool"]["coverage"]["run"]["source"]
TREES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text())
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
}
KEPT = {"kube.config.__all__", "kube.kubernetes_client.__all__"} | {
    f"providers.{name}.source.__init__.{read}"
    for name in PROVIDERS
    for read in ("open_source", "__all__")
}
"""Read by Python itself, or by `providers.open_source` under a name that it makes."""


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that a module makes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def used(module: str, tree: ast.Module) -> Iterator[str]:
    """The names that a module reads, each with the module that made it."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            modules |= {it.asname or it.name: f"{node.module}.{it.name}" for it in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield f"{module}.{node.id}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{modules.get(node.value.id)}.{node.attr}"


USED = {name for module, tree in TREES.items() for name in used(module, tree)}


@pytest.mark.parametrize("module", TREES)
def test_each_name_of_a_module_is_used(module: str) -> None:
    """A function, a class or a constant that only tests know is theirs to keep."""
    mine = {f"{module}.{name}" for name in defined(TREES[module])}
    assert mine - USED - KEPT == set()

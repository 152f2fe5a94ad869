"""What says that it is pure is checked to be so, and the other way round."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
WHOLE = {"contract", "schema"}
"""Packages that are listed as such: all of their modules are pure, and none says so."""


def _listed() -> list[str]:
    """The source modules of the import-linter's contract."""
    contracts = PROJECT["importlinter"]["contracts"]
    (contract,) = [it for it in contracts if it["name"].startswith("the pure core")]
    found: list[str] = contract["source_modules"]
    return found


def _docstrings() -> dict[str, str]:
    """Of each module of the product."""
    found = {}
    for package in PROJECT["hatch"]["build"]["targets"]["wheel"]["packages"]:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name] = ast.get_docstring(ast.parse(path.read_text())) or ""
    return found


def _is_meant(pattern: str, module: str) -> bool:
    """`*` stands for one part of a name, as in import-linter."""
    if pattern in WHOLE and module.startswith(f"{pattern}."):
        return True
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+"), module))


def _says_so(docstring: str) -> bool:
    return re.search(r"(^|\s)Pure[.:,;]", docstring) is not None


def test_what_says_that_it_is_pure_is_listed() -> None:
    """Or nothing would notice its first clock."""
    listed = _listed()
    pure = {name for name, text in _docstrings().items() if _says_so(text)}
    missing = {it for it in pure if not any(_is_meant(pattern, it) for pattern in listed)}
    assert missing == set()


def test_what_is_listed_says_that_it_is_pure() -> None:
    """Or its next author would not know. Each entry also means a module that there is."""
    docstrings = _docstrings()
    for pattern in sorted(set(_listed()) - WHOLE):
        meant = {name: text for name, text in docstrings.items() if _is_meant(pattern, name)}
        assert meant, pattern
        assert {name for name, text in meant.items() if not _says_so(text)} == set()

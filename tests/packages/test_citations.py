"""What code and pages send a reader to is there; `make check` follows the links of pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SUFFIXES = {".py", ".md", ".yaml", ".toml", ".txt", ".json", ""}
FOREIGN = ("../shared/", "://")
"""Not in this repository: by its own path, or a URL."""
PAGES = sorted(
    path
    for path in ROOT.rglob("*")
    if path.suffix in SUFFIXES
    and path.is_file()
    and not any(part.startswith(".") or part in {"dist", "build", "locks"} for part in path.parts)
)
CONTRACT = ROOT / "docs" / "contract.md"
HEADINGS = set(re.findall(r"^## (.*)$", CONTRACT.read_text(), flags=re.MULTILINE))


def unwrapped(path: Path) -> str:
    """A file's text in one line, without the marks that begin a comment's lines."""
    return re.sub(r"\s*\n\s*#?\s*", " ", path.read_text(errors="replace"))


def missing(path: Path) -> Iterator[str]:
    """What a file cites that is not there."""
    text = unwrapped(path)
    for name in re.findall(r"[\w:/.-]+\.md\b", text):
        known = any((base / name).exists() for base in (ROOT, path.parent, ROOT / "docs"))
        if not known and not any(mark in name for mark in FOREIGN):
            yield name
    for number in re.findall(r"docs/design/(\d{3})\b", text):
        if not [*(ROOT / "docs" / "design").glob(f"{number}-*.md")]:
            yield number
    for heading in re.findall(r'docs/contract\.md, "([^"]*)"', text):
        if heading not in HEADINGS:
            yield heading


@pytest.mark.parametrize("folder", sorted({path.relative_to(ROOT).parts[0] for path in PAGES}))
def test_what_is_cited_is_there(folder: str) -> None:
    """Pages by name, decisions by number, and the contract's headings."""
    inside = [path for path in PAGES if path.relative_to(ROOT).parts[0] == folder]
    found = {str(path.relative_to(ROOT)): [*missing(path)] for path in inside}
    assert {name: items for name, items in found.items() if items} == {}

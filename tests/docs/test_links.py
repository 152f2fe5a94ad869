"""A link that leads nowhere is found, in the ways that links go wrong."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

OTHER = "# One\n\n## `code` and [a link](x.md): it's 1.0!\n\n## One\n\n```\n# in a block\n```\n"


@pytest.fixture(scope="module")
def links() -> ModuleType:
    """docs/links.py, which is a program and in no package."""
    spec = importlib.util.spec_from_file_location("links", REPOSITORY / "docs" / "links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](other.md)", []),
        ("[a](other.md#one) [b](#here)\n\n# Here", []),
        ("[a](other.md#one-1)", []),
        ("[a](other.md#code-and-a-link-its-10)", []),
        ("[a](https://example.com/none.md)", []),
        ("`[a](none.md)`\n\n```\n[a](none.md)\n```\n", []),
        ("[a](none.md)", ["none.md: there is no such file"]),
        ("[a](other.md#two)", ["other.md#two: there is no such heading"]),
        ("[a](other.md#in-a-block)", ["other.md#in-a-block: there is no such heading"]),
        ("[a](#there)", ["#there: there is no such heading"]),
        (
            "see [a](none.md), [b](../none)",
            ["none.md: there is no such file", "../none: there is no such file"],
        ),
    ],
)
def test_links(links: ModuleType, tmp_path: Path, text: str, found: list[str]) -> None:
    """What is in code is no link, and addresses elsewhere are not followed."""
    (tmp_path / "other.md").write_text(OTHER, encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert list(links.broken(page)) == found

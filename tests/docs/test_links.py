"""A link that leads nowhere is found, in the ways that links go wrong."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

OTHER = "# One\n\n## `code` and [a link](x): it's 1.0!\n\n## One\n\n```\n# in a block\n```\n"


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
        ("[a](other.markdown)", []),
        ("[a](other.markdown#one) [b](#here)\n\n# Here", []),
        ("[a](other.markdown#one-1)", []),
        ("[a](other.markdown#code-and-a-link-its-10)", []),
        ("[a](https://example.com/none.markdown)", []),
        ("`[a](none.markdown)`\n\n```\n[a](none.markdown)\n```\n", []),
        ("[a](none.markdown)", ["none.markdown: there is no such file"]),
        ("[a](other.markdown#two)", ["other.markdown#two: there is no such heading"]),
        ("[a](other.markdown#in-a-block)", ["other.markdown#in-a-block: there is no such heading"]),
        ("[a](#there)", ["#there: there is no such heading"]),
        (
            "see [a](none.markdown), [b](../none)",
            ["none.markdown: there is no such file", "../none: there is no such file"],
        ),
    ],
)
def test_links(links: ModuleType, tmp_path: Path, text: str, found: list[str]) -> None:
    """What is in code is no link, and addresses elsewhere are not followed."""
    (tmp_path / "other.markdown").write_text(OTHER, encoding="utf-8")
    page = tmp_path / "page.markdown"
    page.write_text(text, encoding="utf-8")
    assert list(links.broken(page)) == found

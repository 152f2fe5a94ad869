"""`python docs/links.py`: every relative link of every Markdown file leads to a file, and its
anchor to a heading there. Prints each that does not, and exits 1 then.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere. Links with a scheme are not followed."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, hash_sign, anchor = link.partition("#")
        target = page if not path else (page.parent / path)
        if not target.exists():
            yield f"{link}: there is no such file"
        elif hash_sign and anchor not in anchors(target):
            yield f"{link}: there is no such heading"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them (github-slugger)."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (unique := slug if number == 0 else f"{slug}-{number}") in found:
            number += 1
        found.add(unique)
    return found


def pages(root: Path) -> list[Path]:
    """The Markdown files that git knows, or would add."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True)
    return [path for name in done.stdout.splitlines() if (path := root / name).is_file()]


def main() -> int:
    """0: every link is right."""
    found = [f"{page.relative_to(ROOT)}: {what}" for page in pages(ROOT) for what in broken(page)]
    print("\n".join(found) or f"{len(pages(ROOT))} pages: every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes the demo's table into README, from the data file that `make pictures` has written."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from demo.report import table  # noqa: E402 - run as a file, so the root is not on the path yet
from demo.start_times import DATA, decode  # noqa: E402

FENCE = "```\n"


def with_table(readme: str, data: str) -> str:
    """README with the table of a data file, in its only block without a language."""
    start = readme.index(f"\n{FENCE}step ") + 1 + len(FENCE)
    end = readme.index(FENCE, start)
    return f"{readme[:start]}{table(decode(data))}\n{readme[end:]}"


if __name__ == "__main__":
    page = ROOT / "README.md"
    data = (ROOT / "docs" / "pictures" / DATA).read_text()
    page.write_text(with_table(page.read_text(), data))

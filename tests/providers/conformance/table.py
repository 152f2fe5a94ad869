"""The generated part of docs/providers/README.md: what each source reports of each behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.providers.conformance.behaviours import SECTIONS
from tests.providers.conformance.registry import STORES
from tests.providers.conformance.store import NotApplicable

if TYPE_CHECKING:
    from tests.providers.conformance.behaviour import Behaviour, Section
    from tests.providers.conformance.store import Reports, Store

BEGIN = "<!-- begin: generated -->"
END = "<!-- end: generated -->"


def reported(store: type[Store], behaviour: Behaviour) -> Reports:
    """What the table says in one cell, and its test checks."""
    return store.reports.get(behaviour.name, behaviour.expects)


def with_tables(page: str) -> str:
    """The page with its generated part as it should be. ValueError: it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    return "\n".join([before + begin, "", _servers(), *map(_section, SECTIONS), end + after])


def _servers() -> str:
    """What each store runs against."""
    found: dict[str, list[str]] = {}
    for store in STORES:
        found.setdefault(store.server, []).append(f"`{store.title}`")
    lines = [f"* {', '.join(titles)}: {server}" for server, titles in found.items()]
    return "\n".join(["The tests run against:", "", *lines, ""])


def _section(section: Section) -> str:
    servers = [f"`{store.title}`" for store in STORES]
    lines = [
        f"### {section.title}",
        "",
        _row(["", *servers]),
        _row(["---"] * (len(STORES) + 1)),
        *(_row([f"**{row.name}**. {row.about}", *_cells(row)]) for row in section.rows),
        "",
    ]
    return "\n".join(lines)


def _cells(row: Behaviour) -> list[str]:
    return [_cell(reported(store, row)) for store in STORES]


def _cell(it: Reports) -> str:
    if isinstance(it, NotApplicable):
        return f"not applicable: {it.why}"
    return f"{it.word} ({it.note})" if it.note else str(it.word)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""The story's start times as a picture: an SVG chart, and the data file that it is drawn from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from demo.report import CheckedPromise, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

DATA = "start-times.json"
CHART = "start-times.svg"
FETCHING = "the same app, fetching at start"
LABELS = {
    "provider healthy": "The secret store works",
    "provider black-holed": "The store does not answer for 10 seconds",
    "and the controller stopped": "The store does not answer, the controller is stopped",
    "OpenBao black-holed": "Another store (OpenBao) does not answer",
    "provider: denied": "The store denies access",
    "provider: throttled": "The store throttles",
    "provider: empty": "The store returns an empty value",
}
"""What the chart calls the steps that it shows. All others are left out."""
WIDTH = 480
"""Narrow, so that a phone shows the text at a readable size. Units are pixels of the SVG."""
MARGIN = 16
PLOT = 230
"""The length of the longest bar. The rest of the line is for the words after it."""
BAR = 12
STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}"
    ".label{font-size:14px}.title{font-size:16px;font-weight:600}"
    ".ground{fill:#fff;stroke:#d1d9e0}.ours{fill:#0969da}.theirs{fill:#bc4c00}"
    ".slowest{stroke:#1f2328;stroke-width:2}.note{fill:#59636e}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.ground{fill:#0d1117;stroke:#3d444d}"
    ".ours{fill:#58a6ff}.theirs{fill:#f0883e}.slowest{stroke:#f0f6fc}"
    ".note{fill:#9198a1}}"
)


@dataclass(frozen=True, slots=True)
class Group:
    """The bars under one label."""

    label: str
    ours: Row
    theirs: Row | None
    """None: the app that fetches was not started in this step."""


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write data file and chart of a story into an existing or new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = encode(rows)
    (folder / DATA).write_text(text)
    (folder / CHART).write_text(chart(decode(text)))


def encode(rows: Iterable[Row]) -> str:
    """The rows as JSON, one line per row. Times are in seconds, with milliseconds."""
    lines = [
        json.dumps(
            {
                "step": row.step,
                "pods": row.pods,
                "ready_s": [round(value, 3) for value in row.seconds],
                "provider_calls": row.calls,
                "age_s": None if row.age_s is None else round(row.age_s, 1),
                "state": row.state,
                "kept": sorted({check.promise for check in row.checks if check.kept}),
                "broken": sorted({check.promise for check in row.checks if not check.kept}),
            }
        )
        for row in rows
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def decode(text: str) -> list[Row]:
    """The rows of a data file. Their checks have no sentences."""
    return [
        Row(
            step=found["step"],
            pods=found["pods"],
            seconds=found["ready_s"],
            calls=found["provider_calls"],
            age_s=found["age_s"],
            state=found["state"],
            checks=[
                CheckedPromise(promise=promise, what="", kept=word == "kept")
                for word in ("kept", "broken")
                for promise in found[word]
            ],
        )
        for found in json.loads(text)
    ]


def groups(rows: Iterable[Row]) -> list[Group]:
    """The steps that are shown. An app that fetches belongs to the last step without indent."""
    found: dict[str, Group] = {}
    main = ""
    for row in rows:
        step = row.step.strip()
        if step == FETCHING and main in found:
            found[main] = Group(found[main].label, found[main].ours, row)
        elif step in LABELS:
            found[step] = Group(LABELS[step], row, None)
        if row.step == step:
            main = step
    return list(found.values())


def value(row: Row) -> str:
    """The words after a bar."""
    if not row.seconds:
        return "does not start"
    text = f"{median(row.seconds):.1f} s"
    if len(row.seconds) < row.pods:
        return f"{text}, {row.pods - len(row.seconds)} of {row.pods} do not start"
    return text if row.pods == 1 else f"{text}, slowest {max(row.seconds):.1f} s"


def chart(rows: Iterable[Row]) -> str:
    """The SVG, the same for the same rows. Its colours follow the reader's light or dark mode."""
    shown = groups(rows)
    bars = [row for group in shown for row in (group.ours, group.theirs) if row is not None]
    longest_s = max((max(row.seconds) for row in bars if row.seconds), default=1.0) or 1.0
    parts = [
        _text(MARGIN, 30, "Seconds until a new pod's app has logged in", "title"),
        f'<rect class="ours" x="{MARGIN}" y="44" width="12" height="12"/>',
        _text(MARGIN + 18, 54, "with lastgood", ""),
        f'<rect class="theirs" x="{MARGIN + 130}" y="44" width="12" height="12"/>',
        _text(MARGIN + 148, 54, "the same app, fetches its secret at start", ""),
    ]
    top = 84
    for group in shown:
        parts.append(_text(MARGIN, top, group.label, "label"))
        top += 8
        for row, kind in ((group.ours, "ours"), (group.theirs, "theirs")):
            if row is not None:
                parts += _bar(row, kind, top, PLOT / longest_s)
                top += BAR + 5
        top += 21
    parts.append(_text(MARGIN, top, "Bar: median. Mark: slowest pod. All on one machine.", "note"))
    height = top + 14
    sentences = [f"{group.label}: {_spoken(group)}." for group in shown]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
                f' viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc">'
            ),
            '<title id="title">Start times of pods, with lastgood and without</title>',
            f'<desc id="desc">{escape(" ".join(sentences))}</desc>',
            f"<style>{STYLE}</style>",
            (
                f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}"'
                ' rx="6"/>'
            ),
            *parts,
            "</svg>\n",
        ]
    )


def _spoken(group: Group) -> str:
    ours = f"with lastgood {value(group.ours)}"
    return ours if group.theirs is None else f"{ours}; fetching at start {value(group.theirs)}"


def _bar(row: Row, kind: str, top: int, scale: float) -> list[str]:
    """A bar up to the median, a mark at the slowest pod, and the words after both. `scale`: pixels
    per second.
    """
    length = slowest = 1.0
    if row.seconds:
        length, slowest = (
            max(1.0, each * scale) for each in (median(row.seconds), max(row.seconds))
        )
    middle = top + BAR / 2
    parts = [
        f'<rect class="{kind}" x="{MARGIN}" y="{top}" width="{length:.1f}" height="{BAR}"/>',
        _text(round(MARGIN + slowest + 7), top + BAR - 2, value(row), ""),
    ]
    if len(row.seconds) > 1:
        end = MARGIN + slowest
        parts.append(
            f'<path class="slowest" d="M{MARGIN + length:.1f} {middle}H{end:.1f}M{end:.1f}'
            f' {top + 1}V{top + BAR - 1}"/>'
        )
    return parts


def _text(left: int, base: int, words: str, kind: str) -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text{attribute} x="{left}" y="{base}">{escape(words)}</text>'

"""The chart of the start times shows what the demo measured, in every mode and at every value."""

from __future__ import annotations

import importlib.util
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

import pytest

from demo import start_times
from demo.report import Row, table
from demo.start_times import CHART, DATA, LABELS, chart, decode, encode, groups, value
from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

PICTURES = REPOSITORY / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"
CHARACTER = 0.62
"""The width of a character of a sans-serif font, as a part of its size, with some reserve."""
SIZES = {"title": 16, "label": 14}


def _parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own picture


class Box(NamedTuple):
    """Where something is drawn."""

    left: float
    top: float
    right: float
    bottom: float
    what: str


def _boxes(picture: str) -> list[Box]:
    """Of all texts and filled bars, with the words' widths rather too large."""
    found = []
    for element in _parsed(picture):
        kind = element.get("class", "")
        left = float(element.get("x", "0"))
        if element.tag == f"{SVG}text":
            size, base = SIZES.get(kind, 12), float(element.attrib["y"])
            words = element.text or ""
            right = left + len(words) * size * CHARACTER
            found.append(Box(left, base - size * 0.8, right, base + size * 0.22, words))
        elif element.tag == f"{SVG}rect" and kind != "ground":
            top = float(element.attrib["y"])
            width, height = float(element.attrib["width"]), float(element.attrib["height"])
            found.append(Box(left, top, left + width, top + height, kind))
        elif element.tag == f"{SVG}path":
            drawn = re.fullmatch(
                r"M([\d.]+) [\d.]+H([\d.]+)M[\d.]+ ([\d.]+)V([\d.]+)", element.attrib["d"]
            )
            assert drawn is not None
            start, end, upper, lower = (float(each) for each in drawn.groups())
            found.append(Box(start + 0.2, upper, end + 1, lower, "mark"))
    return found


def _story(ours: Sequence[float], theirs: Sequence[float], pods: int = 20) -> list[Row]:
    rows = [Row(step=step, pods=pods, seconds=ours, calls=0) for step in LABELS]
    rows.insert(1, Row(step=f"  {start_times.FETCHING}", pods=pods, seconds=theirs, calls=20))
    return rows


def test_the_picture_is_what_the_committed_figures_give() -> None:
    """`make pictures` renews both. A change of the drawing alone needs no new run."""
    assert (PICTURES / CHART).read_text() == chart(decode((PICTURES / DATA).read_text()))


def test_the_readme_has_the_table_of_the_same_run() -> None:
    """Picture and table never tell two stories."""
    where = REPOSITORY / "docs" / "readme_table.py"
    spec = importlib.util.spec_from_file_location("readme_table", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    readme, data = (REPOSITORY / "README.md").read_text(), (PICTURES / DATA).read_text()
    assert module.with_table(readme, data) == readme
    other = encode([Row(step="another run", pods=1, seconds=[1.0])])
    assert "another run" in module.with_table(readme, other)


def test_the_committed_story_has_every_step_of_the_chart() -> None:
    """A step that was renamed would vanish from the picture."""
    shown = groups(decode((PICTURES / DATA).read_text()))
    assert sorted(group.label for group in shown) == sorted(LABELS.values())
    assert [group.theirs is not None for group in shown[:2]] == [True, True]


def test_the_data_keeps_what_the_table_shows() -> None:
    """Times, ages, kept and broken promises."""
    row = Row(step="  a", pods=3, seconds=[1.0, 2.5], calls=0, age_s=9.6, state="fresh")
    row.check("P1", "started", kept=True)
    row.check("P2", "2 of 3", kept=False)
    assert table(decode(encode([row]))) == table([row])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([0.1, 0.2], [13.0, 13.4]),
        ([13.0, 13.4], [0.1, 0.2]),
        ([], [12.0]),
        ([], []),
        ([0.0], [0.0]),
        ([1.0], [1.0] * 19),
        ([0.001] * 20, [99999.0] * 20),
        ([1.0] * 10 + [300.0] * 10, [0.0] * 19 + [300.0]),
    ],
)
def test_nothing_overlaps_at_any_values(ours: list[float], theirs: list[float]) -> None:
    """Also where pods do not start. All is inside the picture."""
    picture = chart(_story(ours, theirs))
    boxes = _boxes(picture)
    assert len(boxes) > 2 * len(LABELS)
    for one, other in itertools.combinations(boxes, 2):
        if {one.what, other.what} <= {"ours", "theirs", "mark"} and "mark" in {
            one.what,
            other.what,
        }:
            continue  # the mark belongs to its bar
        apart = one.right <= other.left or other.right <= one.left
        assert apart or one.bottom <= other.top or other.bottom <= one.top, (one, other)
    root = _parsed(picture)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in boxes:
        assert 0 <= box.left <= box.right <= width, box
        assert 0 <= box.top <= box.bottom <= height, box


@pytest.mark.parametrize(
    ("seconds", "pods", "words"),
    [
        ([], 2, "does not start"),
        ([1.0], 2, "1.0 s, 1 of 2 do not start"),
        ([1.0], 1, "1.0 s"),
        ([1.0, 2.0, 6.0], 3, "2.0 s, slowest 6.0 s"),
    ],
)
def test_words_beside_a_bar(seconds: list[float], pods: int, words: str) -> None:
    """Pods that did not start are never hidden by a median of the others."""
    assert value(Row(step="s", pods=pods, seconds=seconds)) == words


def test_a_bars_length_is_its_median() -> None:
    """On one scale for all."""
    root = _parsed(chart(_story([2.0] * 20, [8.0] * 20)))
    bars = [each for each in root.iter(f"{SVG}rect") if each.get("height") == str(start_times.BAR)]
    lengths = {each.attrib["class"]: float(each.attrib["width"]) for each in bars[2:]}
    assert lengths["theirs"] == pytest.approx(start_times.PLOT)
    assert lengths["ours"] == pytest.approx(start_times.PLOT / 4)


def test_screen_readers_get_all_figures() -> None:
    """As sentences in the description, which the picture refers to."""
    root = _parsed(chart(_story([1.0] * 20, [])))
    names = [root.find(f"{SVG}title"), root.find(f"{SVG}desc")]
    assert root.attrib["role"] == "img"
    ids = [each.attrib["id"] for each in names if each is not None]
    assert root.attrib["aria-labelledby"].split() == ids
    described = root.findtext(f"{SVG}desc") or ""
    assert (
        "works: with lastgood 1.0 s, slowest 1.0 s; fetching at start does not start." in described
    )
    for label in LABELS.values():
        assert label in described


def test_text_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a label is, the picture is well-formed, and shows the label."""
    monkeypatch.setitem(start_times.LABELS, "provider healthy", 'a < b & "c" </text>')
    picture = chart(_story([1.0], [1.0]))
    words = [each.text for each in _parsed(picture).iter(f"{SVG}text")]
    assert 'a < b & "c" </text>' in words


def test_light_and_dark_have_contrast_of_their_own() -> None:
    """The picture has its own background in both modes, and 4.5 to 1 for words on it."""
    light, dark = start_times.STYLE.split("@media(prefers-color-scheme:dark)")
    for style in (light, dark):
        ground = re.findall(r"\.ground\{fill:(#\w+)", style)[0]
        for words in re.findall(r"(?:text|\.note)\{[^}]*?fill:(#\w+)", style):
            assert _contrast(words, ground) >= 4.5
        for bar in re.findall(r"\.(?:ours|theirs)\{fill:(#\w+)", style):
            assert _contrast(bar, ground) >= 3


def _contrast(one: str, other: str) -> float:
    """Of two colours, as WCAG 2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

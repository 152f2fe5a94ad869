"""Commands that change nothing, against one controller at work: mistakes, and what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.make.cluster import configured, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.make.cluster import World

DB, ONCE = "/prod/payments/db", "/prod/payments/once"
SOURCE = f"file:{DB}"


@pytest.fixture(scope="module")
def still(certificates: Path) -> Iterator[World]:
    """DB went from `one` to `two`; ONCE has one version. No test changes anything."""
    with configured(certificates) as world:
        for reference in (DB, ONCE):
            world.secret(reference, b"one")
        world.pod("api-1", DB)
        world.pod("api-2", DB, ONCE)
        world.start()
        for reference in (DB, ONCE):
            world.serves(reference, b"one")
        world.secret(DB, b"two")
        world.refresh(DB)
        yield world


@pytest.fixture(autouse=True)
def unchanged(still: World) -> Iterator[None]:
    """The spec of both is as it was, and so is what pods are given."""
    before = [_kept(still, reference) for reference in (DB, ONCE)]
    yield
    assert [_kept(still, reference) for reference in (DB, ONCE)] == before


def _kept(world: World, reference: str) -> object:
    return world.snapshot(reference)["spec"], world.volume(reference)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("revoke", SOURCE, "nope"), 'there is no version "nope"; nothing was changed; known'),
        (("unpin", SOURCE), "it is not pinned; nothing was changed"),
        (("status", "file:/prod/payments/bd"), f'did you mean "{SOURCE}"?'),
        (("pin", "lg-", "x"), 'there is no snapshot "lg-"'),
        (("status", "-n", "paymints", SOURCE), 'did you mean "payments"?'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_named_with_the_nearest_spelling(
    still: World,
    words: tuple[str, ...],
    message: str,
) -> None:
    """One sentence on stderr, exit 1, nothing on stdout, nothing changed."""
    done = still.lastgood(*words, code=1)
    assert done.stderr.startswith("lastgood: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "version",
    ["", "a\nb", "\x1b[2J", "v\u00fc", "\udcff", "v" * 129, 'v"', "v\\"],
    ids=["empty", "lines", "control", "not ASCII", "not UTF-8", "long", "a quote", "a backslash"],
)
def test_a_pin_on_what_no_version_is_called_is_refused(still: World, version: str) -> None:
    """The message says what is allowed."""
    done = still.lastgood("pin", SOURCE, version, code=1)
    assert "a version must be 1 to 128 printable ASCII characters, without" in done.stderr
    assert "nothing was changed" in done.stderr


def test_nothing_older_to_roll_back_to_is_an_error(still: World) -> None:
    """The known versions are listed."""
    done = still.lastgood("rollback", f"file:{ONCE}", code=1)
    assert "no other good version is kept to go back to; nothing was changed" in done.stderr


def test_p5_status_shows_every_age_by_table_and_to_programs(still: World) -> None:
    """A line per snapshot with its state and age. JSON has the same and more. Names of pods are
    told of one snapshot only.
    """
    table = still.lastgood("status").stdout.splitlines()
    assert table[0].split() == [
        *("NAMESPACE", "SNAPSHOT", "SOURCE", "CLASS", "STATE"),
        *("AGE", "VERSION", "REASON", "PODS"),
    ]
    (cells,) = [line.split() for line in table[1:] if SOURCE in line.split()]
    assert cells[:5] == ["payments", snapshot_of(DB), SOURCE, "steady", "fresh"]
    assert cells[-2:] == ["-", "2"]
    everything = json.loads(still.lastgood("status", "--output", "json").stdout)
    shown = {item["source"]: item for item in everything}
    assert shown.keys() == {SOURCE, f"file:{ONCE}"}
    entry = still.age(DB)
    assert entry is not None
    assert entry.served is not None
    assert shown[SOURCE]["state"] == "fresh"
    assert shown[SOURCE]["last_success"] == pytest.approx(entry.served.last_success, abs=1e-3)
    assert shown[SOURCE]["age_s"] >= 0
    assert shown[SOURCE]["version"] == entry.served.version
    assert shown[SOURCE]["pods"] == 2
    assert still.status(DB)["consumers"] == ["api-1", "api-2"]

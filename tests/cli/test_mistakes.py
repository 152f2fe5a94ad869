"""Commands that change nothing, against one controller at work: mistakes, and what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

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
        (("revoke", SOURCE, "nope"), 'version "nope" not found. Nothing was changed. Known'),
        (("unpin", SOURCE), "the snapshot is not pinned. Nothing was changed"),
        (("status", "file:/prod/payments/bd"), f'Did you mean "{SOURCE}"?'),
        (("pin", "lg-", "x"), 'snapshot "lg-" not found'),
        (("status", "-n", "paymints", SOURCE), 'Did you mean "payments"?'),
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
    assert "Nothing was changed" in done.stderr


def test_nothing_older_to_roll_back_to_is_an_error(still: World) -> None:
    """The known versions are listed."""
    done = still.lastgood("rollback", f"file:{ONCE}", code=1)
    assert "no other good version is stored. Nothing was changed" in done.stderr


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


def test_status_takes_the_formats_of_kubectl(still: World) -> None:
    """`wide` has more columns, `yaml` is what `json` is, `name` is for the next command."""
    wide = still.lastgood("status", "-o", "wide").stdout.splitlines()
    (line,) = [line for line in wide[1:] if SOURCE in line.split()]
    assert wide[0].split()[9:] == ["ACCOUNT", "LATEST", "PIN", "LAST", "ATTEMPT", "FAILURES"]
    assert line[wide[0].index("ACCOUNT") :].split()[0] == "files"
    assert line.split()[-1] == "0"
    in_yaml = yaml.safe_load(still.lastgood("status", "-o", "yaml").stdout)
    in_json = json.loads(still.lastgood("status", "-o", "json").stdout)
    assert [item | {"age_s": 0} for item in in_yaml] == [item | {"age_s": 0} for item in in_json]
    names = still.lastgood("status", SOURCE, "-o", "name").stdout
    assert names == f"secretsnapshot.lastgood.dev/{snapshot_of(DB)}\n"


def test_history_takes_yaml(still: World) -> None:
    """The same as in JSON, but for the ages."""
    in_yaml = yaml.safe_load(still.lastgood("history", SOURCE, "-o", "yaml").stdout)
    in_json = json.loads(still.lastgood("history", SOURCE, "-o", "json").stdout)
    assert len(in_yaml) == 2
    assert [item["version"] for item in in_yaml] == [item["version"] for item in in_json]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_explain_is_a_document_for_programs(still: World, output: str) -> None:
    """With each secret of the pod."""
    text = still.lastgood("explain", "api-1", "-n", "payments", "-o", output).stdout
    document = yaml.safe_load(text)
    assert document["pod"] == "api-1"
    assert [item["source"] for item in document["secrets"]] == [SOURCE]
    assert text.startswith("{") == (output == "json")

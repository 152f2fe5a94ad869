"""The verbs of operators, typed as commands, against a controller at work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.make.embedded import REPOSITORY, snapshot_of, until

if TYPE_CHECKING:
    from tests.make.embedded import World

DB = "/prod/payments/db"
SOURCE = f"file:{DB}"


@pytest.fixture
def rotated(world: World) -> tuple[str, str]:
    """A snapshot that went from `one` to `two`; the versions' names."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.pod("api-2", DB)
    world.start()
    world.serves(DB, b"one")
    first = str(world.status(DB)["version"])
    world.secret(DB, b"two")
    world.lastgood("refresh", SOURCE)
    world.serves(DB, b"two")
    return first, str(world.status(DB)["version"])


def test_p12_a_bad_rotation_is_rolled_back_without_the_provider(
    world: World, rotated: tuple[str, str]
) -> None:
    """When the command ends, the good version is what pods get; the bad one comes back in no
    refresh.
    """
    first, second = rotated
    (world.files / "prod/payments/db").rename(world.files / "away")
    done = world.lastgood("rollback", SOURCE)
    assert world.volume(DB)["value"] == b"one"
    assert f"rolled back from {second}" in done.stdout
    assert f"serves {first}" in done.stdout
    assert "2 pods have it: api-1, api-2" in done.stdout
    (world.files / "away").rename(world.files / "prod/payments/db")
    world.lastgood("refresh", SOURCE)
    assert world.volume(DB)["value"] == b"one"
    world.secret(DB, b"three")
    world.lastgood("refresh", SOURCE)
    world.serves(DB, b"three")


def test_p12_a_revoked_version_goes_at_once_and_for_good(
    world: World, rotated: tuple[str, str]
) -> None:
    """Its bytes leave snapshot and history, and who may still hold it is listed."""
    _, second = rotated
    world.secret(DB, b"two")  # the provider goes on with the bad value
    done = world.lastgood("revoke", SOURCE, second)
    assert world.volume(DB)["value"] == b"one"
    assert "may still hold it, until their agents follow: api-1, api-2" in done.stdout
    for path in (world.store / "volumes").rglob("*"):
        assert path.is_dir() or b"two" not in path.read_bytes()


def test_p12_a_revocation_with_nothing_to_replace_it_leaves_a_tombstone(world: World) -> None:
    """The value is empty, and meta.json says why."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    done = world.lastgood("revoke", SOURCE, str(world.status(DB)["version"]))
    meta = world.meta(DB)
    assert meta is not None
    assert meta.serving == "revoked"
    assert world.volume(DB)["value"] == b""
    assert "serves nothing (revoked)" in done.stdout


def test_p12_a_pin_holds_until_it_is_taken_back(world: World, rotated: tuple[str, str]) -> None:
    """Versions are accepted by their beginning; a pinned snapshot passes newer versions by."""
    first, second = rotated
    assert f"pinned to {first}" in world.lastgood("pin", SOURCE, first[:-6]).stdout
    assert world.volume(DB)["value"] == b"one"
    world.lastgood("refresh", SOURCE)
    assert world.volume(DB)["value"] == b"one"
    assert f"unpinned from {first}" in world.lastgood("unpin", SOURCE).stdout
    assert world.volume(DB)["value"] == b"two"
    assert world.status(DB)["version"] == second


def test_a_pin_on_an_unknown_version_is_fetched_by_name_and_serves_on_meanwhile(
    world: World,
    rotated: tuple[str, str],
) -> None:
    """The user is told; what is served stays when the provider does not have it."""
    done = world.lastgood("pin", SOURCE, "no-such-version")
    assert "no-such-version is not held; the controller fetches it by name" in done.stderr
    assert "last attempt: invalid" in done.stdout
    assert world.volume(DB)["value"] == b"two"
    assert rotated[1] in done.stdout


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
    world: World,
    rotated: tuple[str, str],
    words: tuple[str, ...],
    message: str,
) -> None:
    """One sentence on stderr, exit 1, nothing on stdout, nothing changed."""
    done = world.lastgood(*words, code=1)
    assert done.stderr.startswith("lastgood: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert rotated[1] == world.status(DB)["version"]


def test_nothing_older_to_roll_back_to_changes_nothing(world: World) -> None:
    """The known versions are listed."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    done = world.lastgood("rollback", SOURCE, code=1)
    assert "no other good version is kept to go back to; nothing was changed" in done.stderr


def test_a_pin_comes_before_a_rollback(world: World, rotated: tuple[str, str]) -> None:
    """Rolling back what is pinned is refused, for it would change nothing."""
    world.lastgood("pin", SOURCE, rotated[0])
    assert "a pin comes first" in world.lastgood("rollback", SOURCE, code=1).stderr


def test_p12_a_wish_without_a_controller_is_kept_for_it(
    world: World, rotated: tuple[str, str]
) -> None:
    """Exit 3 says that it is recorded; the next controller carries it out."""
    world.end(signal.SIGKILL)
    done = world.lastgood("revoke", SOURCE, rotated[1], code=3)
    assert "no controller is running; the wish is recorded and will hold" in done.stderr
    world.start()
    until("the revocation", lambda: world.volume(DB)["value"] == b"one")


def test_a_controller_that_does_not_answer_in_time_is_said(
    world: World, rotated: tuple[str, str]
) -> None:
    """Exit 4: the wish is recorded; `--wait` bounds the waiting."""
    assert world.process is not None
    world.process.send_signal(signal.SIGSTOP)
    done = world.lastgood("revoke", SOURCE, rotated[1], "--wait", "0.2", code=4)
    assert "has not done it within 0.2 s" in done.stderr
    world.process.send_signal(signal.SIGCONT)
    until("the revocation", lambda: world.volume(DB)["value"] == b"one")


def test_p5_status_shows_every_age_by_table_and_to_programs(
    world: World, rotated: tuple[str, str]
) -> None:
    """A line per snapshot with its state and age; JSON has the same and more."""
    table = world.lastgood("status").stdout.splitlines()
    assert table[0].split() == [
        *("NAMESPACE", "SNAPSHOT", "SOURCE", "CLASS", "STATE"),
        *("AGE", "VERSION", "REASON", "PODS"),
    ]
    cells = table[1].split()
    assert cells[:5] == ["payments", snapshot_of(DB), SOURCE, "steady", "fresh"]
    assert cells[-2:] == ["-", "2"]
    shown = json.loads(world.lastgood("status", "--output", "json").stdout)
    assert [item["source"] for item in shown] == [SOURCE]
    assert shown[0]["state"] == "fresh"
    assert 0 <= shown[0]["age_s"] < 60
    assert shown[0]["consumers"] == ["api-1", "api-2"]
    assert shown[0]["version"] == rotated[1]


def test_p2_p5_a_failing_refresh_is_shown_and_keeps_value_and_age(
    world: World, rotated: tuple[str, str]
) -> None:
    """The reason is in the status, the age goes on, the value stays."""
    before = world.status(DB)
    (world.files / "prod/payments/db").unlink()
    done = world.lastgood("refresh", SOURCE)
    assert "last attempt: absent" in done.stdout
    after = world.status(DB)
    assert after["reason"] == "absent"
    assert after["failures"] == 1
    assert after["last_success"] == before["last_success"]
    assert after["version"] == rotated[1]
    assert world.volume(DB)["value"] == b"two"


def test_history_names_every_version_and_its_verdict(
    world: World, rotated: tuple[str, str]
) -> None:
    """Served, kept and refused, newest first."""
    first, second = rotated
    world.lastgood("rollback", SOURCE)
    shown = json.loads(world.lastgood("history", SOURCE, "--output", "json").stdout)
    assert {item["version"]: item["verdict"] for item in shown} == {
        first: "served",
        second: "quarantined: rolled-back",
    }
    assert world.lastgood("history", SOURCE).stdout.splitlines()[0].split() == [
        "VERSION",
        "VERDICT",
        "FETCHED",
    ]


@pytest.mark.parametrize(
    "verb",
    ["render", "status", "refresh", "pin", "unpin", "rollback", "revoke", "history", "demo"],
)
def test_every_verb_has_help_with_an_example(world: World, verb: str) -> None:
    """`--help` shows how it is typed, and the exit codes."""
    shown = world.lastgood(verb, "--help").stdout
    assert f"lastgood {verb}" in shown.split("examples:")[1]
    assert "exit codes: 0 done; 1 refused" in shown


@pytest.mark.parametrize(
    "version",
    ["", "a\nb", "\x1b[2J", "v\u00fc", "\udcff", "v" * 129, 'v"', "v\\"],
    ids=["empty", "lines", "control", "not ASCII", "not UTF-8", "long", "a quote", "a backslash"],
)
def test_a_pin_on_what_no_version_is_called_is_refused(
    world: World, rotated: tuple[str, str], version: str
) -> None:
    """The message says what is allowed, and no wish is recorded."""
    done = world.lastgood("pin", SOURCE, version, code=1)
    assert "a version has 1 to 128 printable ASCII characters, without" in done.stderr
    assert "nothing was changed" in done.stderr
    assert world.status(DB)["version"] == rotated[1]
    assert (
        not (world.store / f"snapshots/payments/{snapshot_of(DB)}.spec.json")
        .read_text()
        .count('"pin":"')
    )


def test_a_spec_that_cannot_be_read_is_named_and_left(
    world: World, rotated: tuple[str, str]
) -> None:
    """A half-written file: one sentence, no traceback, and what is served stays."""
    spec = world.store / f"snapshots/payments/{snapshot_of(DB)}.spec.json"
    spec.write_text('{"v":1,"gener')
    done = world.lastgood("rollback", SOURCE, code=1)
    assert "lastgood: the snapshot's spec is not JSON; nothing was changed" in done.stderr
    assert done.stderr.count("\n") == 1
    assert spec.read_text() == '{"v":1,"gener'
    assert world.status(DB)["version"] == rotated[1]


def test_ctrl_c_while_waiting_says_that_the_wish_holds(
    world: World, rotated: tuple[str, str]
) -> None:
    """Exit 130, no traceback."""
    assert world.process is not None
    world.process.send_signal(signal.SIGSTOP)
    # A shell in the background has its children ignore Ctrl-C.
    unignored = ["env", "--default-signal=INT", sys.executable]
    waiting = subprocess.Popen(
        [*unignored, "-m", "cli", "rollback", SOURCE, "--wait", "60"],
        cwd=REPOSITORY,
        env={**os.environ, "LASTGOOD_STORE": str(world.store)},
        stderr=subprocess.PIPE,
        text=True,
    )
    spec = world.store / f"snapshots/payments/{snapshot_of(DB)}.spec.json"
    until("the wish", lambda: rotated[1] in spec.read_text())
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=20)
    world.process.send_signal(signal.SIGCONT)
    assert (waiting.returncode, said) == (
        130,
        "lastgood: interrupted; a wish that was recorded holds\n",
    )
    until("the rollback", lambda: world.volume(DB)["value"] == b"one")


def test_a_refresh_brings_back_a_snapshot_that_somebody_removed(
    world: World, rotated: tuple[str, str]
) -> None:
    """The provider says that nothing has changed, and pods have nothing: both are seen."""
    assert rotated
    shutil.rmtree(world.store / "volumes/payments")
    world.lastgood("refresh", SOURCE)
    assert world.volume(DB)["value"] == b"two"

"""The verbs of operators, typed as commands, against a controller at work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from contract.ages import CONFIG_MAP
from kube.api_resources import CONFIG_MAPS, SECRETS
from tests.make.cluster import snapshot_of
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from tests.make.cluster import World

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
    first = world.version(DB)
    world.secret(DB, b"two")
    world.refresh(DB)
    return first, world.version(DB)


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
    assert "2 pods use it: api-1, api-2" in done.stdout
    (world.files / "away").rename(world.files / "prod/payments/db")
    named = world.lastgood("refresh", SOURCE, "-o", "name").stdout
    assert named == f"secretsnapshot.lastgood.dev/{snapshot_of(DB)}\n"
    assert yaml.safe_load(world.lastgood("refresh", SOURCE, "-o", "yaml").stdout)["done"]
    assert world.volume(DB)["value"] == b"one"
    world.secret(DB, b"three")
    world.lastgood("refresh", SOURCE)
    world.serves(DB, b"three")


def test_p12_a_revoked_version_goes_at_once_and_for_good(
    world: World, rotated: tuple[str, str]
) -> None:
    """Its bytes leave the Secret and the record, and who may still hold it is listed."""
    _, second = rotated
    world.secret(DB, b"two")  # the provider goes on with the bad value
    done = world.lastgood("revoke", SOURCE, second)
    assert world.volume(DB)["value"] == b"one"
    assert "may have the value until their agents have removed it: api-1, api-2" in done.stdout
    for keys in (world.volume(DB), world.record(DB)):
        assert keys
        assert all(b"two" not in value for value in keys.values())


def test_p12_a_revocation_with_nothing_to_replace_it_leaves_a_tombstone(world: World) -> None:
    """The value is empty, and meta.json says why. Nothing of it is left in the record either."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    done = world.lastgood("revoke", SOURCE, world.version(DB))
    meta = world.meta(DB)
    assert meta is not None
    assert meta.serving == "revoked"
    assert world.volume(DB)["value"] == b""
    assert all(b"one" not in value for value in world.record(DB).values())
    assert "serves nothing (revoked)" in done.stdout


def test_p12_a_pin_holds_until_it_is_taken_back(world: World, rotated: tuple[str, str]) -> None:
    """Versions are accepted by their beginning; a pinned snapshot passes newer versions by."""
    first, second = rotated
    assert f"pinned to {first}" in world.lastgood("pin", SOURCE, first[:-6]).stdout
    assert world.volume(DB)["value"] == b"one"
    world.lastgood("refresh", SOURCE)
    assert world.volume(DB)["value"] == b"one"
    assert f"pin to {first} removed" in world.lastgood("unpin", SOURCE).stdout
    assert world.volume(DB)["value"] == b"two"
    assert world.version(DB) == second


def test_a_pin_on_an_unknown_version_is_fetched_by_name_and_serves_on_meanwhile(
    world: World,
    rotated: tuple[str, str],
) -> None:
    """The user is told; what is served stays when the provider does not have it."""
    done = world.lastgood("pin", SOURCE, "no-such-version")
    assert (
        "no-such-version is not stored. The controller fetches it from the provider" in done.stderr
    )
    assert "last refresh failed: invalid" in done.stdout
    assert world.volume(DB)["value"] == b"two"
    assert rotated[1] in done.stdout


def test_a_pin_comes_before_a_rollback(world: World, rotated: tuple[str, str]) -> None:
    """Rolling back what is pinned is refused, for it would change nothing."""
    world.lastgood("pin", SOURCE, rotated[0])
    assert "a pin has priority over a rollback" in world.lastgood("rollback", SOURCE, code=1).stderr


def test_p12_a_request_without_a_controller_is_kept_for_it(
    world: World, rotated: tuple[str, str]
) -> None:
    """Exit 3 says that it is recorded; the next controller carries it out. The Lease says that none
    is at work.
    """
    world.end(signal.SIGKILL)
    world.free()
    done = world.lastgood("revoke", SOURCE, rotated[1], code=3)
    assert "no controller is running. The change is saved" in done.stderr
    world.start()
    until("the revocation", lambda: world.volume(DB)["value"] == b"one")


def test_a_controller_that_does_not_answer_in_time_is_said(
    world: World, rotated: tuple[str, str]
) -> None:
    """Exit 4: the change is recorded; `--wait` bounds the waiting."""
    assert world.process is not None
    world.process.send_signal(signal.SIGSTOP)
    done = world.lastgood("revoke", SOURCE, rotated[1], "--wait", "0.2", code=4)
    assert "has not applied the change within 0.2 s" in done.stderr
    world.process.send_signal(signal.SIGCONT)
    until("the revocation", lambda: world.volume(DB)["value"] == b"one")


def test_p2_p5_a_failing_refresh_is_shown_and_keeps_value_and_age(
    world: World, rotated: tuple[str, str]
) -> None:
    """The reason is in the status, the age goes on, the value stays."""
    before = world.status(DB)
    (world.files / "prod/payments/db").unlink()
    done = world.lastgood("refresh", SOURCE)
    assert "last refresh failed: absent" in done.stdout
    until("the count", lambda: world.shown(DB)["failures"])
    after = world.status(DB)
    assert after["reason"] == "absent"
    assert after["failures"] >= 1, "it tries again by itself"
    # One is of the ages, the other of the status, which has microseconds.
    assert after["last_success"] == pytest.approx(before["last_success"], abs=1e-5)
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


def test_ctrl_c_while_waiting_says_that_the_request_is_kept(
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
        env={**os.environ, **world.kubeconfigured},
        stderr=subprocess.PIPE,
        text=True,
    )
    until("the change", lambda: rotated[1] in world.snapshot(DB)["spec"].get("quarantined", ()))
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=20)
    world.process.send_signal(signal.SIGCONT)
    assert waiting.returncode == 130
    assert said.startswith("lastgood: interrupted. If the change was already saved, the controller")
    assert said.count("\n") == 1
    until("the rollback", lambda: world.volume(DB)["value"] == b"one")


def test_a_refresh_brings_back_a_snapshot_that_somebody_removed(
    world: World, rotated: tuple[str, str]
) -> None:
    """The provider says that nothing has changed, and pods have nothing: both are seen."""
    assert rotated
    world.server.delete(SECRETS, snapshot_of(DB), "payments")
    world.server.delete(CONFIG_MAPS, CONFIG_MAP, "payments")
    world.lastgood("refresh", SOURCE)
    assert world.volume(DB)["value"] == b"two"

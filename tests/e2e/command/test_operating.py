"""The verbs of operators, typed as commands, on a real API server with a controller at work."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from contract.annotations import REFRESH_REQUESTED
from tests.e2e.command.world import DB, MANIFEST, ONE, SOURCE, TWO
from tests.e2e.controlled import PATIENCE_S
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.command.world import Commanded

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_p12_rollback_pin_and_revoke_work_while_the_provider_answers_nobody(
    commanded: Commanded, rotated: tuple[str, str]
) -> None:
    """When a command ends, its value is what pods are given; the pods are named."""
    first, second = rotated
    commanded.proxy.set("blackhole")
    before = commanded.calls()
    said = commanded.here("rollback", SOURCE)
    assert f"rolled back from {second}" in said
    assert f"serves {first}, fresh" in said
    assert "1 pod uses it: web-1" in said
    assert commanded.value() == ONE
    assert f"pinned to {second}" in commanded.here("pin", SOURCE, second[:8])
    assert commanded.value() == TWO
    assert "a pin has priority over a rollback" in commanded.here("rollback", SOURCE, code=1)
    assert f"pin to {second} removed" in commanded.here("unpin", SOURCE)
    assert commanded.value() == ONE
    said = commanded.here("revoke", SOURCE, first)
    assert "these pods may have the value until their agents have removed it: web-1" in said
    assert commanded.value() != ONE
    said = commanded.here("revoke", SOURCE, second)
    assert "serves nothing (revoked)" in said
    assert commanded.value() == b""
    assert commanded.calls() == before


def test_status_and_history_are_the_embedded_stores(
    commanded: Commanded, rotated: tuple[str, str]
) -> None:
    """The same table and the same members of JSON; the whole cluster's with -A."""
    first, second = rotated
    table = commanded.here("status").splitlines()
    assert table[0].split()[:4] == ["NAMESPACE", "SNAPSHOT", "SOURCE", "CLASS"]
    assert table[1].split()[:5] == [
        *(commanded.namespace, commanded.snapshot, SOURCE, "steady", "fresh")
    ]
    (shown,) = commanded.shown("status", SOURCE)
    assert shown["consumers"] == ["web-1"]
    assert (shown["pods"], shown["version"], shown["class"]) == (1, second, "steady")
    everywhere = json.loads(commanded.lastgood("status", "-A", "--output", "json").stdout)
    assert commanded.snapshot in {item["snapshot"] for item in everywhere}
    history = commanded.shown("history", SOURCE)
    assert {item["version"]: item["verdict"] for item in history} == {
        second: "served",
        first: "stored",
    }


def test_p5_the_age_is_the_last_confirmation_also_where_no_status_was_written_for_it(
    commanded: Commanded,
    rotated: tuple[str, str],
) -> None:
    """A refresh that finds nothing new is seen in the ConfigMap of ages."""
    assert rotated
    (before,) = commanded.shown("status", SOURCE)
    said = commanded.here("refresh", SOURCE)
    assert "refresh requested" in said
    (after,) = commanded.shown("status", SOURCE)
    assert after["last_success"] > before["last_success"]
    assert after["age_s"] < PATIENCE_S


def test_p2_a_refresh_that_fails_says_why_and_what_is_served_stays(
    commanded: Commanded, rotated: tuple[str, str]
) -> None:
    """Exit 0: it was done, and this is what came of it."""
    commanded.proxy.set("access-denied")
    said = commanded.here("refresh", SOURCE)
    assert f"serves {rotated[1]}" in said
    assert "last refresh failed: denied" in said
    assert commanded.value() == TWO


def test_p12_operators_at_one_time_lose_no_revocation(
    commanded: Commanded, rotated: tuple[str, str]
) -> None:
    """Each patch is made on what it was read from, and made again after a conflict."""
    with ThreadPoolExecutor(2) as both:
        said = list(both.map(lambda version: commanded.here("revoke", SOURCE, version), rotated))
    assert all("revoked" in text for text in said)
    found = commanded.controlled.get("snap", commanded.snapshot)
    assert found is not None
    assert set(found["spec"]["revoked"]) == set(rotated)


def test_p12_a_request_without_a_controller_is_kept_for_it(
    commanded: Commanded, rotated: tuple[str, str]
) -> None:
    """Its Lease changes no more: exit 3. The next controller carries it out."""
    commanded.controlled.kill()
    said = commanded.here("rollback", SOURCE, "--wait", "60", code=3)
    assert "no controller is running. The change is saved" in said
    grows = (
        "no controller is running: nothing is fetched"  # the Lease's own time is of whole seconds
    )
    until("status to say so", lambda: grows in commanded.here("status"), PATIENCE_S)
    commanded.controlled.lead()
    until("the rollback", lambda: commanded.value() == ONE, PATIENCE_S)
    assert f"serves {rotated[0]}" in commanded.here("refresh", SOURCE)


def test_a_controller_that_does_not_answer_in_time_is_said(
    commanded: Commanded, rotated: tuple[str, str]
) -> None:
    """Exit 4; Ctrl-C while waiting is 130; the requests are kept."""
    process = commanded.controlled.processes[-1]
    process.send_signal(signal.SIGSTOP)
    said = commanded.here("rollback", SOURCE, "--wait", "0.2", code=4)
    assert "has not applied the change within 0.2 s. The change is saved" in said
    before = _asked(commanded)
    words = ["refresh", SOURCE, "-n", commanded.namespace, "--wait", "60"]
    # A shell in the background has its children ignore Ctrl-C.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "cli", *words]
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until("the second request", lambda: _asked(commanded) != before, PATIENCE_S)
    waiting.send_signal(signal.SIGINT)
    _, error = waiting.communicate(timeout=20)
    process.send_signal(signal.SIGCONT)
    assert waiting.returncode == 130
    assert error == (
        "lastgood: interrupted. If the change was already saved, the controller will still apply"
        " it.\n"
    )
    until("the rollback", lambda: commanded.value() == ONE, PATIENCE_S)
    assert rotated


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("revoke", SOURCE, "nope"), 'version "nope" not found. Nothing was changed. Known'),
        (("unpin", SOURCE), "the snapshot is not pinned. Nothing was changed"),
        (("rollback", "aws-sm:/prod/bd"), f'Did you mean "{SOURCE}"?'),
        (("pin", SOURCE, "v" * 129), "a version must be 1 to 128 printable ASCII characters"),
    ],
    ids=["no such version", "not pinned", "no such snapshot", "no version"],
)
def test_a_mistake_is_named_and_changes_nothing(
    commanded: Commanded, words: tuple[str, ...], message: str
) -> None:
    """As on the embedded store; no controller is needed for that."""
    commanded.put(ONE)
    commanded.lastgood(
        *("presync", "-f", "-", "--apply", "--wait", "0", "-n", commanded.namespace),
        *("--system-namespace", commanded.namespace),  # a test before may have left another Lease
        stdin=MANIFEST,
        code=3,
    )
    before = commanded.controlled.get("snap", commanded.snapshot)
    said = commanded.here(*words, code=1)
    assert said.startswith("lastgood: ")
    assert message in said
    assert said.count("\n") == 1
    assert commanded.controlled.get("snap", commanded.snapshot) == before


def test_another_namespace_is_suggested(commanded: Commanded) -> None:
    """Where one may look."""
    commanded.controlled.declare(DB)
    near = commanded.namespace[:-1] + "x"
    said = commanded.lastgood("status", SOURCE, "-n", near, code=1).stderr
    assert f'no snapshots found in namespace {near}. Did you mean "{commanded.namespace}"?' in said


def test_what_is_named_otherwise_than_its_source_is_told_and_not_counted(
    commanded: Commanded,
) -> None:
    """The controller passes it over, and so does the command."""
    source = {"account": commanded.namespace, "provider": "file", "reference": DB}
    commanded.controlled.create(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretSnapshot",
            "metadata": {"name": "db"},
            "spec": {"source": source},
        }
    )
    said = commanded.here("status")
    right = commanded.controlled.snapshot(DB)
    assert f"{commanded.namespace}/db is ignored: the name for its source is {right}" in said
    assert "no snapshots found" in said


def _asked(commanded: Commanded) -> str | None:
    """When a refresh of DB was asked for last."""
    found = commanded.controlled.get("snap", commanded.snapshot)
    notes = {} if found is None else found["metadata"].get("annotations", {})
    asked: str | None = notes.get(REFRESH_REQUESTED)
    return asked

"""Where a value must not be: everything that the controller says. And what it must say."""

from __future__ import annotations

import json
import logging
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from controller.lease import LEASE
from controller.snapshot_record import record_name
from controller.telemetry import JsonLines
from kube.api_resources import LEASES
from tests import make
from tests.make.cluster import POLICY, snapshot_of
from tests.make.standin import SYSTEM
from tests.make.waiting import until

if TYPE_CHECKING:
    from contract.secret_bytes import SecretBytes
    from tests.make.cluster import World

Json = dict[str, Any]
FILES = 'account="files",provider="file"'
DB = "/prod/payments/db"
CHECKED = POLICY.replace("class: steady}\n", "class: steady, validate: [{json: true}]}\n", 1)


def test_p8_a_value_is_in_two_secrets_and_nowhere_else(world: World, canary: SecretBytes) -> None:
    """Served, rejected, rolled back, revoked and failing: logs, metrics, command output, arguments
    and environment stay clean. So do all objects of the API server but the snapshot's Secret and
    its record, and the URL of every request.
    """
    good = json.dumps({"password": canary.reveal().decode()}).encode()
    world.configure(policy=CHECKED)
    world.secret(DB, good)
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, good)
    first = world.version(DB)
    said = []
    for value in (good + b" ", b"", good + b"  ", canary.reveal()):
        world.secret(DB, value)
        world.refresh(DB)
    for words in (
        ("refresh", f"file:{DB}"),
        ("status",),
        ("status", "--output", "json"),
        ("history", f"file:{DB}"),
        ("rollback", f"file:{DB}"),
        ("pin", f"file:{DB}", first),
        ("revoke", f"file:{DB}", first),
        ("history", f"file:{DB}", "--output", "json"),
        ("pin", f"file:{DB}", "nope"),
    ):
        done = world.command(*words)
        said.append(done.stdout + done.stderr)
    (world.files / "prod/payments/db").unlink()
    world.command("refresh", f"file:{DB}")
    assert world.process is not None
    process = Path(f"/proc/{world.process.pid}")
    said += [world.get("/metrics"), world.log()]
    said += [(process / name).read_bytes().decode() for name in ("cmdline", "environ")]
    for text in said:
        assert make.leaks(text) == []
    until("an Event", lambda: world.told("VersionRejected", snapshot_of(DB)))
    holding, kinds = set(), set()
    for kind, content in world.server.written():
        kinds.add(kind)
        metadata = content["metadata"]
        if make.leaks(json.dumps(content)):
            holding.add((kind, metadata.get("namespace"), metadata["name"]))
    assert holding == {
        ("secrets", "payments", snapshot_of(DB)),
        ("secrets", SYSTEM, record_name("payments", snapshot_of(DB))),
    }
    assert kinds >= {"configmaps", "events", "pods", "secretsnapshots", "secretaccounts"}
    seen = world.server.seen()
    assert {request.method for request in seen} >= {"GET", "POST", "PUT", "PATCH"}
    for request in seen:
        assert make.leaks(f"{request.path}?{request.query} {request.agent}") == []


def test_p8_no_label_carries_a_reference(world: World) -> None:
    """Neither the reference nor the slug made of it; the hash is a name for the commands."""
    world.secret("/prod/payments/very-telling", b"one")
    world.pod("api-1", "/prod/payments/very-telling")
    world.words = ["--metrics-per-secret"]
    world.start()
    world.serves("/prod/payments/very-telling", b"one")
    metrics = world.get("/metrics")
    assert "very-telling" not in metrics
    digest = snapshot_of("/prod/payments/very-telling").rpartition("-")[2]
    labels = f'{{namespace="payments",snapshot="{digest}"}}'
    for name in (
        "last_success_timestamp",
        "last_attempt_timestamp",
        "freshness_budget",
        "max_age",
    ):
        assert f"lastgood_secret_{name}_seconds{labels}" in metrics
    assert "very-telling" in world.lastgood("status", digest).stdout


def test_p5_metrics_count_what_was_decided(world: World) -> None:
    """Refreshes by result and reason, calls by code, rejections by the check's word."""
    world.configure(policy=CHECKED)
    world.secret(DB, b"{}")
    world.pod("api-1", DB)
    world.pod("thief", "/prod/orders/db")
    world.start()
    world.serves(DB, b"{}")
    world.secret(DB, b"not json")
    world.refresh(DB)
    (world.files / "prod/payments/db").unlink()
    world.refresh(DB)
    metrics = world.get("/metrics")
    for line in (
        f'lastgood_refresh_total{{{FILES},reason="none",result="fetched"}} 2.0',
        'lastgood_snapshots_refused{reason="not-allowed"} 1.0',
        'lastgood_snapshot_alarms_total{kind="rejected"} 1.0',
    ):
        assert line in metrics
    for counter in (  # it tries again by itself, perhaps before this looks
        f'lastgood_refresh_total{{{FILES},reason="absent",result="failed"}} ',
        'lastgood_provider_requests_total{account="files",code="ENOENT",operation="read"} ',
    ):
        assert float(metrics.split(counter)[1].split("\n")[0]) >= 1
    assert "lastgood_snapshot_rejected_total{reason=" in metrics
    needed = 'lastgood_account_needed_calls_per_second{account="files"} '
    assert float(metrics.split(needed)[1].split("\n")[0]) == pytest.approx(1 / 900)


def test_each_refresh_is_one_line_that_states_the_decision(world: World) -> None:
    """What was asked, what came, what follows from it."""
    world.secret(DB, b"one")
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, b"one")
    world.refresh(DB)
    (world.files / "prod/payments/db").unlink()
    world.refresh(DB)
    lines = world.events("controller.refreshed")
    said = [(line["result"], line["reason"], line["decision"]) for line in lines]
    assert said[:3] == [
        ("fetched", None, "checked, then served if it is good"),
        ("unchanged", None, "what is served is confirmed"),
        ("failed", "absent", "the last good version stays"),
    ]
    assert set(said[3:]) <= {said[2]}, "it tries again by itself only what failed"


def test_health_is_that_of_the_loop(world: World) -> None:
    """200 while it turns, whatever the provider does; other paths are 404."""
    world.pod("api-1", DB)
    world.start()
    until("a failure", lambda: world.events("controller.refreshed"))
    assert world.get("/healthz") == "ok\n"
    with pytest.raises(urllib.error.HTTPError, match="404") as answer:
        world.get("/")
    answer.value.close()


def test_sigterm_ends_it_cleanly(world: World) -> None:
    """Exit 0, the Lease is free, and the log ends with a word. The next one starts at once."""
    world.start()
    assert _holder(world)
    assert world.end() == 0
    assert world.events("controller.ended")
    assert _holder(world) == ""
    world.launch()
    until("the next", lambda: world.events("controller.restored"))


def test_a_second_controller_waits_until_the_first_ends(world: World) -> None:
    """It writes nothing, and takes over from one that ends well."""
    world.start()
    holder = _holder(world)
    first, world.process = world.process, None
    assert first is not None
    world.launch()
    try:
        until("the second to start", lambda: world.events("controller.started"))
        version = _lease(world)["metadata"]["resourceVersion"]
        until("a renewal", lambda: _lease(world)["metadata"]["resourceVersion"] != version)
        assert _holder(world) == holder
        assert not world.events("controller.restored")
        first.terminate()
        assert first.wait(20) == 0
    finally:
        first.kill()
        first.wait()
    until("the second to lead", lambda: world.events("controller.restored"))
    assert _holder(world) not in {"", holder}


def _lease(world: World) -> Json:
    found = world.server.get(LEASES, LEASE, SYSTEM)
    assert found is not None
    return found


def _holder(world: World) -> str:
    """Who leads; empty: nobody."""
    return str(_lease(world)["spec"]["holderIdentity"])


def test_p8_a_librarys_log_line_says_who_and_not_what(
    caplog: pytest.LogCaptureFixture, canary: SecretBytes
) -> None:
    """Neither message nor arguments nor the text of an exception."""
    with caplog.at_level(0):
        try:
            int(canary.reveal().decode())
        except ValueError:
            logging.getLogger("botocore.parsers").exception("body %s", canary.reveal())
    line = JsonLines().format(caplog.records[0])
    assert make.leaks(line) == []
    fields = json.loads(line)
    assert (fields["event"], fields["logger"], fields["error"]) == (
        "library",
        "botocore.parsers",
        "ValueError",
    )

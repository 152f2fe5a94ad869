"""Where a value must not be: everything that the controller says. And what it must say."""

from __future__ import annotations

import json
import logging
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from controller.telemetry import JsonLines
from tests import make
from tests.make.embedded import POLICY, snapshot_of, until

if TYPE_CHECKING:
    from contract.secret_bytes import SecretBytes
    from tests.make.embedded import World

DB = "/prod/payments/db"
CHECKED = POLICY.replace("class: steady}\n", "class: steady, validate: [{json: true}]}\n", 1)


def test_p8_a_value_is_in_the_volumes_and_nowhere_else(world: World, canary: SecretBytes) -> None:
    """Served, rejected, rolled back, revoked and failing: logs, statuses, specs, ages, metrics,
    command output, arguments and environment stay clean.
    """
    good = json.dumps({"password": canary.reveal().decode()}).encode()
    world.configure(policy=CHECKED)
    world.secret(DB, good)
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, good)
    first = world.status(DB)["version"]
    said = []
    for value in (canary.reveal(), good + b" ", b"", good + b"  "):
        world.secret(DB, value)
        done = world.command("refresh", f"file:{DB}")
        said.append(done.stdout + done.stderr)
    for words in (
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
    for path in (world.store / "snapshots").rglob("*"):
        assert path.is_dir() or make.leaks(path.read_bytes()) == []
    for path in (world.store / "volumes" / "payments" / "lastgood-freshness").rglob("*"):
        assert path.is_dir() or make.leaks(path.read_bytes()) == []
    assert make.leaks(
        (world.store / "volumes" / "payments" / snapshot_of(DB) / "value").read_text()
    )


def test_p8_no_label_carries_a_reference(world: World) -> None:
    """Neither the reference nor the slug made of it; the hash is a name for the commands."""
    world.secret("/prod/payments/very-telling", b"one")
    world.pod("api-1", "/prod/payments/very-telling")
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
    world.lastgood("refresh", f"file:{DB}")
    (world.files / "prod/payments/db").unlink()
    world.lastgood("refresh", f"file:{DB}")
    metrics = world.get("/metrics")
    for line in (
        'lastgood_refresh_total{provider="file",reason="none",result="fetched"} 2.0',
        'lastgood_snapshots_refused{reason="not-allowed"} 1.0',
        'lastgood_snapshot_alarms_total{kind="rejected"} 1.0',
    ):
        assert line in metrics
    for counter in (  # it tries again by itself, perhaps before this looks
        'lastgood_refresh_total{provider="file",reason="absent",result="failed"} ',
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
    world.lastgood("refresh", f"file:{DB}")
    (world.files / "prod/payments/db").unlink()
    world.lastgood("refresh", f"file:{DB}")
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
    """Exit 0, the store is free, and the log ends with a word."""
    world.start()
    assert world.end() == 0
    assert world.events("controller.ended")
    world.start()


def test_a_second_controller_on_one_store_is_refused(world: World) -> None:
    """It says so and exits 1; the first goes on."""
    world.start()
    first, world.process = world.process, None
    world.launch()
    second, world.process = world.process, first
    assert second is not None
    assert second.wait(20) == 1
    assert "another controller is at work" in world.log()
    assert not world.ended()


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

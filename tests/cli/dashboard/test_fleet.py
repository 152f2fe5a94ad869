"""What the page's first line says, and in which order things stand. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.dashboard.fleet import document
from contract.freshness import FreshnessClass
from controller.snapshot_status import Status, from_wire
from controller.spec import SnapshotName

NOW = 1_000_000.0
RULES = FreshnessClass(
    name="steady", refresh_s=900.0, budget_s=3600.0, max_age_s=86400.0, on_expired="refuse"
)
SOURCE = {"account": "aws", "identity": "controller", "provider": "aws-sm", "reference": "/db"}


def _status(age_s: float, **changes: object) -> Status:
    served = {"serving": "served", "version": "v1"}
    found = replace(from_wire(SOURCE, served), rules=RULES, last_success=NOW - age_s)
    return replace(found, **changes)  # type: ignore[arg-type]  # fields of Status


@pytest.mark.parametrize(
    ("statuses", "level", "text"),
    [
        ([], "empty", "There is no snapshot yet."),
        ([_status(60)], "calm", "Pods start. The one snapshot is fresh."),
        ([_status(60, reason="denied")], "aged", "Pods start, with the last good values."),
        ([_status(7200)], "aged", "Pods start."),
        ([_status(90000)], "blocked", "New pods that need aws-sm:/db in namespace n0 wait."),
        (
            [_status(60), _status(60, version=None)],
            "blocked",
            "New pods that need aws-sm:/db in namespace n1 wait. All others start.",
        ),
    ],
)
def test_the_first_line_says_whether_pods_start(
    statuses: list[Status], level: str, text: str
) -> None:
    """In words, for each level."""
    named = {SnapshotName(f"n{number}", "db"): item for number, item in enumerate(statuses)}
    found = document(named, None, NOW, running=True)["headline"]
    assert (found["level"], found["text"]) == (level, text)


def test_the_worst_comes_first() -> None:
    """What pods wait for, then by age ÷ budget; a calm fleet without a controller is not calm."""
    ages = {"old": _status(7200), "none": _status(10, version=None), "new": _status(10)}
    named = {SnapshotName("n", name): item for name, item in ages.items()}
    found = document(named, [], NOW, running=False)
    assert [row["snapshot"] for row in found["snapshots"]] == ["none", "old", "new"]
    calm = document({SnapshotName("n", "new"): _status(1)}, [], NOW, running=False)["headline"]
    assert calm["level"] == "aged"
    assert calm["more"] == ["No controller is running: nothing is fetched, and values get older."]

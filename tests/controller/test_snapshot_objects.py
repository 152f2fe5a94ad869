"""SecretSnapshots as operators read them and change them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.snapshot import SecretSnapshot
from contract.annotations import REFRESH_REQUESTED
from contract.freshness import FreshnessClass
from contract.object_names import snapshot_name
from contract.snapshot_format import MOST_VERSIONS, Quarantined
from controller import spec as specs
from controller.snapshot_objects import patch, read
from controller.snapshot_status import Status, StoredVersion, to_wire
from controller.times import rfc3339, seconds
from refresh.model import SnapshotState

NOW = 1_800_000_000.0
SOURCE = {
    "account": "prod",
    "identity": "controller",
    "provider": "aws-sm",
    "reference": "/prod/payments/db",
}
NAME = snapshot_name(*SOURCE.values())
RULES = FreshnessClass(
    name="steady", refresh_s=60.0, budget_s=900.0, max_age_s=3600.0, on_expired="refuse"
)
STATUS = Status(
    account="prod",
    identity="controller",
    scheme="aws-sm",
    reference="/prod/payments/db",
    rules=RULES,
    serving="served",
    version="v2",
    fetched_at=NOW - 10.25,
    last_success=NOW - 1.5,
    last_attempt=NOW,
    refresh_handled=NOW - 2.5,
    failures=3,
    reason="denied",
    message=None,
    latest="v3",
    pin="v2",
    quarantined=(Quarantined(version="v3", reason="rolled-back"),),
    revoked=("v1",),
    history=(StoredVersion(version="v0", fetched_at=NOW - 99),),
    consumers=("web-1", "web-2"),
    undemanded_since=None,
    observed_generation=4,
)


def _object(status: dict[str, Any] | None = None, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretSnapshot",
        "metadata": {
            "name": NAME,
            "namespace": "payments",
            "resourceVersion": "7",
            "generation": 5,
            "annotations": {REFRESH_REQUESTED: "2026-11-24T00:00:00Z"},
        },
        "spec": {"source": SOURCE, **spec},
        **({} if status is None else {"status": status}),
    }


def _written(status: Status) -> dict[str, Any]:
    """As it stands there after a merge patch, which removes what is null."""
    document = to_wire(status, SnapshotState(), {}, NOW)
    return {name: value for name, value in document.items() if value is not None}


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(STATUS, id="all is known"),
        pytest.param(
            replace(STATUS, rules=None, refused_since=NOW - 5, undemanded_since=NOW - 6),
            id="refused and unused",
        ),
        pytest.param(
            replace(STATUS, serving=None, version=None, fetched_at=None, last_success=None),
            id="never synced",
        ),
    ],
)
def test_what_the_controller_writes_is_what_operators_read(status: Status) -> None:
    """All but the names of pods, of which the API server's status has the count."""
    content = _object(_written(status))
    SecretSnapshot.model_validate(content)
    found = read(content)
    assert found.status == replace(status, consumers=(), unnamed=2)
    assert found.status.pods == 2
    assert found.counts


def test_an_older_controllers_status_tells_class_and_state_instead_of_rules() -> None:
    """It is all that is known of them."""
    written = _written(STATUS)
    del written["rules"]
    found = read(_object(written)).status
    assert (found.rules, found.class_name) == (None, "steady")
    assert found.told is not None
    assert found.told.state == "fresh"


def test_a_snapshot_that_the_controller_has_not_seen_is_never_synced() -> None:
    """It has no status."""
    found = read(_object())
    assert (found.status.serving, found.status.observed_generation) == (None, 0)
    assert found.spec.generation == 5


def test_another_name_than_the_sources_does_not_count() -> None:
    """The right one is told."""
    content = _object()
    content["metadata"]["name"] = "db"
    found = read(content)
    assert not found.counts
    assert found.right_name == NAME


def test_a_change_names_what_changes_and_the_version_that_it_was_made_on() -> None:
    """Null takes a pin away; a refresh is an annotation alone."""
    before = read(_object(pin="v1", revoked=["v0"]))
    at = {"resourceVersion": "7"}
    assert patch(before, specs.pinned(before.spec, None)) == {
        "metadata": at,
        "spec": {"pin": None},
    }
    assert patch(before, specs.revoked(before.spec, "v1")) == {
        "metadata": at,
        "spec": {"pin": None, "revoked": ("v0", "v1")},
    }
    assert patch(before, specs.rolled_back(before.spec, "v1")) == {
        "metadata": at,
        "spec": {"quarantined": ("v1",)},
    }
    assert patch(before, specs.refresh_requested(before.spec, NOW)) == {
        "metadata": {**at, "annotations": {REFRESH_REQUESTED: rfc3339(NOW)}},
        "spec": {},
    }


def test_the_oldest_rollbacks_make_room() -> None:
    """The list has an end, and the newest must be in it."""
    spec = specs.Spec(quarantined=tuple(f"v{number}" for number in range(MOST_VERSIONS)))
    found = specs.rolled_back(spec, "bad").quarantined
    assert (len(found), found[0], found[-1]) == (MOST_VERSIONS, "v1", "bad")


@given(st.floats(min_value=0, max_value=4e9))
def test_times_survive_the_way_to_the_server_and_back(moment: float) -> None:
    """To the microsecond."""
    assert seconds(rfc3339(moment)) == pytest.approx(moment, abs=1e-6)


@pytest.mark.parametrize("stamp", [None, "", "soon", 5, "2026-11-24T00:00:00"])
def test_what_is_no_time_is_none(stamp: object) -> None:
    """Annotations are whatever a tenant wrote."""
    assert seconds(stamp) is None

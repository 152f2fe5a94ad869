"""Pods that started with stale values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.freshness import FreshnessClass
from contract.reasons import FetchFailure, Serving
from contract.secret_bytes import SecretBytes
from controller.stale_starts import StartedSource, started_at, started_stale
from refresh.model import Kept, SnapshotKey, SnapshotState, SourceKey

AT = 1_800_000_000.0
STEADY = FreshnessClass(
    name="steady", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="serve"
)

PATIENT = FreshnessClass(
    name="patient", refresh_s=60.0, budget_s=300.0, max_age_s=9000.0, on_expired="serve"
)


def _source(age_s: float | None, reference: str = "/prod/db", **changes: Any) -> StartedSource:  # noqa: ANN401 - a state's members
    state = SnapshotState(
        serving=Serving.SERVED,
        served=Kept(version="v1", value=SecretBytes(b"canary"), fetched_at=AT - 5000),
        last_success=None if age_s is None else AT - age_s,
        reason=FetchFailure.UNAVAILABLE,
    )
    key = SnapshotKey("payments", SourceKey("prod", "controller", "aws-sm", reference))
    return StartedSource(key=key, state=replace(state, **changes), rules=STEADY)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param(
            _source(400.0),
            "started with aws-sm:/prod/db of account prod, which was 400 s old. In class steady"
            " values are stale after 300 s. The last fetch failed. Reason: unavailable. The"
            " provider cannot be reached, or its answer cannot be used. The fetch is retried. The"
            " controller's log shows the error code",
            id="stale",
        ),
        pytest.param(
            _source(1000.0, reason=None),
            "started with aws-sm:/prod/db of account prod, which was 1000 s old. In class steady"
            " values are expired after 900 s. No fetch has failed since",
            id="expired, and served all the same",
        ),
        pytest.param(
            _source(None, reason=None),
            "started with aws-sm:/prod/db of account prod, which was of unknown age. In class"
            " steady values are expired after 900 s. No fetch has failed since",
            id="of unknown age",
        ),
    ],
)
def test_p5_a_pod_that_started_stale_is_told_so(source: StartedSource, said: str) -> None:
    """Which source, how old, what the class says, the provider's last word, what to do."""
    assert started_stale([_source(10.0, "/prod/other"), source], AT) == said


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(_source(300.0), id="fresh, at the edge"),
        pytest.param(_source(-5.0), id="confirmed after the start: how old it was is not known"),
        pytest.param(_source(400.0, served=None), id="revoked: the pod started without"),
    ],
)
def test_what_is_not_known_to_have_been_stale_is_not_said(source: StartedSource) -> None:
    """An Event that is wrong is worse than none."""
    assert started_stale([source], AT) is None


def test_the_worst_is_named_and_the_others_are_counted() -> None:
    """One Event a pod, however many sources it has."""
    sources = [_source(400.0, "/a"), _source(800.0, "/b"), _source(500.0, "/c")]
    note = started_stale(sources, AT)
    assert note is not None
    assert "aws-sm:/b " in note
    assert note.endswith(". Also stale: 2 more")
    assert str(started_stale(sources[:2], AT)).endswith(". Also stale: 1 more")
    patient = replace(_source(5000.0, "/d"), rules=PATIENT)
    expired = _source(1000.0, "/e")
    assert "aws-sm:/e " in str(started_stale([patient, expired], AT)), "older, and within its class"


@given(st.lists(st.floats(-100.0, 2000.0), max_size=5))
def test_it_is_said_exactly_where_one_was_past_its_budget(ages: list[float]) -> None:
    """Whatever the others are."""
    note = started_stale([_source(age_s) for age_s in ages], AT)
    assert (note is not None) == any(AT - (AT - age_s) > STEADY.budget_s for age_s in ages)


def _container(second: int, *, ended: bool = False) -> dict[str, Any]:
    phase = "terminated" if ended else "running"
    return {phase: {"startedAt": f"2027-01-15T08:00:{second:02}Z"}}


@pytest.mark.parametrize(
    ("containers", "at"),
    [
        pytest.param([], None, id="no status yet"),
        pytest.param([{"state": {"waiting": {"reason": "PodInitializing"}}}], None, id="waiting"),
        pytest.param([{"state": _container(7)}, {"state": _container(5)}], AT + 5, id="the first"),
        pytest.param(
            [{"state": _container(30), "lastState": _container(4, ended=True)}],
            AT + 4,
            id="started again",
        ),
        pytest.param(
            [{"state": {"waiting": {}}, "lastState": _container(4, ended=True)}],
            AT + 4,
            id="about to be started again",
        ),
        pytest.param(
            [
                {
                    "state": _container(40),
                    "lastState": _container(30, ended=True),
                    "restartCount": 2,
                }
            ],
            AT + 1,
            id="started again and again: since the kubelet took it up",
        ),
    ],
)
def test_when_a_pod_started_is_read_from_its_status(
    containers: list[dict[str, Any]], at: float | None
) -> None:
    """As a kubelet writes it, to the second."""
    status = {"startTime": "2027-01-15T08:00:01Z", "containerStatuses": containers}
    assert started_at(status) == at

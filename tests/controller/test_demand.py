"""What the controller takes from injected pods, and what it does not."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import layout, plan
from contract.annotations import PLAN
from contract.snapshot_format import property_key
from controller.demand import (
    MOST_SNAPSHOTS,
    Demand,
    DemandedParts,
    NotADemandError,
    consumers,
    from_pod,
    parts,
)
from refresh.model import SnapshotKey, SourceKey
from tests import make

Manifest = dict[str, Any]
DB = SnapshotKey("payments", SourceKey("prod", "payments", "aws-sm", "/prod/payments/db"))


def _plan(*files: plan.PlannedFile, **fields: str) -> str:
    return plan.to_wire(make.plan(make.planned_snapshot(*files, **fields)))  # type: ignore[arg-type]  # a table


def _follow(
    wire: str, name: str = "api-1", member: str = "initContainers", **spec: object
) -> Manifest:
    gate = make.container(layout.GATE, args=["gate", "--plan", wire, "--cache", "/c"])
    fields: Any = {member: [gate], **spec}
    return make.pod(name, annotations={}, **fields)


def _mount(wire: str, secret: str, *keys: str) -> Manifest:
    items = [{"key": key, "path": key} for key in keys]
    source = {"secret": {"name": secret, "items": items}}
    volume = {"name": layout.SNAPSHOTS_VOLUME, "projected": {"sources": [source]}}
    return make.pod("api-1", annotations={PLAN: wire}, volumes=[volume])


@pytest.mark.parametrize("member", ["initContainers", "containers"])
def test_the_plan_is_read_from_the_arguments(member: str) -> None:
    """Gate or agent, among init containers or containers, carries the demand."""
    found = from_pod(_follow(_plan(make.planned_file(part="password")), member=member))
    assert found == Demand(
        namespace="payments",
        pod="api-1",
        parts={DB: DemandedParts(properties=frozenset({"password"}))},
    )


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(make.pod(), id="not injected"),
        pytest.param(make.pod(annotations={}), id="not opted in"),
        pytest.param({**_follow(_plan()), "status": {"phase": "Succeeded"}}, id="succeeded"),
        pytest.param({**_follow(_plan()), "status": {"phase": "Failed"}}, id="failed"),
    ],
)
def test_a_pod_that_does_not_read_demands_nothing(pod: object) -> None:
    """Pods without our containers, and pods that have ended, ask for nothing."""
    assert from_pod(pod) is None


TERMINATING = "2026-03-01T00:00:00Z"


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown", None])
def test_a_pod_that_is_being_deleted_counts_as_long_as_it_has_not_ended(phase: str | None) -> None:
    """Its containers may still read, and a finalizer may hold it for long. None: no phase yet."""
    pod = _follow(_plan())
    pod["metadata"]["deletionTimestamp"] = TERMINATING
    pod["status"] = {} if phase is None else {"phase": phase}
    found = from_pod(pod)
    assert found is not None
    assert consumers([found]) == {DB: ("api-1",)}


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_is_being_deleted_and_has_ended_counts_no_more(phase: str) -> None:
    """Pod garbage collection marks one that no node ever took as Failed; a finalizer may still hold
    it.
    """
    pod = _follow(_plan())
    pod["metadata"]["deletionTimestamp"] = TERMINATING
    pod["status"] = {"phase": phase}
    assert from_pod(pod) is None


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        pytest.param([], "a pod is an object", id="a list"),
        pytest.param(_follow(_plan(), name="../x"), "must be names", id="name is a path"),
        pytest.param(
            make.pod(namespace="../x", annotations={}), "must be names", id="namespace is a path"
        ),
        pytest.param(_follow("{}"), "not one that this version can read", id="no plan"),
        pytest.param(_follow("["), "not one that this version can read", id="not JSON"),
        pytest.param(_follow(_plan(reference="/a/../b")), "not canonical", id="dots"),
        pytest.param(_follow(_plan(scheme="aws-xx")), "not canonical", id="unknown provider"),
        pytest.param(
            _follow(_plan(make.planned_file(part="a..b"))), "property", id="not a property"
        ),
        pytest.param(
            _follow(_plan(make.planned_file(part="a/.b"))), "property", id="a dot beside a /"
        ),
        pytest.param(_follow(_plan(account="\ud800")), "account", id="account: a lone surrogate"),
        pytest.param(_follow(_plan(account="a" * 64)), "account", id="account: too long"),
        pytest.param(_follow(_plan(identity="\ud800")), "identity", id="identity: a surrogate"),
        pytest.param(_follow(_plan(identity="a\n")), "identity", id="identity: a line end"),
        pytest.param(_follow(_plan(identity="")), "identity", id="identity: none"),
        pytest.param(_follow(_plan(identity="a" * 254)), "identity", id="identity: too long"),
        pytest.param(
            make.pod("a", make.container(layout.GATE, args=["gate"]), annotations={}),
            "container lastgood-gate has no --plan",
            id="gate without plan",
        ),
        pytest.param(make.pod("a", annotations={PLAN: 7}), "must be text", id="plan is a number"),  # type: ignore[dict-item]  # bad
    ],
)
def test_p7_what_is_no_demand_is_said(pod: object, message: str) -> None:
    """A manifest that can't be followed is named, without what it says."""
    with pytest.raises(NotADemandError, match=message):
        from_pod(pod)


_HOSTILE = st.one_of(
    st.text(st.characters(), max_size=300),
    st.sampled_from(["\ud800", "a\ud800", "é", "a" * 100_000, "a/.b", "\0", ""]),
)
"""What a tenant may write; lone surrogates too, which JSON can carry."""
_FIELDS = ("account", "identity", "scheme", "reference", "part", "file", "name", "rules")


@given(st.dictionaries(st.sampled_from(_FIELDS), _HOSTILE, max_size=2))
def test_p13_whatever_text_a_plan_holds_it_is_no_demand_or_one_with_a_name(
    texts: dict[str, str],
) -> None:
    """No text of a tenant's ends the process that serves all."""
    file = make.planned_file(
        texts.pop("name", "db"), file=texts.pop("file", None), part=texts.pop("part", None)
    )
    rules = make.rules(texts.pop("rules", "steady"))
    planned = make.planned_snapshot(file, rules=rules, **texts)
    try:
        found = from_pod(_follow(plan.to_wire(make.plan(planned))))
    except NotADemandError:
        return
    assert found is not None
    for key in found.parts:
        assert key.source.snapshot.isascii()
        assert all(part.isascii() and len(part) <= 512 for part in astuple(key.source))


def test_p7_a_snapshots_name_is_computed_and_never_taken_from_the_plan() -> None:
    """A plan that calls a source by another snapshot's name does not get that name."""
    wire = _plan().replace(make.planned_snapshot().snapshot, "lg-someone-elses")
    found = from_pod(_follow(wire))
    assert found is not None
    assert [asked.source.snapshot for asked in found.parts] == [DB.source.snapshot]


def test_p7_a_mount_pods_annotation_counts_as_far_as_the_spec_confirms_it() -> None:
    """Design 006: the projected Secret's name is a hash over the source."""
    wire = _plan(make.planned_file(part="password"), make.planned_file("u", part="user"))
    confirmed = from_pod(_mount(wire, DB.source.snapshot, property_key("password"), "meta.json"))
    assert confirmed is not None
    assert confirmed.parts == {DB: DemandedParts(properties=frozenset({"password"}))}
    other = _plan(reference="/prod/payments/other")
    changed = from_pod(_mount(other, DB.source.snapshot, "value", "meta.json"))
    assert changed is not None
    assert changed.parts == {}


def test_an_argument_comes_before_an_annotation() -> None:
    """A pod with a gate is read by its gate alone."""
    pod = _follow(_plan())
    pod["metadata"]["annotations"] = {PLAN: _plan(reference="/prod/payments/other")}
    found = from_pod(pod)
    assert found is not None
    assert list(found.parts) == [DB]


def test_pods_add_up() -> None:
    """Of one source all is taken that any pod takes, and all pods are consumers."""
    pods = [
        _follow(_plan(make.planned_file(part="password")), name="b"),
        _follow(_plan(), name="a"),
    ]
    demands = [found for pod in pods if (found := from_pod(pod)) is not None]
    assert consumers(demands) == {DB: ("a", "b")}
    assert parts(demands) == {DB: DemandedParts(properties=frozenset({"password"}), whole=True)}


def test_p13_a_plan_of_more_sources_than_any_policy_allows_is_no_demand() -> None:
    """Who writes such a plan did not get it from the webhook."""
    many = [
        make.planned_snapshot(make.planned_file(f"s{number}"), reference=f"/prod/payments/{number}")
        for number in range(MOST_SNAPSHOTS + 1)
    ]
    assert from_pod(_follow(plan.to_wire(make.plan(*many[1:])))) is not None
    with pytest.raises(NotADemandError, match="more than 256 sources"):
        from_pod(_follow(plan.to_wire(make.plan(*many))))

"""What may be done to pods that were injected, by tenants and by the controller: each forbidden act
tried on a real API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract import annotations as keys
from contract import layout
from tests.e2e.opted_in import STRATEGIC, debugger
from webhook.podspec import MIRROR

if TYPE_CHECKING:
    from tests.chart.rendering import Manifest
    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("volume", layout.VOLUMES[:3])
def test_p13_an_ephemeral_container_mounts_nothing_of_ours(
    guarded: Enforced, running: str, volume: str
) -> None:
    """Who may debug a pod doesn't get its secrets by that."""
    path = f"{running}/ephemeralcontainers"
    answer = guarded.server.act(None, "PATCH", path, debugger("debug", volume), kind=STRATEGIC)
    assert answer.by_policy, (answer.status, answer.body)
    assert "ephemeral container" in answer.message


def test_a_pod_can_be_debugged(guarded: Enforced, running: str) -> None:
    """An ephemeral container that mounts nothing of ours is as ever."""
    path = f"{running}/ephemeralcontainers"
    answer = guarded.server.act(None, "PATCH", path, debugger(), kind=STRATEGIC)
    assert answer.status == 200, answer.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metadata": {"annotations": {keys.INJECTED: None}}}, "has lastgood.dev annotations, but"),
        (
            {"spec": {"initContainers": [{"name": layout.GATE, "image": "evil"}]}},
            "run the image that the admin configured",
        ),
    ],
    ids=["mark", "image"],
)
def test_p13_a_running_pod_stays_as_it_was_injected(
    guarded: Enforced, running: str, change: Manifest, says: str
) -> None:
    """What can be updated of a pod is looked at as in its creation."""
    answer = guarded.server.act("alice", "PATCH", running, change, kind=STRATEGIC)
    assert answer.by_policy, (answer.status, answer.body)
    assert says in answer.message


def test_p10_a_running_pod_becomes_no_static_one(guarded: Enforced, running: str) -> None:
    """Of which nothing is looked at: the API server refuses the annotation to everyone."""
    change = {"metadata": {"annotations": {MIRROR: "1"}}}
    assert guarded.server.act("alice", "PATCH", running, change).status == 422


def test_labels_of_a_running_pod_are_its_owners(guarded: Enforced, running: str) -> None:
    """P10: nothing of ours looks at them."""
    for metadata in ({"labels": {"a": "b"}, "finalizers": ["example.com/x"]}, {"finalizers": None}):
        answer = guarded.server.act("alice", "PATCH", running, {"metadata": metadata})
        assert answer.status == 200, answer.message


def test_the_controller_nudges(guarded: Enforced, running: str) -> None:
    """Its one annotation, set and set again."""
    for moment in ("1", "2"):
        change = {"metadata": {"annotations": {keys.SYNC_REQUESTED: moment}}}
        answer = guarded.server.act(guarded.controller, "PATCH", running, change)
        assert answer.status == 200, answer.message


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"containers": [{"name": "app", "image": "evil"}]}},
        [{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}],
        {"spec": {"activeDeadlineSeconds": 1}},
        {"metadata": {"labels": {"app": "evil"}}},
        {"metadata": {"finalizers": ["example.com/keep"]}},
        {
            "metadata": {
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]
            }
        },
        {"metadata": {"generateName": "evil-"}},
        {"metadata": {"annotations": {"example.com/a": "b"}}},
        {"metadata": {"annotations": {keys.INJECTED: "9"}}},
        {"metadata": {"annotations": {keys.SECRET + "db-password": None}}},
    ],
    ids=[
        "image",
        "tolerations",
        "deadline",
        "labels",
        "finalizers",
        "owner",
        "generateName",
        "another annotation",
        "our mark",
        "annotation removed",
    ],
)
def test_p13_the_controller_changes_nothing_else_of_a_pod(
    guarded: Enforced, running: str, change: Manifest | list[Manifest]
) -> None:
    """Though RBAC alone would let it."""
    kind = "application/json-patch+json" if isinstance(change, list) else STRATEGIC
    answer = guarded.server.act(guarded.controller, "PATCH", running, change, kind=kind)
    assert answer.by_policy, (answer.status, answer.body)
    assert "lastgood's controller may" in answer.message


@pytest.mark.parametrize(
    ("method", "under", "body"),
    [
        ("PATCH", "/status", {"status": {"phase": "Failed"}}),
        ("PATCH", "/ephemeralcontainers", debugger()),
        ("DELETE", "", None),
        ("POST", "/eviction", {"apiVersion": "policy/v1", "kind": "Eviction"}),
        ("POST", "/binding", {"apiVersion": "v1", "kind": "Binding", "target": {"name": "a"}}),
        ("GET", "/log", None),
    ],
    ids=["status", "debug", "delete", "evict", "bind", "log"],
)
def test_p13_the_controller_has_no_other_verb_on_pods(
    guarded: Enforced, running: str, method: str, under: str, body: object
) -> None:
    """RBAC gives it list, watch and patch of pods."""
    answer = guarded.server.act(guarded.controller, method, running + under, body)
    assert answer.status == 403

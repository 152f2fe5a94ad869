"""Kubernetes itself can still delete what nobody else may."""

from __future__ import annotations

import secrets
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e import enforced
from tests.e2e.enforced import kubectl
from tests.e2e.opted_in import injected
from tests.e2e.test_policies_objects import MARK, refused, secret, secrets_of
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.chart.rendering import Manifest
    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(110)
def test_p11_a_namespace_with_snapshots_can_be_deleted(guarded: Enforced) -> None:
    """The namespace controller deletes what nobody else may."""
    name = f"lg-gone-{guarded.suffix}"
    (place,) = enforced.namespaces(guarded.suffix, name)
    kubectl("apply", "-f", "-", given=place)
    act = guarded.server.act
    body = secret("lg-a", labels=MARK)
    assert act(guarded.controller, "POST", secrets_of(name), body).status == 201
    ages = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lastgood-freshness"}}
    folder = f"/api/v1/namespaces/{name}/configmaps"
    assert act(guarded.controller, "POST", folder, ages).status == 201
    refused(act(None, "DELETE", secrets_of(name, "lg-a")))
    subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], check=True)
    gone = f"/api/v1/namespaces/{name}"
    until("the namespace to go", lambda: act(None, "GET", gone).status == 404, 100)


def _options(propagation: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}


def _replica_set(name: str) -> Manifest:
    """Of two opted-in pods as the webhook makes them."""
    made = injected()
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": made["metadata"]["annotations"]},
        "spec": made["spec"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("propagation", "left"), [("Background", 0), ("Foreground", 0), ("Orphan", 2)]
)
def test_p11_a_replica_set_of_injected_pods_can_be_deleted(
    guarded: Enforced, propagation: str, left: int
) -> None:
    """Its pods are made, go with it, or stay without an owner; the garbage collector changes owners
    and finalizers of pods that opted in.
    """
    act, name = guarded.server.act, f"web-{secrets.token_hex(4)}"
    sets = f"/apis/apps/v1/namespaces/{guarded.team}/replicasets"
    pods = f"/api/v1/namespaces/{guarded.team}/pods?labelSelector=app={name}"

    def owners() -> list[int]:
        items = act(None, "GET", pods).body["items"]
        return [len(item["metadata"].get("ownerReferences", [])) for item in items]

    answer = act("alice", "POST", sets, _replica_set(name))
    assert answer.status == 201, answer.message
    until("two pods", lambda: owners() == [1, 1])
    assert act("alice", "DELETE", f"{sets}/{name}", _options(propagation)).status == 200
    until("the set to go", lambda: act(None, "GET", f"{sets}/{name}").status == 404)
    until("the pods to be released", lambda: owners() == [0] * left)
    assert act("alice", "DELETE", pods).status == 200


@pytest.mark.parametrize("propagation", ["Foreground", "Orphan"])
def test_p11_an_injected_pod_loses_the_collectors_finalizer(
    guarded: Enforced, running: str, propagation: str
) -> None:
    """The API server puts it on, and only the garbage collector takes it off."""
    act = guarded.server.act
    assert act("alice", "DELETE", running, _options(propagation)).status == 200
    until("the pod to go", lambda: act(None, "GET", running).status == 404)


@pytest.mark.parametrize("resource", ["secrets", "configmaps", "pods"])
def test_p10_a_collection_without_ours_can_be_deleted(guarded: Enforced, resource: str) -> None:
    """The API server asks about the collection first, with no object at hand."""
    path = f"/api/v1/namespaces/{guarded.team}/{resource}?labelSelector=nobody=has"
    for user in ("alice", None):
        answer = guarded.server.act(user, "DELETE", path)
        assert answer.status == 200, answer.message


def test_p13_the_collection_is_guarded_too(guarded: Enforced) -> None:
    """Deleting all Secrets of a namespace takes no snapshot."""
    path = secrets_of(guarded.team)
    body = secret("lg-swept", labels=MARK)
    assert guarded.server.act(guarded.controller, "POST", path, body).status == 201
    refused(guarded.server.act("alice", "DELETE", path))
    assert guarded.server.act(None, "GET", f"{path}/lg-swept").status == 200
    assert guarded.server.act(guarded.controller, "DELETE", f"{path}/lg-swept").status == 200

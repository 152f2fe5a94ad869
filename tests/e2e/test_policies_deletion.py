"""Kubernetes itself can still delete what nobody else may."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e import enforced
from tests.e2e.enforced import kubectl
from tests.e2e.test_policies_objects import refused, secret, secrets_of
from tests.make.embedded import until

if TYPE_CHECKING:
    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(110)
def test_p11_a_namespace_with_snapshots_can_be_deleted(guarded: Enforced) -> None:
    """The namespace controller deletes what nobody else may."""
    name = f"lg-gone-{guarded.suffix}"
    (place,) = enforced.namespaces(guarded.suffix, name)
    kubectl("apply", "-f", "-", given=place)
    act = guarded.server.act
    assert act(guarded.controller, "POST", secrets_of(name), secret("lg-a")).status == 201
    ages = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lastgood-freshness"}}
    folder = f"/api/v1/namespaces/{name}/configmaps"
    assert act(guarded.controller, "POST", folder, ages).status == 201
    refused(act(None, "DELETE", secrets_of(name, "lg-a")))
    subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], check=True)
    gone = f"/api/v1/namespaces/{name}"
    until("the namespace to go", lambda: act(None, "GET", gone).status == 404, 100)


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
    body = secret("lg-swept")
    assert guarded.server.act(guarded.controller, "POST", path, body).status == 201
    refused(guarded.server.act("alice", "DELETE", path))
    assert guarded.server.act(guarded.controller, "PATCH", f"{path}/lg-swept", {}).status == 200
    assert guarded.server.act(guarded.controller, "DELETE", f"{path}/lg-swept").status == 200

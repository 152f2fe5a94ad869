"""`lastgood presync --apply` on a cluster: what it writes into SecretSnapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from apiserver.faults import Fault, FaultRule
from controller.snapshot_objects import MADE_FOR
from kube.api_resources import (
    CLUSTER_ROLE_BINDINGS,
    LEASES,
    ROLE_BINDINGS,
    ROLES,
    SECRET_SNAPSHOTS,
)
from tests import make
from tests.make.cluster import snapshot_of
from tests.make.external_secrets import secret
from tests.make.standin import SYSTEM
from tests.make.waiting import until

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.make.cluster import World

DB = "/prod/payments/db"
BOTH = b'{"username":"u","password":"p"}'


def _applied(world: World, folder: Path, *members: str) -> str:
    """Of a Deployment that takes these members: what was done."""
    done = _presync(world, folder, *members)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0].partition(": ")[2]


def _presync(world: World, folder: Path, *members: str) -> CompletedProcess[str]:
    sources = {member: f"file:{DB}#{member}" for member in members} or {"db": f"file:{DB}"}
    manifest = make.deployment(annotations=make.asking(**sources))
    manifest["spec"]["template"]["spec"]["securityContext"] = {"fsGroup": 2000}
    path = folder / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return world.command("presync", "-f", str(path), "-n", "payments", "--apply", "--wait", "20")


def _spec(world: World) -> dict[str, Any]:
    return dict(world.snapshot(DB)["spec"])


def test_presync_declares_the_members_that_manifests_take(world: World, tmp_path: Path) -> None:
    """Once, and more as manifests take more; a rotation that loses one is held before any pod."""
    world.secret(DB, BOTH)
    world.start()
    assert _applied(world, tmp_path, "password") == "created"
    assert _spec(world)["properties"] == ["password"]
    assert _applied(world, tmp_path, "password") == "unchanged"
    said = _applied(world, tmp_path, "username")
    assert said == "configured: its properties now include username"
    assert _spec(world)["properties"] == ["password", "username"]
    assert _applied(world, tmp_path) == "unchanged"
    world.secret(DB, b'{"username":"u2"}')
    world.refresh(DB)
    until("the hold", lambda: "a declaration uses" in str(world.shown(DB).get("message")))
    assert world.volume(DB)["value"] == BOTH


KUBERNETES = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: cluster}
spec: {provider: kubernetes, kubernetes: {}, budget: {callsPerSecond: 50, burst: 50}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: [payments]
  sources:
    - {account: cluster, allow: ["k8s:{namespace}/*"], class: steady}
  classes: {steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}}
"""


def test_presync_grants_the_secrets_of_the_namespace(world: World, tmp_path: Path) -> None:
    """Printed first, each by name; applied, they are there before the snapshot, which has its value
    then. A second time nothing changes, and a changed Role is put right.
    """
    world.apply(KUBERNETES)
    world.server.apply(secret("db", {"password": b"p"}), "payments")
    manifest = make.deployment(annotations=make.asking(db="k8s:db#password"))
    manifest["spec"]["template"]["spec"]["securityContext"] = {"fsGroup": 2000}
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest))
    words = ("presync", "-f", str(path), "-n", "payments")
    role, binding, snapshot = yaml.safe_load_all(world.lastgood(*words).stdout)
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]}
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "lastgood-get-db"
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "lastgood-controller", "namespace": "lastgood-system"}
    ]
    assert snapshot["spec"]["source"]["reference"] == "payments/db"
    assert world.server.get(ROLES, "lastgood-get-db", "payments") is None
    world.start()
    applied = world.lastgood(*words, "--apply", "--wait", "30").stdout
    assert "payments/db: granted to the controller" in applied
    again = world.lastgood(*words, "--apply", "--wait", "30").stdout
    assert "payments/db: already granted to the controller" in again
    world.server.patch(ROLES, "lastgood-get-db", {"rules": []}, namespace="payments")
    assert "payments/db: granted" in world.lastgood(*words, "--apply", "--wait", "30").stdout
    found = world.server.get(ROLES, "lastgood-get-db", "payments") or {}
    assert found["rules"] == role["rules"]
    manifest["metadata"]["namespace"] = "default"
    path.write_text(yaml.safe_dump(manifest))
    assert "no label" in world.command("presync", "-f", str(path)).stderr
    del manifest["metadata"]["namespace"]
    path.write_text(yaml.safe_dump(manifest))
    _is_granted_to_nobody_else(world, words)


def _is_granted_to_nobody_else(world: World, words: tuple[str, ...]) -> None:
    """Not by a tenant's Lease, a binding to another role, or without knowing to whom."""
    lease = world.server.get(LEASES, "lastgood-controller", SYSTEM) or {}
    world.end()
    world.server.delete(LEASES, "lastgood-controller", SYSTEM)
    place = {"name": "lastgood-controller", "namespace": "payments"}
    world.server.client.call("POST", LEASES.path("payments"), {**lease, "metadata": place})
    _, binding, _ = yaml.safe_load_all(world.lastgood(*words).stdout)
    assert binding["subjects"][0]["namespace"] == SYSTEM
    name = "lastgood-get-db"
    other = {"roleRef": {**binding["roleRef"], "name": "another"}, "subjects": []}
    world.server.delete(ROLE_BINDINGS, name, "payments")
    world.server.apply({**binding, **other})
    said = world.command(*words, "--apply", "--wait", "0").stdout
    assert "not granted" in said
    assert f"kubectl delete rolebinding {name} -n payments" in said
    assert not (world.server.get(ROLE_BINDINGS, name, "payments") or {}).get("subjects")
    world.server.delete(CLUSTER_ROLE_BINDINGS, "lastgood-controller")
    refused = world.command(*words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--system-namespace" in refused.stderr
    named = world.lastgood(*words, "--system-namespace", "elsewhere").stdout
    assert "namespace: elsewhere" in named


def test_presync_keeps_what_operators_wrote(world: World, tmp_path: Path) -> None:
    """One that was made for pods becomes declared; its pin, and members that it had, stay."""
    world.secret(DB, BOTH)
    world.pod("api-1", DB)
    world.start()
    world.serves(DB, BOTH)
    version = world.version(DB)
    spec = {"spec": {"pin": version, "properties": ["username"]}}
    world.server.patch(SECRET_SNAPSHOTS, snapshot_of(DB), spec, namespace="payments")
    assert MADE_FOR in world.snapshot(DB)["metadata"]["annotations"]
    said = "configured: created for pods before, now kept until it is deleted"
    assert _applied(world, tmp_path, "password") == said
    assert _spec(world)["properties"] == ["password", "username"]
    assert _spec(world)["pin"] == version
    assert MADE_FOR not in (world.snapshot(DB)["metadata"].get("annotations") or {})


@pytest.mark.parametrize("times", [2, float("inf")])
def test_presync_writes_again_what_others_wrote_meanwhile(
    world: World, tmp_path: Path, times: float
) -> None:
    """As the controller does with each status; it says so where that never ends."""
    world.secret(DB, BOTH)
    world.start()
    _applied(world, tmp_path, "username")
    path = SECRET_SNAPSHOTS.path("payments", snapshot_of(DB))
    world.server.break_requests(
        FaultRule(fault=Fault.STATUS, method="PATCH", path=path, code=409, times=times)
    )
    done = _presync(world, tmp_path, "password")
    if times > 2:
        assert "was changed by other clients each time" in done.stderr
        assert (done.returncode, _spec(world)["properties"]) == (1, ["username"])
    else:
        assert _spec(world)["properties"] == ["password", "username"]

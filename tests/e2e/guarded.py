"""Fixtures: a real API server, and the chart's policies in force on it."""

from __future__ import annotations

import re
import secrets
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.chart.rendering import of_kind, render
from tests.e2e import enforced, needs
from tests.e2e.enforced import RESTORER, Enforced, Server, as_list, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The API server, as its administrator."""
    needs.cluster()
    command = ["kubectl", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", proxy.stdout.readline())
        assert found is not None
        reached = Server(f"http://{found[0]}")
        try:
            yield reached
        finally:
            reached.close()
            proxy.terminate()


@pytest.fixture(scope="session")
def guarded(server: Server) -> Iterator[Enforced]:
    """The chart's rights and policies, in force for two new namespaces."""
    needs.helm()
    needs.no_chart()
    suffix = secrets.token_hex(4)
    system, team = f"lg-system-{suffix}", f"lg-team-{suffix}"
    kinds = as_list(of_kind(render(), "CustomResourceDefinition"))
    kubectl("apply", "-f", "-", given=kinds)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", "-", given=kinds)
    places = as_list(enforced.namespaces(suffix, system, team))
    rights = as_list([*enforced.objects(suffix, system), _admins_of(team)])
    try:
        kubectl("apply", "-f", "-", given=places)
        kubectl("apply", "-f", "-", given=rights)
        place = Enforced(server, suffix, system, team)
        _wait(place)
        yield place
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", given=rights)
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", given=places)


def _admins_of(team: str) -> dict[str, object]:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "admins", "namespace": team},
        "roleRef": role,
        "subjects": [{"kind": "User", "name": name} for name in ("alice", RESTORER)],
    }


def _wait(place: Enforced) -> None:
    """Until the API server's own watches have the policies and the rights."""
    probe = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "lastgood-freshness"},
    }
    path = f"/api/v1/namespaces/{place.team}/configmaps"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        alice = place.server.act("alice", "POST", path, probe, dry=True)
        ours = place.server.act(place.controller, "POST", path, probe, dry=True)
        if alice.by_policy and ours.status == 201:
            time.sleep(1)
            return
        time.sleep(0.3)
    pytest.fail("the policies did not come into force within a minute")

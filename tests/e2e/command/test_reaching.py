"""With which rights, over which ways: what operators are told when they can't do a thing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.chart.rendering import of_kind, render
from tests.e2e import needs
from tests.e2e.command.world import SOURCE
from tests.e2e.controlled import PATIENCE_S
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.command.world import Commanded

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
Json = dict[str, Any]
ROLES = ("lastgood-view", "lastgood-edit", "lastgood-view-policies")
CLUSTERS = {"secretpolicies", "secretaccounts"}
"""No namespace's: asked for where they are."""
MAY = [
    ("view", "get list watch", "lastgood.dev", "secretsnapshots", True),
    ("view", "patch create delete", "lastgood.dev", "secretsnapshots", False),
    ("view", "get list", "", "pods configmaps events pods/log", True),
    ("view", "get list watch create", "", "secrets", False),
    ("edit", "get list watch patch create delete", "lastgood.dev", "secretsnapshots", True),
    ("edit", "patch update", "lastgood.dev", "secretsnapshots/status", False),
    ("edit", "list", "lastgood.dev", "secretpolicies secretaccounts", False),
]


@pytest.fixture
def roles(commanded: Commanded) -> Iterator[Commanded]:
    """The chart's ClusterRoles for people, and one bound to each of two service accounts."""
    needs.helm()
    found = [item for item in of_kind(render(), "ClusterRole") if item["metadata"]["name"] in ROLES]
    assert len(found) == len(ROLES)
    kubectl = commanded.controlled.kubectl
    kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    )
    try:
        kubectl("create", "serviceaccount", "none")
        for role in ("view", "edit"):
            kubectl("create", "serviceaccount", role)
            account = f"--serviceaccount={commanded.namespace}:{role}"
            kubectl("create", "rolebinding", role, f"--clusterrole={role}", account)

        def aggregated() -> bool:
            edit = kubectl("get", "clusterrole", "edit", "-o", "json")
            return edit.count("secretsnapshots") > 1

        until("the roles to be aggregated", aggregated, PATIENCE_S)
        yield commanded
    finally:
        kubectl("delete", "clusterrole", *ROLES, "--ignore-not-found")


def _kubeconfig(commanded: Commanded, folder: Path, *, token: str | None, **cluster: object) -> str:
    """The path of one like ours, with another user (None: ours) and another cluster, as given."""
    text = commanded.controlled.kubectl("config", "view", "--raw", "--minify", "-o", "json")
    document: Json = json.loads(text)
    if token is not None:
        document["users"][0]["user"] = {"token": token}
    document["clusters"][0]["cluster"].update(cluster)
    path = folder / f"kubeconfig-{len(list(folder.iterdir()))}"
    path.write_text(json.dumps(document), "utf-8")
    return str(path)


def _as(commanded: Commanded, folder: Path, account: str) -> str:
    token = commanded.controlled.kubectl("create", "token", account).strip()
    return _kubeconfig(commanded, folder, token=token)


def test_p7_each_verb_works_with_its_role_and_with_no_less(
    roles: Commanded, tmp_path: Path, rotated: tuple[str, str]
) -> None:
    """A refusal names act and role, and changes nothing; what can't be seen is noted."""
    nobody, viewer, editor = (_as(roles, tmp_path, name) for name in ("none", "view", "edit"))
    said = roles.here("status", code=1, KUBECONFIG=nobody)
    assert f"you may not list SecretSnapshots in namespace {roles.namespace} (403" in said
    assert "The ClusterRole lastgood-view of" in said
    said = roles.here("status", SOURCE, KUBECONFIG=viewer)
    assert "steady  fresh" in said
    assert "1 pod uses it: web-1" in said
    assert "note: you may not list Lease" in said
    assert "web-1" in roles.here("explain", "web-1", KUBECONFIG=viewer)
    said = roles.here("rollback", SOURCE, code=1, KUBECONFIG=viewer)
    assert f"you may not patch SecretSnapshots in namespace {roles.namespace} (403" in said
    assert "The ClusterRole lastgood-edit of" in said
    said = roles.here("rollback", SOURCE, KUBECONFIG=editor)
    assert f"serves {rotated[0]}" in said
    manifest = tmp_path / "pod.yaml"
    manifest.write_text("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {}}")
    said = roles.here("render", "-f", str(manifest), code=1, KUBECONFIG=editor)
    assert "you may not list secretaccounts (403" in said
    assert "The ClusterRole lastgood-view-policies of" in said


def test_what_the_roles_give(roles: Commanded) -> None:
    """By SubjectAccessReview: no Secret, no status, no admin's object."""
    asked = []
    for role, verbs, group, resources, expected in MAY:
        for verb in verbs.split():
            for resource in resources.split():
                found = _may(roles, role, verb, group, resource)
                asked.append((role, verb, resource, found == expected))
    assert [item for item in asked if not item[-1]] == []


def _may(roles: Commanded, role: str, verb: str, group: str, resource: str) -> bool:
    name, _, subresource = resource.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{roles.namespace}:{role}",
            "resourceAttributes": {
                "namespace": "" if name in CLUSTERS else roles.namespace,
                "verb": verb,
                "group": group,
                "resource": name,
                "subresource": subresource,
            },
        },
    }
    text = roles.controlled.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
    return bool(json.loads(text)["status"]["allowed"])


@pytest.mark.parametrize(
    ("token", "cluster", "message"),
    [
        ("made-up", {}, "rejected your credentials (401)"),
        (None, {"server": "https://127.0.0.1:1"}, "the connection was refused"),
        (None, {"server": "https://no-such-name.invalid"}, "cannot be reached: "),
        (None, {"certificate-authority-data": None}, "its certificate does not match the CA"),
        (None, {"server": "{server}/elsewhere"}, "Is lastgood installed there?"),
    ],
    ids=["expired", "nothing there", "no such name", "another authority", "not installed"],
)
def test_trouble_on_the_way_is_one_line_without_the_token(
    commanded: Commanded,
    tmp_path: Path,
    token: str | None,
    cluster: dict[str, str | None],
    message: str,
) -> None:
    """Exit 1, nothing on stdout."""
    words = ("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    server = commanded.controlled.kubectl(*words)
    changes = {
        name: None if text is None else text.format(server=server) for name, text in cluster.items()
    }
    path = _kubeconfig(commanded, tmp_path, token=token, **changes)
    done = commanded.lastgood("status", "-n", commanded.namespace, code=1, KUBECONFIG=path)
    assert done.stdout == ""
    assert done.stderr.startswith("lastgood: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert token is None or token not in done.stderr


def test_kubectl_finds_it_as_a_plugin(commanded: Commanded, tmp_path: Path) -> None:
    """`kubectl lastgood`, with kubectl's own words for where."""
    program = tmp_path / "kubectl-lastgood"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom cli.__main__ import main\nsys.exit(main())\n"
    )
    program.chmod(0o700)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("LASTGOOD_STORE", None)
    context = commanded.controlled.kubectl("config", "current-context").strip()
    words = ["status", "--context", context, "-n", commanded.namespace]
    for asked, expected in ((words, "no snapshots found"), (["-h"], "usage: kubectl lastgood")):
        done = subprocess.run(
            ["kubectl", "lastgood", *asked],
            cwd=REPOSITORY,
            env={**environment, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in done.stdout + done.stderr

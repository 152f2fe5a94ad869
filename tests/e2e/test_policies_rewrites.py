"""Updates of what the controller wrote that change no value: a change of metadata is refused to
everyone else, and an update that changes nothing is allowed.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.enforced import MERGE, RESTORER, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Enforced

pytestmark = pytest.mark.e2e
NAMESPACE_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"
MARK = {"app.kubernetes.io/managed-by": "lastgood"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}
MANAGER = {
    "apiVersion": "v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:data": {"f:value": {}}},
    "manager": "mine",
    "operation": "Apply",
    "time": "2026-01-01T00:00:00Z",
}
CHANGES: dict[str, dict[str, Any]] = {
    "reset of managedFields": {"managedFields": [{}]},
    "another manager": {"managedFields": [MANAGER]},
    "annotations": {"annotations": {"a": "b"}},
    "labels": {"labels": {"a": "b"}},
    "ownerReferences": {"ownerReferences": [OWNER]},
    "finalizers": {"finalizers": ["example.com/keep"]},
    "generateName": {"generateName": "lg-"},
    "generation": {"generation": 7},
    "creationTimestamp": {"creationTimestamp": "2020-01-01T00:00:00Z"},
    "deletionTimestamp": {"deletionTimestamp": "2020-01-01T00:00:00Z"},
    "deletionGracePeriodSeconds": {"deletionGracePeriodSeconds": 0},
    "selfLink": {"selfLink": "/mine"},
    "uid": {"uid": "0c0ffee0-0000-4000-8000-000000000000"},
}
USERS = pytest.mark.parametrize(
    "user",
    ["alice", RESTORER, None],
    ids=["the namespace's admin", "the restorer", "the cluster's"],
)
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"


def _objects(team: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Folder and body of a snapshot and of the ages."""
    value = base64.b64encode(b"a value").decode()
    kinds = {
        "secrets": {"kind": "Secret", "type": "lastgood.dev/snapshot", "data": {"value": value}},
        "configmaps": {"kind": "ConfigMap", "data": {"a": "1"}},
    }
    metadata = {
        "secrets": {"name": "lg-same-1", "labels": MARK, "annotations": {"a": "a"}},
        "configmaps": {"name": "lastgood-freshness"},
    }
    return {
        kind: (
            f"/api/v1/namespaces/{team}/{kind}",
            {"apiVersion": "v1", "metadata": metadata[kind], **body},
        )
        for kind, body in kinds.items()
    }


@pytest.fixture(params=["secrets", "configmaps"])
def stored(guarded: Enforced, request: pytest.FixtureRequest) -> Iterator[str]:
    """The path of an object that the controller wrote, with more than one manager."""
    act = guarded.server.act
    folder, body = _objects(guarded.team)[request.param]
    path = f"{folder}/{body['metadata']['name']}"
    answer = act(guarded.controller, "POST", folder, body)
    assert answer.status in {201, 409}, answer.message
    more = {"b": base64.b64encode(b"b").decode()}
    second = f"{path}?fieldManager=second"
    if request.param == "secrets":
        changed = act(guarded.controller, "PUT", second, {**body, "data": body["data"] | more})
    else:
        changed = act(guarded.controller, "PATCH", second, {"data": more})
    assert changed.status == 200, changed.message
    yield path
    assert act(NAMESPACE_CONTROLLER, "DELETE", path).status == 200


def _whole(guarded: Enforced, path: str) -> dict[str, Any]:
    """The object as it is stored."""
    answer = guarded.server.act(None, "GET", path)
    assert answer.status == 200, answer.message
    found: dict[str, Any] = answer.body
    return found


@USERS
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_p13_no_update_of_metadata_changes_anything(
    guarded: Enforced, stored: str, user: str | None, change: dict[str, Any]
) -> None:
    """It is refused, or it is one that the API server drops: what is stored stays byte for byte, so
    that not even the resourceVersion moves.
    """
    before = _whole(guarded, stored)
    body = {**before, "metadata": {**before["metadata"], **change}}
    attempts = [
        guarded.server.act(user, "PUT", stored, body),
        guarded.server.act(user, "PATCH", stored, {"metadata": change}),
    ]
    assert _whole(guarded, stored) == before
    for answer in attempts:
        assert answer.by_policy or answer.status in {200, 409, 422}, (answer.status, answer.body)


@USERS
@pytest.mark.parametrize("change", list(CHANGES)[:7])
def test_p13_an_update_of_metadata_is_refused_by_name(
    guarded: Enforced, stored: str, user: str | None, change: str
) -> None:
    """By a policy, which says who writes these."""
    before = _whole(guarded, stored)
    body = {**before, "metadata": {**before["metadata"], **CHANGES[change]}}
    answer = guarded.server.act(user, "PUT", stored, body)
    assert answer.by_policy, (answer.status, answer.body)


@USERS
def test_p13_no_apply_takes_ownership(guarded: Enforced, stored: str, user: str | None) -> None:
    """Server-side apply of what is there already would make somebody else its manager."""
    before = _whole(guarded, stored)
    kept = {key: item for key, item in before.items() if key != "metadata"}
    body = {**kept, "metadata": {"name": before["metadata"]["name"]}}
    path = f"{stored}?fieldManager=mine&force=true"
    answer = guarded.server.act(user, "PATCH", path, body, kind=APPLY)
    assert answer.by_policy, (answer.status, answer.body)
    assert _whole(guarded, stored) == before


@USERS
def test_a_rewrite_of_the_same_bytes_is_no_change(
    guarded: Enforced, stored: str, user: str | None
) -> None:
    """Encrypting again under a new key rewrites every Secret, by whatever tool."""
    before = _whole(guarded, stored)
    bare = {key: item for key, item in before["metadata"].items() if key != "managedFields"}
    free = {key: item for key, item in bare.items() if key != "resourceVersion"}
    for metadata in (before["metadata"], bare, free):
        body = {**before, "metadata": metadata}
        for path in (stored, f"{stored}?fieldManager=kubectl-replace"):
            answer = guarded.server.act(user, "PUT", path, body)
            assert answer.status == 200, answer.message
    nothing: tuple[tuple[str, object], ...] = ((MERGE, {}), (JSON_PATCH, []))
    for kind, patch in nothing:
        answer = guarded.server.act(user, "PATCH", stored, patch, kind=kind)
        assert answer.status == 200, answer.message
    assert _whole(guarded, stored) == before


def test_kubectls_rewrite_goes_through(guarded: Enforced, stored: str) -> None:
    """`kubectl get -o json | kubectl replace -f -`, twice, as the encryption guide has it."""
    before = _whole(guarded, stored)
    folder, name = stored.rsplit("/", 1)
    kind = folder.rsplit("/", 1)[1]
    for _ in range(2):
        read = kubectl("--namespace", guarded.team, "get", kind, name, "-o", "json")
        kubectl("replace", "-f", "-", given=json.loads(read))
    assert _whole(guarded, stored) == before


def test_the_storage_version_migrators_rewrite_goes_through(guarded: Enforced, stored: str) -> None:
    """Kubernetes' own controller applies nothing but the identity of each object (KEP-4192)."""
    before = _whole(guarded, stored)
    metadata = before["metadata"]
    body = {
        "apiVersion": before["apiVersion"],
        "kind": before["kind"],
        "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
    }
    manager = "storage-version-migrator-controller"
    answer = guarded.server.act(
        None, "PATCH", f"{stored}?fieldManager={manager}&force=true", body, kind=APPLY
    )
    assert answer.status == 200, answer.message
    assert _whole(guarded, stored) == before

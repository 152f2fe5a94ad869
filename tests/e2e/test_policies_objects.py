"""What nobody but the controller may do to snapshots, and what the controller may not do: each
forbidden act tried with the real identity.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from contract.object_names import snapshot_name
from tests.e2e.enforced import POLICY, RESTORER, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Answer, Enforced

pytestmark = pytest.mark.e2e

SNAPSHOT, RECORD = "lastgood.dev/snapshot", "lastgood.dev/record"
MARK = {"app.kubernetes.io/managed-by": "lastgood"}
"""On what the controller made."""
NAMESPACE_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"
"""May delete everything, as it does when a namespace goes."""
CANARY = "canary-5d1c0f"
NAME = snapshot_name("aws-prod", "", "aws-sm", "/prod/payments/db")
AGES = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "lastgood-freshness"},
    "data": {"a": "1"},
}


def secret(name: str, kind: str = SNAPSHOT, **metadata: object) -> dict[str, Any]:
    """A Secret with the canary in it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, **metadata},
        "data": {"value": base64.b64encode(CANARY.encode()).decode()},
    }


def secrets_of(namespace: str, name: str = "") -> str:
    """The path of Secrets, or of one."""
    return f"/api/v1/namespaces/{namespace}/secrets" + (f"/{name}" if name else "")


def refused(answer: Answer) -> None:
    """A policy refused it (a Secret's type the API server itself), and the refusal has nothing of
    the object.
    """
    immutable = answer.status == 422 and "field is immutable" in answer.message
    assert answer.by_policy or immutable, (answer.status, answer.body)
    encoded = base64.b64encode(CANARY.encode()).decode()
    assert CANARY not in str(answer.body)
    assert encoded not in str(answer.body)


@pytest.fixture(scope="module")
def foreign(guarded: Enforced) -> str:
    """A Secret that is not ours."""
    answer = guarded.server.act(
        "alice", "POST", secrets_of(guarded.team), secret("foreign", "Opaque")
    )
    assert answer.status == 201, answer.message
    return secrets_of(guarded.team, "foreign")


@pytest.fixture
def snapshot(guarded: Enforced) -> Iterator[str]:
    """A snapshot that the controller made."""
    place, path = guarded.server, secrets_of(guarded.team, "lg-db-1")
    made = secret("lg-db-1", labels=MARK)
    answer = place.act(guarded.controller, "POST", secrets_of(guarded.team), made)
    assert answer.status == 201, answer.message
    yield path
    assert place.act(guarded.controller, "DELETE", path).status in {200, 404}


@pytest.fixture
def ages(guarded: Enforced) -> str:
    """The ConfigMap of ages that the controller made, which stays."""
    folder = f"/api/v1/namespaces/{guarded.team}/configmaps"
    answer = guarded.server.act(guarded.controller, "POST", folder, AGES)
    assert answer.status in {201, 409}, answer.message
    return f"{folder}/lastgood-freshness"


def test_the_api_server_finds_no_fault_in_the_policies(guarded: Enforced) -> None:
    """Every expression passes the API server's type check."""
    found = kubectl("get", POLICY.lower(), "-o", "name").split()
    mine = [name for name in found if name.endswith(guarded.suffix)]
    assert len(mine) >= 9
    for name in mine:
        warnings = kubectl("get", name, "-o", "jsonpath={.status.typeChecking.expressionWarnings}")
        assert warnings == "", name


def test_the_controller_keeps_snapshots(guarded: Enforced, snapshot: str) -> None:
    """It makes one, replaces it, checks it by replacing it with the same, and deletes it."""
    act = guarded.server.act
    body = secret("lg-db-1", labels=MARK)
    body["data"]["p.a"] = "YQ=="
    changed = act(guarded.controller, "PUT", snapshot, body)
    assert changed.status == 200, changed.message
    same = act(guarded.controller, "PUT", snapshot, body)
    assert same.body["metadata"]["resourceVersion"] == changed.body["metadata"]["resourceVersion"]
    assert act(guarded.controller, "DELETE", snapshot).status == 200


def test_the_controller_keeps_records_in_its_own_namespace_alone(guarded: Enforced) -> None:
    """There it lists them too; elsewhere it makes none."""
    act, body = guarded.server.act, secret("lgr-a-1", RECORD, labels=MARK)
    refused(act(guarded.controller, "POST", secrets_of(guarded.team), body))
    folder = secrets_of(guarded.system)
    made = act(guarded.controller, "POST", folder, body)
    assert made.status == 201, made.message
    listed = act(guarded.controller, "GET", f"{folder}?fieldSelector=type={RECORD}")
    assert [item["metadata"]["name"] for item in listed.body["items"]] == ["lgr-a-1"]
    path = secrets_of(guarded.system, "lgr-a-1")
    for user in ("alice", None):
        answer = act(user, "DELETE", path)
        assert answer.by_policy or answer.status == 403
    refused(act(None, "PATCH", path, {"data": {"value": "Zm9yZ2Vk"}}))
    assert act(guarded.controller, "DELETE", path).status == 200


@pytest.mark.parametrize("dry", [False, True], ids=["for real", "dry run"])
@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PUT", secret("foreign")),
        ("PUT", secret("foreign", "Opaque")),
        ("PUT", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "foreign"}}),
        ("DELETE", None),
        ("DELETE", {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}),
    ],
    ids=["our type", "its type", "no type", "delete", "delete by its body"],
)
def test_p13_the_controller_reaches_no_foreign_secret(
    guarded: Enforced, foreign: str, method: str, body: object, *, dry: bool
) -> None:
    """Neither by writing nor by an answer that would carry its content."""
    refused(guarded.server.act(guarded.controller, method, foreign, body, dry=dry))
    assert guarded.server.act(None, "GET", foreign).status == 200


@pytest.mark.parametrize(
    "kind",
    ["merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml"],
)
def test_p14_the_controller_may_patch_no_secret(
    guarded: Enforced, foreign: str, snapshot: str, kind: str
) -> None:
    """Errors of a patch quote the object before any policy is asked, so RBAC gives none."""
    body: object = [] if kind.startswith("json") else {}
    query = "?fieldManager=x&force=true" if kind.startswith("apply") else ""
    for path in (foreign, snapshot):
        if kind.startswith("apply"):
            name = path.rsplit("/", 1)[1]
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        kind_ = f"application/{kind}"
        answer = guarded.server.act(guarded.controller, "PATCH", path + query, body, kind=kind_)
        assert answer.status == 403
        assert not answer.by_policy


@pytest.mark.parametrize(
    "body",
    [
        secret("lg-x", "Opaque"),
        secret(
            "lg-x",
            "kubernetes.io/service-account-token",
            annotations={"kubernetes.io/service-account.name": "default"},
        ),
        secret("lg-x", finalizers=["example.com/keep"]),
        secret("database"),
    ],
    ids=["another type", "a token", "a finalizer", "a name that a pod may mount"],
)
def test_the_controller_makes_nothing_but_snapshots(
    guarded: Enforced, body: dict[str, Any]
) -> None:
    """A Secret of another type could be filled with a token by Kubernetes."""
    refused(guarded.server.act(guarded.controller, "POST", secrets_of(guarded.team), body))


def test_p14_the_controller_reads_no_snapshot(guarded: Enforced, snapshot: str) -> None:
    """RBAC gives no read of Secrets in a team's namespace, not even of its own."""
    assert guarded.server.act(guarded.controller, "GET", snapshot).status == 403


def test_the_controller_lists_and_sweeps_no_secrets(guarded: Enforced) -> None:
    """A list or a delete of the collection answers with every Secret's content."""
    for method in ("GET", "DELETE"):
        answer = guarded.server.act(guarded.controller, method, secrets_of(guarded.team), dry=True)
        assert answer.status == 403


def test_the_controller_writes_one_config_map(guarded: Enforced, ages: str) -> None:
    """Ages go into `lastgood-freshness`; nothing else is its business."""
    folder = ages.rsplit("/", 1)[0]
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    assert guarded.server.act(guarded.controller, "PATCH", ages, {"data": {"a": "2"}}).status == 200
    refused(guarded.server.act(guarded.controller, "POST", folder, other))
    generated = {**other, "metadata": {"generateName": "lastgood-freshness"}}
    refused(guarded.server.act(guarded.controller, "POST", folder, generated))


@pytest.mark.parametrize("user", ["alice", None], ids=["the namespace's admin", "the cluster's"])
@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PATCH", {"data": {"value": "Zm9yZ2Vk"}}),
        ("PATCH", {"metadata": {"annotations": {"a": "b"}}}),
        ("PATCH", {"metadata": {"finalizers": ["example.com/keep"]}}),
        ("PATCH", {"metadata": {"labels": dict.fromkeys(MARK)}}),
        ("DELETE", None),
    ],
    ids=["value", "annotation", "finalizer", "mark", "delete"],
)
def test_p13_nobody_else_touches_a_snapshot(
    guarded: Enforced, snapshot: str, user: str | None, method: str, body: object
) -> None:
    """What pods are given is the controller's alone."""
    refused(guarded.server.act(user, method, snapshot, body))


@pytest.mark.parametrize("user", ["alice", None], ids=["the namespace's admin", "the cluster's"])
def test_a_forgery_of_our_type_can_be_removed(guarded: Enforced, user: str | None) -> None:
    """One that was there before the policies has not the controller's mark, and stands in a
    snapshot's place. It can't be given the mark, nor be changed.
    """
    act, path = guarded.server.act, secrets_of(guarded.team, "lg-db-1")
    forged = act(guarded.controller, "POST", secrets_of(guarded.team), secret("lg-db-1"))
    assert forged.status == 201, forged.message
    refused(act(user, "PATCH", path, {"metadata": {"labels": MARK}}))
    assert act(user, "DELETE", path).status == 200


@pytest.mark.parametrize("user", ["alice", None], ids=["the namespace's admin", "the cluster's"])
@pytest.mark.parametrize(
    "body",
    [
        secret("lg-squatted"),
        secret(NAME, "Opaque"),
        secret(f"lgr-{NAME[3:]}", "Opaque"),
        {**secret("", "Opaque"), "metadata": {"generateName": NAME[:-5]}},
    ],
    ids=["our type", "the name", "a record's name", "a generated name"],
)
def test_p13_nobody_else_squats_a_snapshot(
    guarded: Enforced, user: str | None, body: dict[str, Any]
) -> None:
    """A Secret of our type is the controller's to make, and so is one with a snapshot's name."""
    refused(guarded.server.act(user, "POST", secrets_of(guarded.team), body))


@pytest.mark.parametrize(
    ("method", "body"),
    [("PATCH", {"data": {"a": "9"}}), ("DELETE", None)],
    ids=["change", "delete"],
)
def test_p5_nobody_else_makes_a_value_look_fresh(
    guarded: Enforced, ages: str, method: str, body: object
) -> None:
    """Ages are the controller's alone."""
    for user in ("alice", None):
        refused(guarded.server.act(user, method, ages, body))


def test_p5_nobody_else_squats_the_ages(guarded: Enforced) -> None:
    """Nor before the controller has written any."""
    path = f"/api/v1/namespaces/{guarded.team}/configmaps"
    for user in ("alice", None):
        refused(guarded.server.act(user, "POST", path, AGES, dry=True))


def _cleared(guarded: Enforced, path: str) -> None:
    """Nothing is there, or no longer."""
    answer = guarded.server.act(NAMESPACE_CONTROLLER, "DELETE", path)
    assert answer.status in {200, 404}, answer.message


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("secrets", secret(NAME, labels=MARK)),
        ("secrets", secret(f"lgr-{NAME[3:]}", labels=MARK)),
        ("configmaps", AGES),
    ],
    ids=["snapshot", "a record", "ages"],
)
def test_who_restores_backups_makes_what_is_in_them_and_nothing_else(
    guarded: Enforced, kind: str, body: dict[str, Any]
) -> None:
    """As `enforcement.restoreUsers` names them. They change and delete none of it, and for others
    than them it is as forbidden to make as ever.
    """
    act, folder = guarded.server.act, f"/api/v1/namespaces/{guarded.team}/{kind}"
    path = f"{folder}/{body['metadata']['name']}"
    _cleared(guarded, path)
    for user in ("alice", None):
        refused(act(user, "POST", folder, body))
    made = act(RESTORER, "POST", folder, body)
    assert made.status == 201, made.message
    for change in (
        {"data": {"value": "Zm9yZ2Vk"}},
        {"metadata": {"annotations": {"velero.io/restore-name": "a"}}},
        {"metadata": {"labels": {**dict.fromkeys(MARK), "velero.io/restore-name": "a"}}},
    ):
        refused(act(RESTORER, "PATCH", path, change))
    refused(act(RESTORER, "DELETE", path))
    assert act(None, "GET", path).body == made.body
    _cleared(guarded, path)


def test_a_snapshot_that_was_restored_without_the_mark_can_be_removed(guarded: Enforced) -> None:
    """Who restores may leave the mark out, and put it on later no more than others."""
    act, path = guarded.server.act, secrets_of(guarded.team, NAME)
    _cleared(guarded, path)
    made = act(RESTORER, "POST", secrets_of(guarded.team), secret(NAME))
    assert made.status == 201, made.message
    refused(act(RESTORER, "PATCH", path, {"metadata": {"labels": MARK}}))
    assert act(RESTORER, "DELETE", path).status == 200


def test_other_objects_are_nobodys_business(guarded: Enforced) -> None:
    """P10: a Secret or ConfigMap that is not ours is written as ever."""
    act = guarded.server.act
    assert act("alice", "POST", secrets_of(guarded.team), secret("own", "Opaque")).status == 201
    own = secrets_of(guarded.team, "own")
    assert act("alice", "PATCH", own, {"data": {"a": "Yg=="}}).status == 200
    assert act("alice", "DELETE", own).status == 200

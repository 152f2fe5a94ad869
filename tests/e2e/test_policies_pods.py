"""The final state of opted-in pods, and what the controller may do to pods: each forbidden act
tried on a real API server. No webhook of ours is called here: this is what holds without it.
"""

from __future__ import annotations

import copy
import secrets
import time
from typing import TYPE_CHECKING

import pytest

from contract import annotations as keys
from contract import layout
from policy.load import load_texts
from tests.chart.rendering import Manifest, named, render
from tests.e2e import enforced
from tests.e2e.enforced import AGENT, as_list, kubectl
from tests.make.manifests import container, pod
from webhook.admit import admit
from webhook.config import Injection
from webhook.inject import strip
from webhook.pods import MIRROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.enforced import Answer, Enforced

pytestmark = pytest.mark.e2e

STRATEGIC = "application/strategic-merge-patch+json"
IMAGE = f"{AGENT}:dev"
POLICY = """
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: aws-prod}
spec: {provider: aws, aws: {regions: [eu-west-1]}, budget: {callsPerSecond: 20, burst: 40}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: ["payments"]
  sources:
    - {account: aws-prod, allow: ["aws-sm:/prod/{namespace}/*"], class: steady}
    - {account: aws-prod, allow: ["aws-sm:/prod/{namespace}/strict/*"], class: strict}
  classes:
    steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}
    strict: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h, onExpired: refuse}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
"""
RELOAD = {keys.RELOAD: "http://127.0.0.1:8080/reload"}
MOUNT = {keys.MODE: "mount"}
STRICT = {keys.SECRET + "key": "aws-sm:/prod/payments/strict/key"}
SIGNAL = {keys.RELOAD: "signal:HUP"}


def bare(**spec: object) -> Manifest:
    """An opted-in pod that nothing will schedule, not injected."""
    found = pod(None, namespace=None)
    found["spec"].update(schedulerName="nobody", **spec)
    return found


def injected(extra: dict[str, str] | None = None, **spec: object) -> Manifest:
    """The same pod as the webhook makes it."""
    found = bare(**spec)
    found["metadata"]["annotations"].update(extra or {})
    verdict = admit(found, "payments", load_texts({"policy": POLICY}), Injection(image=IMAGE))
    assert verdict.plan is not None
    return copy.deepcopy(verdict.pod)


def create(place: Enforced, body: Manifest) -> Answer:
    """A dry-run create by the namespace's admin."""
    return place.server.act(
        "alice", "POST", f"/api/v1/namespaces/{place.team}/pods", body, dry=True
    )


def part(body: Manifest, name: str) -> Manifest:
    """A container or volume by its name."""
    spec = body["spec"]
    every = [*spec["containers"], *spec.get("initContainers", []), *spec["volumes"]]
    found: Manifest = next(item for item in every if item["name"] == name)
    return found


def drop(body: Manifest, name: str) -> None:
    """Take a container out."""
    for member in ("containers", "initContainers"):
        kept = [item for item in body["spec"].get(member, []) if item["name"] != name]
        body["spec"][member] = kept


FOLLOW, JOB = injected, lambda: injected(restartPolicy="Never")


@pytest.fixture(scope="module", autouse=True)
def account(guarded: Enforced) -> None:
    """Pods need their namespace's service account, which comes a moment after the namespace."""
    path = f"/api/v1/namespaces/{guarded.team}/serviceaccounts/default"
    deadline = time.monotonic() + 30
    while guarded.server.act(None, "GET", path).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("rendered", [False, True], ids=["admitted", "rendered"])
@pytest.mark.parametrize(
    "made",
    [
        injected,
        lambda: injected(restartPolicy="Never"),
        lambda: injected(MOUNT),
        lambda: injected(MOUNT | RELOAD),
        lambda: injected(RELOAD, securityContext={"fsGroup": 2000, "runAsUser": 1000}),
        lambda: injected(initContainers=[container("migrate")]),
        lambda: injected(MOUNT | STRICT),
        lambda: injected(SIGNAL, shareProcessNamespace=True, securityContext={"runAsUser": 1000}),
        lambda: injected(hostNetwork=True, automountServiceAccountToken=False),
        lambda: injected(initContainers=[container("istio-proxy", restartPolicy="Always")]),
    ],
    ids=[
        "follow",
        "job",
        "mount",
        "mount with reload",
        "follow with fsGroup",
        "own init",
        "mount that refuses",
        "signal",
        "host network",
        "mesh",
    ],
)
def test_p1_what_the_webhook_makes_is_let_in(
    guarded: Enforced, made: Callable[[], Manifest], *, rendered: bool
) -> None:
    """Also from a manifest that carries the mark only, with no webhook."""
    body = strip(made()) if rendered else made()
    answer = create(guarded, body)
    assert answer.status == 201, answer.message


def test_p10_pods_that_did_not_opt_in_are_let_in(guarded: Enforced) -> None:
    """Nothing of ours looks at them."""
    answer = create(guarded, pod(None, namespace=None, annotations={"example.com/a": "b"}))
    assert answer.status == 201, answer.message


def test_p10_a_nodes_static_pod_is_let_in(guarded: Enforced) -> None:
    """The API server's copy of it can't be injected, and refusing it would only hide the pod."""
    body = bare(nodeName="node")
    body["metadata"]["annotations"][MIRROR] = "1"
    answer = create(guarded, body)
    assert answer.status == 201, answer.message


def _no_gate(body: Manifest) -> None:
    drop(body, layout.GATE)


def _no_agent(body: Manifest) -> None:
    drop(body, layout.AGENT)


def _other_image(body: Manifest) -> None:
    part(body, layout.GATE)["image"] = "docker.io/evil/agent:1"


def _like_image(body: Manifest) -> None:
    part(body, layout.AGENT)["image"] = f"{AGENT}-evil:dev"


def _other_command(body: Manifest) -> None:
    part(body, layout.AGENT)["command"] = ["sh", "-c", "cat /lastgood/cache/files/*"]


def _other_verb(body: Manifest) -> None:
    part(body, layout.GATE)["args"][0] = "follow"


def _on_disk(body: Manifest) -> None:
    part(body, layout.CACHE_VOLUME)["emptyDir"] = {}


def _other_secret(body: Manifest) -> None:
    sources = part(body, layout.SNAPSHOTS_VOLUME)["projected"]["sources"]
    sources.append({"secret": {"name": "mine", "optional": True}})


def _other_ages(body: Manifest) -> None:
    source = part(body, layout.FRESHNESS_VOLUME)["projected"]["sources"][0]
    source["configMap"]["name"] = "mine"


def _no_snapshots(body: Manifest) -> None:
    body["spec"]["volumes"] = [
        item for item in body["spec"]["volumes"] if item["name"] != layout.SNAPSHOTS_VOLUME
    ]
    for item in body["spec"]["containers"] + body["spec"]["initContainers"]:
        item["volumeMounts"] = [
            mount for mount in item["volumeMounts"] if mount["name"] != layout.SNAPSHOTS_VOLUME
        ]


def _mounting(name: str, **mount: object) -> Callable[[Manifest], None]:
    def change(body: Manifest) -> None:
        mounts = part(body, "app").setdefault("volumeMounts", [])
        mounts.append({"name": name, "mountPath": "/stolen", **mount})

    return change


def _init_mounting(body: Manifest) -> None:
    mount = {"name": layout.SNAPSHOTS_VOLUME, "mountPath": "/stolen", "readOnly": True}
    body["spec"]["initContainers"].append(container("early", volumeMounts=[mount]))


def _unmarked(body: Manifest) -> None:
    del body["metadata"]["annotations"][keys.INJECTED]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_no_gate, "containers or volumes are missing"),
        (_no_agent, "containers or volumes are missing"),
        (_no_snapshots, "containers or volumes are missing"),
        (_other_image, "run the image that the admin configured"),
        (_like_image, "run the image that the admin configured"),
        (_other_command, "as lastgood made them"),
        (_other_verb, "as lastgood made them"),
        (_on_disk, "lastgood-cache in memory"),
        (_other_secret, "lastgood's volumes are as lastgood made them"),
        (_other_ages, "lastgood's volumes are as lastgood made them"),
        (_mounting(layout.CACHE_VOLUME, readOnly=True), "mounts a volume of lastgood's"),
        (_mounting(layout.CACHE_VOLUME, subPath="files"), "mounts a volume of lastgood's"),
        (_mounting(layout.SNAPSHOTS_VOLUME, readOnly=True), "mounts a volume of lastgood's"),
        (_mounting(layout.FRESHNESS_VOLUME, readOnly=True), "mounts a volume of lastgood's"),
        (_init_mounting, "mounts a volume of lastgood's"),
        (_unmarked, "has lastgood.dev annotations, but"),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
@pytest.mark.parametrize("rendered", [False, True], ids=["admitted", "rendered"])
def test_p13_a_pod_that_was_changed_after_injection_is_refused(
    guarded: Enforced, change: Callable[[Manifest], None], says: str, *, rendered: bool
) -> None:
    """By another webhook, or by hand; with a reason that says what is wrong."""
    body = injected()
    change(body)
    if rendered:
        body = strip(body)
        says = "without its mark" if change is _unmarked else says
    answer = create(guarded, body)
    assert answer.by_policy, (answer.status, answer.body)
    assert says in answer.message


def test_p10_an_annotated_pod_in_an_unlabelled_namespace_is_refused(guarded: Enforced) -> None:
    """With the label that is missing, rather than started without its secrets."""
    answer = create(guarded, bare())
    assert answer.by_policy
    assert "no label lastgood.dev/policy" in answer.message


def test_p10_a_pod_annotated_by_a_later_webhook_is_refused(guarded: Enforced) -> None:
    """Ours is not called again for what it did not match at first, and nothing else would tell."""
    path = f"/api/v1/namespaces/{guarded.system}"
    label = {"metadata": {"labels": {keys.POLICY_LABEL: "payments"}}}
    assert guarded.server.act(None, "PATCH", path, label).status == 200
    deadline = time.monotonic() + 20
    while True:
        answer = guarded.server.act(None, "POST", f"{path}/pods", bare(), dry=True)
        assert answer.by_policy
        if "another webhook added them" in answer.message:
            return
        assert time.monotonic() < deadline, answer.message
        time.sleep(0.3)


@pytest.fixture
def running(guarded: Enforced) -> Iterator[str]:
    """The path of an injected pod that is there."""
    folder = f"/api/v1/namespaces/{guarded.team}/pods"
    answer = guarded.server.act("alice", "POST", folder, injected())
    assert answer.status == 201, answer.message
    path = f"{folder}/{answer.body['metadata']['name']}"
    yield path
    guarded.server.act(None, "DELETE", f"{path}?gracePeriodSeconds=0")


def debugger(name: str = "debug", *mounted: str) -> Manifest:
    """A patch that adds an ephemeral container."""
    mounts = [{"name": volume, "mountPath": f"/{volume}"} for volume in mounted]
    return {"spec": {"ephemeralContainers": [container(name, volumeMounts=mounts)]}}


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


def test_labels_of_a_running_pod_are_its_owners(guarded: Enforced, running: str) -> None:
    """P10: nothing of ours looks at them."""
    for metadata in ({"labels": {"a": "b"}, "finalizers": ["example.com/x"]}, {"finalizers": None}):
        answer = guarded.server.act("alice", "PATCH", running, {"metadata": metadata})
        assert answer.status == 200, answer.message


def test_p10_pods_from_before_the_installation_go_on(guarded: Enforced) -> None:
    """An annotated pod that was there before can lose its finalizers, or its Job would not end; but
    no running pod opts in.
    """
    name = f"lg-before-{secrets.token_hex(4)}"
    (place,) = enforced.namespaces(guarded.suffix, name)
    labels = place["metadata"].pop("labels")
    folder = f"/api/v1/namespaces/{name}/pods"
    kubectl("apply", "-f", "-", given=place)
    try:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "own", "namespace": name},
        }
        kubectl("apply", "-f", "-", given=as_list([account]))
        old, plain = (
            bare(serviceAccountName="own"),
            bare(serviceAccountName="own"),
        )
        old["metadata"]["finalizers"] = ["example.com/job-tracking"]
        asked = plain["metadata"].pop("annotations")
        paths = []
        for body in (old, plain):
            answer = guarded.server.act(None, "POST", folder, body)
            assert answer.status == 201, answer.message
            paths.append(f"{folder}/{answer.body['metadata']['name']}")
        kubectl("label", "namespace", name, *(f"{key}={text}" for key, text in labels.items()))
        _refused_soon(guarded, folder)
        free = {"metadata": {"finalizers": None}}
        assert guarded.server.act(None, "PATCH", paths[0], free).status == 200
        answer = guarded.server.act(None, "PATCH", paths[1], {"metadata": {"annotations": asked}})
        assert answer.by_policy
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def _refused_soon(guarded: Enforced, folder: str) -> None:
    deadline = time.monotonic() + 20
    body = bare(serviceAccountName="own")
    while not guarded.server.act(None, "POST", folder, body, dry=True).by_policy:
        assert time.monotonic() < deadline
        time.sleep(0.3)


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


def test_the_chart_compares_with_the_image_that_it_injects() -> None:
    """A digest or a tag may change with an upgrade; the repository is the admin's."""
    values = {"agent": {"image": {"repository": "registry.example/agent", "tag": "7"}}}
    text = str(named(render(values=values), "ValidatingAdmissionPolicy", "lastgood-guard-pods"))
    assert "'registry.example/agent'" in text

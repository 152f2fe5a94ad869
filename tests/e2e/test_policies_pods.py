"""Which pods the policies let in, and which never start silently without their secrets. No webhook
of ours is called here: this is what holds without it.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import pytest

from contract import annotations as keys
from tests.chart.rendering import Manifest, named, render
from tests.e2e import enforced
from tests.e2e.enforced import as_list, kubectl
from tests.e2e.opted_in import MOUNT, RELOAD, SIGNAL, STRICT, bare, create, injected
from tests.make.manifests import container, pod
from webhook.inject import strip
from webhook.podspec import MIRROR

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.enforced import Enforced

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("account")]


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
        lambda: injected(run_as="platform"),
        lambda: injected(run_as="platform", securityContext={"runAsUser": 1000}),
        lambda: injected(run_as="pod", securityContext={"runAsUser": 1000, "fsGroup": 2000}),
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
        "platform's user",
        "pod's user, inherited",
        "pod's user",
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


def test_p10_an_annotated_pod_in_an_unlabelled_namespace_is_refused(guarded: Enforced) -> None:
    """With the label that is missing, rather than started without its secrets."""
    answer = create(guarded, bare())
    assert answer.by_policy
    assert "no label lastgood.dev/policy" in answer.message


def test_p10_an_annotation_in_other_letters_is_refused(guarded: Enforced) -> None:
    """To the API server it is another annotation, and the pod would start without its secrets."""
    body = pod(None, namespace=None, annotations={"LASTGOOD.dev/secret.a": "aws-sm:/prod/a"})
    answer = create(guarded, body)
    assert answer.by_policy, (answer.status, answer.body)


def test_p10_an_annotated_pod_that_ours_was_not_asked_about_is_refused(guarded: Enforced) -> None:
    """In a labelled namespace; a later webhook that annotates is in test_later_webhook.py."""
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


def test_the_chart_compares_with_the_image_that_it_injects() -> None:
    """A digest or a tag may change with an upgrade; the repository is the admin's."""
    values = {"agent": {"image": {"repository": "registry.example/agent", "tag": "7"}}}
    text = str(named(render(values=values), "ValidatingAdmissionPolicy", "lastgood-guard-pods"))
    assert "'registry.example/agent'" in text

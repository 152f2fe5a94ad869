"""What the API server says to pods that others wrote: the same with what is injected as without."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from policy.load import load_texts
from tests.e2e.opted_in import IMAGE, POLICY, create
from tests.make.manifests import container, pod
from tests.make.strangers import STRANGERS, stranger
from webhook.admit import admit
from webhook.injection_settings import Injection

if TYPE_CHECKING:
    from tests.chart.rendering import Manifest
    from tests.e2e.enforced import Answer, Enforced

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("account")]


def answers(place: Enforced, body: Manifest) -> tuple[Answer, Answer]:
    """Without ours, as a pod that does not opt in; and as the webhook makes it."""
    body = copy.deepcopy(body)
    body["spec"] |= {"schedulerName": "nobody"}
    body["spec"].pop("serviceAccountName", None)
    _without_token(body["spec"])
    body["metadata"] |= {"namespace": place.team, "ownerReferences": []}
    verdict = admit(body, "payments", load_texts({"policy": POLICY}), Injection(image=IMAGE))
    assert verdict.plan is not None, verdict.message
    plain = copy.deepcopy(body)
    del plain["metadata"]["annotations"]
    return create(place, plain), create(place, verdict.pod)


def _without_token(spec: Manifest) -> None:
    """The API server mounts the account's token itself, after the pod was created."""
    everyone = [*spec.get("initContainers", ()), *spec["containers"]]
    for owner, member in [(spec, "volumes"), *((item, "volumeMounts") for item in everyone)]:
        if member in owner:
            kept = [it for it in owner[member] if not it["name"].startswith("kube-api-access-")]
            owner[member] = kept


def whole(member: str, name: str, amount: str) -> Manifest:
    """A pod whose app takes all of the pod's budget."""
    resources = {member: {name: amount}}
    return pod(None, container(resources=resources), namespace=None, resources=resources)


TAKEN: dict[str, Manifest] = {
    **{name: stranger(name) for name in STRANGERS if name != "windows"},
    "a part of a byte": whole("limits", "memory", "1.3Gi"),
    "a part of a byte, requested": whole("requests", "memory", "1.3Gi"),
    "a part of a millicore": whole("requests", "cpu", "1500u"),
    "a sign": whole("limits", "cpu", "+1"),
    "an exponent": whole("limits", "memory", "1e009"),
}


@pytest.mark.parametrize("body", TAKEN.values(), ids=TAKEN)
def test_p10_what_is_taken_without_ours_is_taken_with_them(
    guarded: Enforced, body: Manifest
) -> None:
    """Nothing that we add makes a pod invalid."""
    before, after = answers(guarded, body)
    assert before.status == 201, before.message
    assert after.status == 201, after.message


TWICE: dict[str, dict[str, Any]] = {
    "init containers": {"initContainers": [container("a"), container("a")]},
    "containers": {"containers": [container("a"), container("a")]},
    "volumes": {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]},
    "a negative budget": {"resources": {"limits": {"memory": "-1Gi"}}},
}


@pytest.mark.parametrize("spec", TWICE.values(), ids=TWICE)
def test_what_is_refused_without_ours_is_refused_with_them(
    guarded: Enforced, spec: dict[str, Any]
) -> None:
    """In the API server's own words."""
    body = pod(None, namespace=None)
    body["spec"] |= spec
    before, after = answers(guarded, body)
    assert (before.status, after.status) == (422, 422), (before.message, after.message)

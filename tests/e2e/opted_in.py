"""Opted-in pods as tests of the policies make them: no node takes them, no webhook is called."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import pytest

from contract import annotations as keys
from policy.load import load_texts
from tests import make
from tests.e2e.enforced import AGENT
from tests.make.manifests import container, pod
from webhook.admit import admit
from webhook.injection_settings import Injection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.policy import RunAs
    from tests.chart.rendering import Manifest
    from tests.e2e.enforced import Answer, Enforced

STRATEGIC = "application/strategic-merge-patch+json"
IMAGE = f"{AGENT}:dev"
POLICY = make.as_file(
    make.account(),
    make.policy(
        make.source("aws-prod", "aws-sm:/prod/{namespace}/*"),
        make.source("aws-prod", "aws-sm:/prod/{namespace}/strict/*", rules="strict"),
        namespaces=["payments"],
        classes={"steady": make.STEADY, "strict": {**make.STEADY, "onExpired": "refuse"}},
    ),
    make.namespace(),
)
RELOAD = {keys.RELOAD: "http://127.0.0.1:8080/reload"}
MOUNT = {keys.MODE: "mount"}
STRICT = {keys.SECRET + "key": "aws-sm:/prod/payments/strict/key"}
SIGNAL = {keys.RELOAD: "signal:HUP"}


def bare(**spec: object) -> Manifest:
    """An opted-in pod that nothing will schedule, not injected."""
    found = pod(None, namespace=None)
    found["spec"].update(schedulerName="nobody", **spec)
    return found


def injected(
    extra: dict[str, str] | None = None, run_as: RunAs = "lastgood", **spec: object
) -> Manifest:
    """The same pod as the webhook makes it."""
    found = bare(**spec)
    found["metadata"]["annotations"].update(extra or {})
    injection = Injection(image=IMAGE, run_as=run_as)
    verdict = admit(found, "payments", load_texts({"policy": POLICY}), injection)
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


@pytest.fixture(scope="module")
def account(guarded: Enforced) -> None:
    """Pods need their namespace's service account, which comes a moment after the namespace."""
    path = f"/api/v1/namespaces/{guarded.team}/serviceaccounts/default"
    deadline = time.monotonic() + 30
    while guarded.server.act(None, "GET", path).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def running(guarded: Enforced, account: None) -> Iterator[str]:
    """The path of an injected pod that is there."""
    del account
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

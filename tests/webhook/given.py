"""What the webhook's tests share: one policy, and the admission of one pod under it."""

from __future__ import annotations

import functools
import json
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

from contract import annotations as keys
from contract import layout, plan
from policy.load import load_texts
from tests import make
from webhook.admit import admit
from webhook.handler import Handler
from webhook.injection_settings import Injection
from webhook.telemetry import AdmissionLog, Telemetry
from webhook.verdict import Outcome

if TYPE_CHECKING:
    from contract.plan import Plan
    from policy.match import PolicySet
    from webhook.verdict import Verdict

CONFIG = Injection(image="registry.example/lastgood@sha256:0")
CRITICAL = make.asking(key="aws-sm:/prod/payments/signing/key")
MOUNT = {keys.MODE: "mount"}
RELOAD = {keys.RELOAD: "http://127.0.0.1:8080/reload"}
DB = make.asking(db="aws-sm:/prod/payments/db#password")


def written(**spec: object) -> str:
    """What the admins of `payments` wrote, with `spec` in their policy."""
    return make.as_file(
        make.account("aws-prod"),
        make.account("aws-test"),
        make.policy(
            make.source("aws-prod", "aws-sm:/prod/{namespace}/*", "aws-sm:/both/*"),
            make.source("aws-prod", "aws-sm:/prod/{namespace}/signing/*", rules="critical"),
            make.source("aws-test", "aws-sm:/test/**", "aws-sm:/both/*"),
            name="payments",
            **spec,
        ),
        make.namespace("payments"),
        make.namespace("lost", "payment"),
        make.namespace("other", "payments"),
        make.namespace("bare", None),
    )


POLICY = written(limits={"secretsPerPod": 4})


@functools.cache
def policies() -> PolicySet:
    """The policies of POLICY."""
    return load_texts({"policy.yaml": POLICY})


def admitted(pod: dict[str, Any], namespace: str = "payments") -> Verdict:
    """The verdict on a pod under POLICY."""
    return admit(pod, namespace, policies(), CONFIG)


def names(pod: dict[str, Any], member: str) -> list[str]:
    """The names of a list of the pod's spec."""
    return [item["name"] for item in pod["spec"].get(member) or []]


def named(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """A container or volume by its name."""
    spec = pod["spec"]
    members = ("containers", "initContainers", "volumes")
    every = [item for member in members for item in spec.get(member) or []]
    found: dict[str, Any] = next(item for item in every if item["name"] == name)
    return found


def gate(pod: dict[str, Any]) -> dict[str, Any]:
    """Our init container."""
    return named(pod, layout.GATE)


def agent(pod: dict[str, Any]) -> dict[str, Any]:
    """Our sidecar."""
    return named(pod, layout.AGENT)


def review(pod: object, **request: object) -> bytes:
    """An AdmissionReview for a pod's creation in `payments`."""
    whole = {
        "uid": "uid-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "payments",
        "operation": "CREATE",
        "object": pod,
    }
    document = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {**whole, **request},
    }
    return json.dumps(document).encode()


class FixedPolicies:
    """As the handler asks for policies."""

    def current(self) -> PolicySet:
        return policies()


def answered(body: bytes) -> tuple[int, Any, bytes]:
    """Status, answer and log for a body."""
    log = BytesIO()
    telemetry = Telemetry(AdmissionLog(log, time.time))
    answer = Handler(FixedPolicies(), CONFIG, telemetry, time.perf_counter).handle(body)
    return answer.status, json.loads(answer.body), log.getvalue()


def injected(
    *containers: dict[str, Any],
    asked: dict[str, str] | None = None,
    **spec: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    """The injected pod of these."""
    verdict = admitted(make.pod("web-1", *containers, annotations=asked or DB, **spec))
    assert verdict.outcome is Outcome.INJECTED, verdict.message
    return verdict.pod


def plan_of(container: dict[str, Any]) -> Plan:
    """The plan in a container's arguments."""
    arguments = container["args"]
    return plan.from_wire(arguments[arguments.index("--plan") + 1])

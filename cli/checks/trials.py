"""Requests of `lastgood check` that change nothing: dry runs and reviews of rights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cli.checks import enforcement, webhook
from cli.checks.enforcement import Trial
from contract import layout
from contract.annotations import SECRET
from kube.api_resources import ACCESS_REVIEWS, PODS, SECRETS, SELF_ACCESS_REVIEWS
from kube.forbidden_requests import Attempt

if TYPE_CHECKING:
    from cli.checks.rights import Right
    from kube.forbidden_requests import AttemptOutcome

Json = dict[str, Any]
SOUGHT = (*webhook.SOUGHT, enforcement.refusal(enforcement.OBJECTS))
ENCODED = {json.dumps(text)[1:-1].encode(): text for text in SOUGHT}
"""As they are written in an answer. All else of an answer is dropped: it may quote an object."""
_FORGED = "lg-" + 32 * "0"
_NAME = "lastgood-check-"
_DRY = {"dryRun": "All"}


def pod(namespace: str, *, opted_in: bool) -> Attempt:
    """A pod that asks for a secret, or one that pretends to be injected."""
    notes = {f"{SECRET}check": "aws-sm:/lastgood/check"} if opted_in else {}
    container = {
        "name": "check" if opted_in else layout.GATE,
        "image": "registry.invalid/lastgood-check",
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "1Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": _NAME, "annotations": notes},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [container],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }
    return _created(PODS.path(namespace), body)


def secret(namespace: str) -> Attempt:
    """A Secret without a value that looks like a snapshot."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _FORGED},
        "type": "lastgood.dev/snapshot",
    }
    return _created(SECRETS.path(namespace), body)


def outcome(found: AttemptOutcome) -> Trial:
    """What is decided on."""
    return Trial(status=found.status, told=frozenset(ENCODED[text] for text in found.texts))


def review(right: Right, user: str | None) -> tuple[str, Json]:
    """Path and body. `user`: namespace and name of a ServiceAccount; None: ourselves."""
    resource, _, subresource = right.resource.partition("/")
    wanted = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    spec: Json = {"resourceAttributes": {key: value for key, value in wanted.items() if value}}
    kind = "SelfSubjectAccessReview" if user is None else "SubjectAccessReview"
    where = SELF_ACCESS_REVIEWS if user is None else ACCESS_REVIEWS
    if user is not None:
        accounts = "system:serviceaccounts"
        namespace = user.partition(":")[0]
        spec["user"] = f"system:serviceaccount:{user}"
        spec["groups"] = [accounts, f"{accounts}:{namespace}", "system:authenticated"]
    return where.path(), {"apiVersion": where.api_version, "kind": kind, "spec": spec}


def _created(path: str, body: Json) -> Attempt:
    return Attempt(method="POST", path=path, query=_DRY, body=body, content_type="application/json")

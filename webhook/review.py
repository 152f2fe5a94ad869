"""AdmissionReview v1 in and out (k8s.io/api/admission/v1). Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.quoted import shown
from schema.fields import LABEL
from webhook import wellformed

if TYPE_CHECKING:
    from webhook.verdict import Pod, Verdict

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
_POD = {"group": "", "version": "v1", "kind": "Pod"}
_UID = re.compile(r"[A-Za-z0-9-]{1,64}")
_HEAD = re.compile(
    rb'\{"kind":"AdmissionReview","apiVersion":"admission\.k8s\.io/v1",'
    rb'"request":\{"uid":"([A-Za-z0-9-]{1,64})"'
)
"""How the API server begins a review: its members are in the order of the Go type, without spaces.
"""
MOST_NAME = 253
"""Characters of a pod's name (corev1; RFC 1123 subdomain)."""
_PODS = {"group": "", "version": "v1", "resource": "pods"}


class NotAReviewError(ValueError):
    """A request that this webhook can't answer; the message names why. Caught by the server: HTTP
    400.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """The creation of one pod."""

    uid: str
    namespace: str
    name: str
    """The pod's name, or its generateName: a pod of a ReplicaSet has none yet. At most MOST_NAME
    printable ASCII characters: the API server checks it only after this.
    """
    dry_run: bool
    pod: Pod


def parse(document: object) -> AdmissionRequest:
    """The request of an AdmissionReview, or NotAReviewError."""
    if not isinstance(document, dict):
        raise NotAReviewError("the body is not a JSON object")
    if document.get("apiVersion") != API_VERSION or document.get("kind") != KIND:
        raise NotAReviewError(f"the body is not {KIND} of {API_VERSION}")
    request = document.get("request")
    if not isinstance(request, dict):
        raise NotAReviewError("request must be an object")
    uid = request.get("uid")
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        raise NotAReviewError("request.uid must be 1 to 64 of A-Z a-z 0-9 -")
    _check_kind(request)
    pod = request.get("object")
    problem = wellformed.malformed_head(pod)
    if not isinstance(pod, dict) or problem is not None:
        raise NotAReviewError(f"request.object is not a pod: {problem}")
    return _request(request, uid, pod)


def _check_kind(request: dict[str, Any]) -> None:
    if (
        request.get("kind") != _POD
        or request.get("resource") != _PODS
        or request.get("subResource")
    ):
        raise NotAReviewError(
            "request.kind and request.resource must be those of pods of v1, without a subResource"
        )
    if request.get("operation") != "CREATE":
        raise NotAReviewError("request.operation must be CREATE")


def _request(request: dict[str, Any], uid: str, pod: Pod) -> AdmissionRequest:
    metadata = pod.get("metadata") or {}
    namespace = request.get("namespace") or metadata.get("namespace")
    if not isinstance(namespace, str) or not LABEL.fullmatch(namespace):
        raise NotAReviewError("request.namespace must be the name of a namespace")
    names = (request.get("name"), metadata.get("name"), metadata.get("generateName"))
    name = next((item for item in names if isinstance(item, str) and item), "")
    return AdmissionRequest(
        uid=uid,
        namespace=namespace,
        name=_clean(name),
        dry_run=request.get("dryRun") is True,
        pod=pod,
    )


def _clean(name: str) -> str:
    """A name as the log shows it: what no name has is escaped."""
    if len(name) <= MOST_NAME and name.isascii() and name.isprintable():
        return name
    return shown(name, MOST_NAME)


def uid_of(body: bytes) -> str | None:
    """The uid of a review that is not parsed; None: it does not begin as the API server's do."""
    head = _HEAD.match(body)
    return None if head is None else head[1].decode("ascii")


def answer(uid: str, verdict: Verdict, patch: bytes | None) -> dict[str, Any]:
    """The AdmissionReview that answers. `patch`: encoded operations; None: the pod stays."""
    response: dict[str, Any] = {"uid": uid, "allowed": verdict.allowed}
    if verdict.mistakes:
        causes = [
            {"reason": item.reason, "field": item.field, "message": item.message}
            for item in verdict.mistakes
        ]
        response["status"] = {
            "status": "Failure",
            "code": 403,
            "reason": verdict.mistakes[0].reason,
            "message": verdict.message,
            "details": {"causes": causes},
        }
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    if patch is not None:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode(patch).decode("ascii")
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}

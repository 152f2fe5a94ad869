"""What the API server itself adds to an object and refuses in it, before and after admission. Pure.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

import base64
import binascii
import copy
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from apiserver import kinds, schema
from apiserver.refusal import Refusal, conflict, invalid

if TYPE_CHECKING:
    from apiserver.kinds import Kind

Json = dict[str, Any]
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Of metadata: what a request can't change."""
_POD = {
    "restartPolicy": "Always",
    "serviceAccountName": "default",
    "terminationGracePeriodSeconds": 30,
}
_WEBHOOK = {
    "namespaceSelector": {},
    "objectSelector": {},
    "failurePolicy": "Fail",
    "timeoutSeconds": 10,
}
_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
}
"""How core/v1 names the fields of an Event in events.k8s.io/v1."""


def decoded(kind: Kind, body: object) -> Json:
    """The object of a request's body, with the defaults of its kind. Refusal 400; 422."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata") or {}, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is no {kind.kind}")
    found = copy.deepcopy(body)
    metadata = found["metadata"] = dict(found.get("metadata") or {})
    metadata.pop("managedFields", None)
    if kind.custom:
        found = schema.kept(found, kind.schema)
    else:
        found = {"apiVersion": kind.api_version, "kind": kind.kind, **found}
    if found.get("apiVersion") != kind.api_version or not found.get("kind"):
        message = f"the object is no {kind.kind} of {kind.api_version}"
        raise Refusal(HTTPStatus.BAD_REQUEST, message)
    if found["kind"] != kind.kind:
        code = HTTPStatus.UNPROCESSABLE_ENTITY if kind.custom else HTTPStatus.BAD_REQUEST
        raise Refusal(code, f"the object is a {found['kind']} and no {kind.kind}")
    _strings(metadata, "labels", "annotations")
    return _of_kind(kind, found)


def _strings(content: Json, *fields: str) -> None:
    """Each is a mapping of texts, where it is there. Refusal 400."""
    for field in fields:
        found = content.get(field) or {}
        if not isinstance(found, dict) or not all(isinstance(it, str) for it in found.values()):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{field} maps no texts to texts")


def _of_kind(kind: Kind, content: Json) -> Json:
    if kind in {kinds.SECRET, kinds.CONFIG_MAP}:
        _read_data(kind, content)
    if kind.stored == "events":
        return _event(content, to_core=False)
    if kind is kinds.NAMESPACE:
        metadata = content["metadata"]
        own = {"kubernetes.io/metadata.name": metadata.get("name", "")}
        metadata["labels"] = {**(metadata.get("labels") or {}), **own}
        content["spec"] = {"finalizers": ["kubernetes"]}
    if kind is kinds.MUTATING_WEBHOOK:
        content["webhooks"] = [{**_WEBHOOK, **hook} for hook in content.get("webhooks") or ()]
    return content


def _read_data(kind: Kind, content: Json) -> None:
    """A Secret's values are read before anything else is looked at. Refusal 400."""
    data = content.pop("data", None) or {}
    if kind is kinds.SECRET and isinstance(data, dict):
        texts = content.pop("stringData", None) or {}
        data = {key: "" if text is None else text for key, text in data.items()}
        _strings({"stringData": texts}, "stringData")
        data |= {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        content.setdefault("type", "Opaque")
    if data:
        content["data"] = data
        _strings(content, "data")
    if kind is kinds.SECRET:
        try:
            for text in data.values():
                base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(HTTPStatus.BAD_REQUEST, "data: illegal base64") from None


def place(content: Json, namespace: str, name: str | None) -> None:
    """Puts in what the path says. Refusal 400: the object says something else."""
    metadata = content["metadata"]
    for field, value in (("namespace", namespace), ("name", name)):
        given = metadata.get(field)
        if given and given != value and (value or field == "namespace"):
            message = f"the {field} of the object ({given}) does not match the URL ({value})"
            raise Refusal(HTTPStatus.BAD_REQUEST, message)
        if value:
            metadata[field] = value


def shown(kind: Kind, content: Json) -> Json:
    """The object as this kind's version of the API shows it."""
    if kind is kinds.CORE_EVENT:
        return {**_event(content, to_core=True), "apiVersion": "v1"}
    return content


def _event(content: Json, *, to_core: bool) -> Json:
    names = _CORE if to_core else {old: new for new, old in _CORE.items()}
    found = {names.get(name, name): value for name, value in content.items()}
    return {**found, "apiVersion": "events.k8s.io/v1"}


def created(kind: Kind, content: Json, uid: str, now: str) -> Json:
    """A new object with what the server gives it; its status is not the client's to write."""
    metadata = content["metadata"]
    for field in (*_KEPT, "resourceVersion", "generation", "selfLink"):
        metadata.pop(field, None)
    metadata |= {"uid": uid, "creationTimestamp": now}
    if kind.custom:
        metadata["generation"] = 1
    if kind.status:
        content.pop("status", None)
    if kind is kinds.POD:
        content["spec"] = {**_POD, **(content.get("spec") or {})}
        content["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    if kind is kinds.NAMESPACE:
        metadata["labels"]["kubernetes.io/metadata.name"] = metadata["name"]
        content["status"] = {"phase": "Active"}
    return content


def updated(kind: Kind, before: Json, content: Json, subresource: str) -> Json:
    """What an update makes of an object: the status changes only by its own subresource. Refusal
    409, 422.
    """
    metadata, old = content["metadata"], before["metadata"]
    _precondition(kind, metadata, old)
    if subresource == "status":
        return {**before, "status": content.get("status", {})}
    for field in _KEPT:
        metadata.pop(field, None)
        if field in old:
            metadata[field] = old[field]
    if kind.status:
        content.pop("status", None)
        if "status" in before:
            content["status"] = before["status"]
    if kind.custom:
        same = content.get("spec") == before.get("spec")
        metadata["generation"] = old["generation"] + (0 if same else 1)
    _unchanged(kind, content, before)
    return content


def _precondition(kind: Kind, metadata: Json, old: Json) -> None:
    version, uid = metadata.get("resourceVersion"), metadata.get("uid")
    if not version and not kind.unconditional:
        raise invalid(kind.kind, "metadata.resourceVersion: must be specified for an update")
    if version and version != old["resourceVersion"]:
        raise conflict(kind.resource, old["name"], "the object has been modified")
    if uid and uid != old["uid"]:
        raise conflict(kind.resource, old["name"], "Precondition failed: UID in precondition")
    metadata["resourceVersion"] = old["resourceVersion"]


def _unchanged(kind: Kind, content: Json, before: Json) -> None:
    """Refusal 422."""
    what = f'{kind.kind} "{before["metadata"]["name"]}"'
    if kind is kinds.SECRET and content["type"] != before["type"]:
        raise invalid(what, "type: field is immutable")
    same = content.get("immutable") and content.get("data") == before.get("data")
    if before.get("immutable") and not same:
        raise invalid(what, "data: field is immutable when `immutable` is set")
    if kind is kinds.POD and content.get("spec") != before["spec"]:
        raise invalid(what, "spec: pod updates may not change fields")
    if "deletionTimestamp" in before["metadata"]:
        held = before["metadata"].get("finalizers") or ()
        if set(content["metadata"].get("finalizers") or ()) - set(held):
            raise invalid(what, "metadata.finalizers: no new ones once the object is being deleted")

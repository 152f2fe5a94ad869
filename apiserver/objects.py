"""What the API server itself adds to an object and refuses in it, before and after admission. Pure.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from apiserver import kinds, schema
from apiserver.refusal import Json, Refusal, conflict, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiserver.kinds import Kind

_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Of metadata: what a request can't change."""
_STATUS = {
    kinds.POD: {"phase": "Pending", "qosClass": "BestEffort"},
    kinds.NAMESPACE: {"phase": "Active"},
}
_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    **{
        f"deprecated{name[0].upper()}{name[1:]}": name
        for name in ("count", "firstTimestamp", "lastTimestamp")
    },
}
"""How core/v1 names the fields of an Event in events.k8s.io/v1."""


def decoded(kind: Kind, body: object) -> Json:
    """The object of a request's body, with the defaults of its kind. Refusal 400; 422."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata") or {}, dict):
        raise Refusal(400, f"the body is no {kind.kind}")
    given = {} if kind.custom else {"apiVersion": kind.api_version, "kind": kind.kind}
    found = {**given, **body}
    if found.get("apiVersion") != kind.api_version or not found.get("kind"):
        raise Refusal(400, f"the object is no {kind.kind} of {kind.api_version}")
    if found["kind"] != kind.kind:
        code = 422 if kind.custom else 400
        raise Refusal(code, f"the object is a {found['kind']} and no {kind.kind}")
    if kind.stored == "events":
        found = _event(found, to_core=False)
    metadata = _read(found.get("metadata") or {}, schema.own("metadata"))
    if kind.custom:
        return {**schema.kept(found, kind.schema), "metadata": metadata}
    found = {**_read(found, schema.of(kind)), "metadata": metadata}
    if kind is kinds.SECRET:
        texts = found.pop("stringData", {})
        texts = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        found |= {"type": found.get("type") or "Opaque"}
        found |= {"data": {**found.get("data", {}), **texts}} if texts else {}
    if kind is kinds.NAMESPACE:
        found["spec"] = {"finalizers": ["kubernetes"]}
    return found


def _read(content: Json, own: Mapping[str, object]) -> Json:
    """As Kubernetes' own types read it: without what is unknown, null or empty. Refusal 400."""
    found = schema.kept({key: it for key, it in content.items() if it not in ({}, [])}, own)
    if wrong := schema.types(found, own):
        raise Refusal(400, f"it cannot be handled: {wrong}")
    return {name: item for name, item in found.items() if item != {} or name == "spec"}


def place(content: Json, namespace: str, name: str | None) -> None:
    """Puts in what the path says. Refusal 400: the object says something else."""
    metadata = content["metadata"]
    if name and not metadata.get("name"):
        raise Refusal(400, "the name of the object was undeterminable")
    for field, value in (("namespace", namespace), ("name", name)):
        given = metadata.get(field)
        if given and given != value and (value or field == "namespace"):
            raise Refusal(400, f"the {field} {given} does not match the URL ({value})")
        if value:
            metadata[field] = value
    if content["kind"] == "Namespace":
        own = {"kubernetes.io/metadata.name": metadata.get("name", "")}
        metadata["labels"] = {**metadata.get("labels", {}), **own}


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
    for field in (*_KEPT, "resourceVersion", "generation"):
        metadata.pop(field, None)
    metadata |= {"uid": uid, "creationTimestamp": now}
    if kind.custom:
        metadata["generation"] = 1
    if kind.status:
        content.pop("status", None)
    if kind in _STATUS:
        content["status"] = dict(_STATUS[kind])
    return content


def updated(kind: Kind, before: Json, content: Json, subresource: str) -> Json:
    """What an update makes of an object: the status changes only by its own subresource. Refusal
    409, 422.
    """
    metadata, old = content["metadata"], before["metadata"]
    _precondition(kind, metadata, old)
    if subresource == "status":
        return _with_status_of(before, content)
    known = {name: old[name] for name in _KEPT if name in old}
    metadata = {name: item for name, item in metadata.items() if name not in _KEPT} | known
    content = {
        **(_with_status_of(content, before) if kind.status else content),
        "metadata": metadata,
    }
    if kind.custom:
        same = content.get("spec") == before.get("spec")
        metadata["generation"] = old["generation"] + (0 if same else 1)
    _unchanged(kind, content, before)
    return content


def _with_status_of(content: Json, other: Json) -> Json:
    """The content with another's status."""
    found = {name: item for name, item in content.items() if name != "status"}
    return found | {name: item for name, item in other.items() if name == "status"}


def _precondition(kind: Kind, metadata: Json, old: Json) -> None:
    version, uid = metadata.get("resourceVersion") or "0", metadata.get("uid")
    if not version.isdecimal():
        raise Refusal(500, f"parsing {version}", reason="")
    if version == "0" and not kind.unconditional:
        raise invalid(kind.kind, "metadata.resourceVersion: must be specified for an update")
    if version not in {"0", old["resourceVersion"]}:
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
    if kind is kinds.EVENT and _fixed(content) != _fixed(before):
        raise invalid(what, "field is immutable")
    if kind is kinds.POD and content.get("spec") != before["spec"]:
        raise invalid(what, "spec: pod updates may not change fields")
    if "deletionTimestamp" in before["metadata"]:
        held = before["metadata"].get("finalizers") or ()
        if set(content["metadata"].get("finalizers") or ()) - set(held):
            raise invalid(what, "metadata.finalizers: no new ones once the object is being deleted")


def _fixed(event: Json) -> Json:
    return {name: item for name, item in event.items() if name not in {"metadata", "series"}}

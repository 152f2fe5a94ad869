"""What the API server itself adds to an object and refuses in it, before and after admission. Pure.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

import base64
import binascii
import copy
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from apiserver import kinds, schema
from apiserver.refusal import Refusal, conflict, invalid

if TYPE_CHECKING:
    from apiserver.kinds import Kind

Json = dict[str, Any]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LONGEST_NAME, _LONGEST_LABEL = 253, 63
_MOST_DATA = 1 << 20
"""Bytes of all values of a Secret or a ConfigMap."""
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Of metadata: what a request can't change."""
_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "serviceAccountName": "default",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}
_CORE = {"regarding": "involvedObject", "note": "message"}
"""How core/v1 names the fields of an Event in events.k8s.io/v1."""


def read(kind: Kind, body: object, namespace: str, name: str | None) -> Json:
    """The object of a request's body, with what its path says. Refusal 400."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is no {kind.kind}")
    found = copy.deepcopy(body)
    _said(found, "kind", kind.kind)
    _said(found, "apiVersion", kind.api_version)
    metadata = found["metadata"] = dict(found.get("metadata") or {})
    for field, value in (("namespace", namespace), ("name", name)):
        given = metadata.get(field)
        if value and given and given != value:
            message = (
                f"the {field} of the object ({given}) does not match that of the URL ({value})"
            )
            raise Refusal(HTTPStatus.BAD_REQUEST, message)
        if value:
            metadata[field] = value
    metadata.pop("managedFields", None)
    return _decoded(kind, found)


def _said(found: Json, field: str, value: str) -> None:
    if found.setdefault(field, value) != value:
        message = f"the object's {field} is {found[field]}, and the URL's is {value}"
        raise Refusal(HTTPStatus.BAD_REQUEST, message)


def _decoded(kind: Kind, content: Json) -> Json:
    """A Secret's values are read before anything else is looked at. Refusal 400."""
    if kind is kinds.SECRET:
        data = dict(content.get("data") or {})
        for key, text in (content.pop("stringData", None) or {}).items():
            data[key] = base64.b64encode(text.encode()).decode()
        try:
            for text in data.values():
                base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError, ValueError):
            message = "Secret in version v1 cannot be handled as a Secret: illegal base64 data"
            raise Refusal(HTTPStatus.BAD_REQUEST, message) from None
        content["data"] = data
        content.setdefault("type", "Opaque")
    if kind.stored == "events":
        return _event(content, to_core=False)
    if kind.custom:
        return schema.kept(content, kind.schema)
    return content


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
        content["spec"] = {**copy.deepcopy(_POD), **(content.get("spec") or {})}
        content["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    if kind is kinds.NAMESPACE:
        labels = metadata.get("labels") or {}
        metadata["labels"] = {**labels, "kubernetes.io/metadata.name": metadata["name"]}
        content["spec"] = {"finalizers": ["kubernetes"]}
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
    if kind is kinds.SECRET:
        _same_secret(content, before)
    return content


def _precondition(kind: Kind, metadata: Json, old: Json) -> None:
    version, uid = metadata.get("resourceVersion"), metadata.get("uid")
    if not version and not kind.unconditional:
        why = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
        raise invalid(f'{kind.resource} "{old["name"]}"', why)
    if version and version != old["resourceVersion"]:
        why = "the object has been modified; please apply your changes to the latest version"
        raise conflict(kind.resource, old["name"], why)
    if uid and uid != old["uid"]:
        raise conflict(kind.resource, old["name"], "Precondition failed: UID in precondition")
    metadata["resourceVersion"] = old["resourceVersion"]


def _same_secret(content: Json, before: Json) -> None:
    what = f'Secret "{content["metadata"]["name"]}"'
    if content["type"] != before["type"]:
        raise invalid(what, "type: field is immutable")
    same = content.get("immutable") and content["data"] == before["data"]
    if before.get("immutable") and not same:
        raise invalid(what, "data: field is immutable when `immutable` is set")


def check(kind: Kind, content: Json, before: Json | None) -> None:
    """Refuses what breaks a rule of its kind: 422."""
    metadata = content["metadata"]
    name, wrong = str(metadata.get("name") or ""), []
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        wrong.append("metadata.name: must be a lowercase RFC 1123 subdomain")
    for key, value in (metadata.get("labels") or {}).items():
        if not isinstance(value, str) or not _LABEL.fullmatch(value) or len(value) > _LONGEST_LABEL:
            wrong.append(f"metadata.labels: {key} has no valid value")
    if any(not isinstance(value, str) for value in (metadata.get("annotations") or {}).values()):
        wrong.append("metadata.annotations: values are strings")
    if kind in {kinds.SECRET, kinds.CONFIG_MAP}:
        wrong += _data(content.get("data") or {}, encoded=kind is kinds.SECRET)
    if kind is kinds.POD and not content["spec"].get("containers"):
        wrong.append("spec.containers: Required value")
    if kind.custom:
        wrong += schema.problems(content, kind.schema, before)
    if wrong:
        raise invalid(f'{kind.kind} "{name}"', *wrong)


def _data(data: Json, *, encoded: bool) -> list[str]:
    wrong = [
        f"data[{key}]: a key consists of alphanumeric characters, '-', '_' or '.'"
        for key in data
        if not _KEY.fullmatch(key) or len(key) > _LONGEST_NAME
    ]
    size = sum(len(base64.b64decode(text)) if encoded else len(text) for text in data.values())
    if size > _MOST_DATA:
        wrong.append(f"data: Too long: may not be more than {_MOST_DATA} bytes")
    return wrong

"""The rules that an object must keep by its kind. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from apiserver import kinds, schema
from apiserver.refusal import Json, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apiserver.kinds import Kind


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_PART}([.]{_PART})*")
_ROLE = re.compile(r"(?![.]{1,2}$)[^/%]+")
QUALIFIED = re.compile(rf"((?=[^/]{{1,253}}/){_PART}([.]{_PART})*/)?{_WORD}")
"""A key of labels."""
VALUE = re.compile(rf"({_WORD})?")
"""A value of labels."""
_KEY = re.compile(r"(?![.]{1,2}$)(?![.]{2})[-._a-zA-Z0-9]{1,253}")
_MOST_DATA = 1 << 20
"""Bytes of all values of a Secret or a ConfigMap."""
_MOST_ANNOTATIONS = 256 << 10
"""Bytes of all keys and values."""
_FINALIZERS = {"kubernetes", "orphan", "foregroundDeletion"}
"""Those that need no prefix."""


def check(kind: Kind, content: Json, before: Json | None) -> None:
    """Refusal 422: the object breaks a rule."""
    wrong = [*_metadata(kind, content["metadata"]), *_by_kind(kind, content)]
    wrong += schema.problems(content, schema.of(kind), before)
    if wrong:
        raise invalid(f'{kind.kind} "{content["metadata"].get("name")}"', *wrong)


def _metadata(kind: Kind, metadata: Json) -> Iterator[str]:
    names = {kinds.NAMESPACE: _NAMESPACE, **dict.fromkeys(kinds.RBAC, _ROLE)}
    if not names.get(kind, _NAME).fullmatch(str(metadata.get("name") or "")):
        yield "metadata.name: it is missing, or no name of this kind"
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    finalizers, owners = metadata.get("finalizers") or (), metadata.get("ownerReferences") or ()
    for key in (*labels, *map(str.lower, annotations), *finalizers):
        if not QUALIFIED.fullmatch(key):
            yield f"metadata: {key} is no qualified name"
    if any("/" not in key for key in finalizers if key not in _FINALIZERS):
        yield "metadata.finalizers: name is not fully qualified"
    if not all(owner.get("uid") for owner in owners):
        yield "metadata.ownerReferences.uid: must not be empty"
    for key, value in labels.items():
        if not VALUE.fullmatch(value):
            yield f"metadata.labels: {key} has no valid value"
    if sum(len(f"{key}{value}".encode()) for key, value in annotations.items()) > _MOST_ANNOTATIONS:
        yield f"metadata.annotations: Too long: may not be more than {_MOST_ANNOTATIONS} bytes"


def _by_kind(kind: Kind, content: Json) -> Iterator[str]:
    if kind in {kinds.SECRET, kinds.CONFIG_MAP}:
        yield from _data(content.get("data") or {}, encoded=kind is kinds.SECRET)
    if kind is kinds.POD and not content["spec"].get("containers"):
        yield "spec.containers: Required value"
    if kind.stored == "events":
        yield from _event(kind, content)
    if kind is kinds.MUTATING_WEBHOOK:
        rules = [rule for hook in content["webhooks"] for rule in hook["rules"]]
        if any(rule["operations"] != ["CREATE"] for rule in rules):
            yield "webhooks: the stand-in calls them for CREATE alone"


def _event(kind: Kind, event: Json) -> Iterator[str]:
    """https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/events.go."""
    here, about = (
        event["metadata"].get("namespace"),
        (event.get("regarding") or {}).get("namespace"),
    )
    if not event.get("eventTime"):
        if here != (about or "default"):
            yield "involvedObject.namespace: does not match event.namespace"
    elif not about and here not in {"default", "kube-system"}:
        yield "involvedObject.namespace: does not match event.namespace"
    if kind is kinds.EVENT and not QUALIFIED.fullmatch(event.get("reportingController") or ""):
        yield "reportingController: it is no qualified name"


def _data(data: Json, *, encoded: bool) -> Iterator[str]:
    for key in data:
        if not _KEY.fullmatch(key):
            yield f"data[{key}]: a key consists of alphanumeric characters, '-', '_' or '.'"
    size = sum(len(base64.b64decode(text) if encoded else text.encode()) for text in data.values())
    if size > _MOST_DATA:
        yield f"data: Too long: may not be more than {_MOST_DATA} bytes"

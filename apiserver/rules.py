"""The rules that an object must keep by its kind. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from apiserver import kinds, schema
from apiserver.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apiserver.kinds import Kind

Json = dict[str, Any]

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ROLE = re.compile(r"(?![.]{1,2}$)[^/%]+")
_QUALIFIED = re.compile(rf"([a-z0-9][-a-z0-9.]{{0,252}}/)?{_WORD}")
_VALUE = re.compile(rf"({_WORD})?")
_KEY = re.compile(r"(?![.]{1,2}$)(?![.]{2})[-._a-zA-Z0-9]{1,253}")
_MOST_DATA = 1 << 20
"""Bytes of all values of a Secret or a ConfigMap."""
_MOST_ANNOTATIONS = 256 << 10
"""Characters of all keys and values."""
_LONGEST_NOTE = 1024


def check(kind: Kind, content: Json, before: Json | None) -> None:
    """Refusal 422: the object breaks a rule."""
    wrong = [*_metadata(kind, content["metadata"]), *_by_kind(kind, content)]
    if kind.custom:
        wrong += schema.problems(content, kind.schema, before)
    if wrong:
        raise invalid(f'{kind.kind} "{content["metadata"].get("name")}"', *wrong)


def _metadata(kind: Kind, metadata: Json) -> Iterator[str]:
    names = {kinds.NAMESPACE: _NAMESPACE, **dict.fromkeys(kinds.RBAC, _ROLE)}
    if not names.get(kind, _NAME).fullmatch(str(metadata.get("name") or "")):
        yield "metadata.name: it is missing, or no name of this kind"
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for key in (*labels, *annotations, *(metadata.get("finalizers") or ())):
        if not _QUALIFIED.fullmatch(key):
            yield f"metadata: {key} is no qualified name"
    for key, value in labels.items():
        if not _VALUE.fullmatch(value):
            yield f"metadata.labels: {key} has no valid value"
    if sum(len(key) + len(value) for key, value in annotations.items()) > _MOST_ANNOTATIONS:
        yield f"metadata.annotations: Too long: may not be more than {_MOST_ANNOTATIONS} bytes"


def _by_kind(kind: Kind, content: Json) -> Iterator[str]:
    if kind in {kinds.SECRET, kinds.CONFIG_MAP}:
        yield from _data(content.get("data") or {}, encoded=kind is kinds.SECRET)
    if kind is kinds.POD and not content["spec"].get("containers"):
        yield "spec.containers: Required value"
    if kind is kinds.LEASE and (content.get("spec") or {}).get("leaseDurationSeconds", 1) < 1:
        yield "spec.leaseDurationSeconds: must be greater than 0"
    if kind is kinds.EVENT:
        needed = ("eventTime", "reportingController", "reportingInstance", "action", "reason")
        yield from (f"{field}: Required value" for field in needed if not content.get(field))
        if content.get("type") not in {"Normal", "Warning"}:
            yield "type: Unsupported value"
        if len(content.get("note", "")) > _LONGEST_NOTE:
            yield f"note: can have at most {_LONGEST_NOTE} characters"
    if kind is kinds.MUTATING_WEBHOOK:
        rules = [rule for hook in content["webhooks"] for rule in hook["rules"]]
        if any(rule["operations"] != ["CREATE"] for rule in rules):
            yield "webhooks: the stand-in calls them for CREATE alone"


def _data(data: Json, *, encoded: bool) -> Iterator[str]:
    for key in data:
        if not _KEY.fullmatch(key):
            yield f"data[{key}]: a key consists of alphanumeric characters, '-', '_' or '.'"
    size = sum(len(base64.b64decode(text) if encoded else text.encode()) for text in data.values())
    if size > _MOST_DATA:
        yield f"data: Too long: may not be more than {_MOST_DATA} bytes"

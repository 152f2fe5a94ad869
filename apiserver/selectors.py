"""Label and field selectors. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from apiserver.refusal import Json, Refusal
from apiserver.rules import QUALIFIED, VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apiserver.kinds import Kind


_PARTS = re.compile(r",(?![^()]*\))")
_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^()]*)\)$")
_EQUAL = re.compile(r"^([^=!\s]+)\s*(!=|==|=)\s*(\S*)$")
_EXISTS = re.compile(r"^(!?)\s*([^=!,()\s]+)$")
_WORDS = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}
_COMMON = frozenset({"metadata.name", "metadata.namespace"})


def selected(kind: Kind, query: Mapping[str, str]) -> Callable[[Json], bool]:
    """Whether an object is meant. Refusal 400: a selector can't be read, or names a field that this
    kind does not select by.
    """
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    tests = [_label(part.strip()) for part in _PARTS.split(labels) if labels.strip()]
    tests += [_field(kind, part.strip()) for part in fields.split(",") if part.strip()]
    return lambda content: all(test(content) for test in tests)


def chosen(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A LabelSelector object, as webhook configurations have them."""
    tests = [_label(f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for part in selector.get("matchExpressions") or ():
        values = ",".join(part.get("values") or ())
        tests.append(_label(_WORDS[part["operator"]].format(part["key"], values)))
    return all(test({"metadata": {"labels": labels}}) for test in tests)


def _label(part: str) -> Callable[[Json], bool]:
    if found := _SET.match(part):
        key, word, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
    elif found := _EQUAL.match(part):
        key, sign, value = found.groups()
        values, word = {value}, "notin" if sign == "!=" else "in"
    elif found := _EXISTS.match(part):
        absent, key = found.groups()
        values, word = set(), "!" if absent else "exists"
    if not found or not QUALIFIED.fullmatch(key) or not all(map(VALUE.fullmatch, values)):
        raise Refusal(400, f"unable to parse requirement: {part}")
    if not values:
        return lambda content: (key in _labels(content)) is (word == "exists")
    return lambda content: (_labels(content).get(key) in values) is (word == "in")


def _field(kind: Kind, part: str) -> Callable[[Json], bool]:
    found = _EQUAL.match(part)
    if found is None or not {"=", "\\"}.isdisjoint(found[3]):
        raise Refusal(400, f"invalid selector: {part!r}")
    path, sign, value = found.groups()
    common = _COMMON if kind.namespaced else _COMMON - {"metadata.namespace"}
    if path not in kind.fields | common:
        raise Refusal(400, f"field label not supported: {path}")
    steps = path.split(".")
    return lambda content: (_at(content, steps) == value) is (sign != "!=")


def _at(content: object, steps: list[str]) -> str:
    for step in steps:
        content = content.get(step) if isinstance(content, dict) else None
    return "" if content is None else str(content)


def _labels(content: Json) -> Mapping[str, str]:
    return content["metadata"].get("labels") or {}

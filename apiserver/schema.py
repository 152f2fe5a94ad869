"""Objects by their schemas: unknown fields, defaults, and what is refused. Custom kinds have the
schemas of their definitions. Those of Kubernetes' own are in `own.yaml`, which is read once.

JSON Schema and CEL are judged by engines that are not ours.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import copy
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cel
import yaml
from jsonschema import Draft4Validator, Draft6Validator, ValidationError
from jsonschema.validators import extend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from apiserver.kinds import Kind

Json = dict[str, Any]
_OWN = Path(__file__).with_name("own.yaml")
_ALWAYS = ("apiVersion", "kind", "metadata")
"""Of every object; not the schema's to prune."""


def kept(body: Json, schema: Mapping[str, Any]) -> Json:
    """The object as it is stored: without unknown fields, and with the schema's defaults."""
    found = copy.deepcopy(body)
    outside = {name: found.pop(name) for name in _ALWAYS if name in found}
    _prune(found, schema)
    _fill(found, schema)
    return {**outside, **found}


@functools.cache
def own(name: str) -> Mapping[str, Any]:
    """The schema of `metadata`, or of a kind of Kubernetes' own; empty: none is known."""
    found: Mapping[str, Any] = yaml.safe_load(_OWN.read_text()).get(name, {})
    return found


def of(kind: Kind) -> Mapping[str, Any]:
    """The schema of a kind."""
    return kind.schema if kind.custom else own(f"{kind.api_version}/{kind.kind}")


def problems(content: Json, schema: Mapping[str, Any], before: Json | None = None) -> list[str]:
    """What is wrong: places with the keyword of the schema that says so, or the message of a rule.
    Rules about an object's earlier form (`oldSelf`) are judged where there is one.
    """
    found = _Structural(schema).iter_errors(content)
    wrong = [f"{error.json_path}: {error.validator}" for error in found]
    return wrong + list(_broken(content, before, schema, ""))


def types(content: Json, schema: Mapping[str, Any]) -> list[str]:
    """The places of values of another type or format. Kubernetes' own types can't read them."""
    found = _Structural(schema).iter_errors(content)
    return [error.json_path for error in found if error.validator in {"type", "format"}]


def _pattern(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    """As RE2 has it: $ is the end, not before a last newline."""
    if isinstance(value, str) and not re.search(re.sub("[$]$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern}")


def _format(_: object, name: str, value: object, __: object) -> Iterator[ValidationError]:
    if isinstance(value, str) and name in _FORMATS and not re.fullmatch(_FORMATS[name], value):
        yield ValidationError(f"it is no {name}")


def _bytes(_: object, most: int, value: object, __: object) -> Iterator[ValidationError]:
    if isinstance(value, str) and len(value.encode()) > most:
        yield ValidationError(f"it has more than {most} bytes")


_SECONDS, _ZONE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", r"(Z|[+-]\d\d:\d\d)"
_FORMATS = {
    "date-time": rf"{_SECONDS}([.][0-9]+)?{_ZONE}",
    "micro-time": rf"{_SECONDS}[.][0-9]{{6}}{_ZONE}",
    "byte": r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
}
_Structural = extend(
    Draft4Validator,
    {"pattern": _pattern, "format": _format, "x-max-bytes": _bytes},
    type_checker=Draft6Validator.TYPE_CHECKER,  # 1.0 is an integer
)


@functools.cache
def _program(rule: str) -> cel.Program:
    return cel.compile(rule)


def evaluated(rule: str, known: Mapping[str, object]) -> bool:
    """What a CEL expression says of these variables. ValueError: it has no answer."""
    context = cel.Context()
    context.add_function("lowerAscii", str.lower)
    for name, value in known.items():
        context.add_variable(name, value)
    try:
        return bool(_program(rule).execute(context))
    except (KeyError, RuntimeError, TypeError) as error:
        raise ValueError(str(error)) from None


def _prune(value: object, schema: Mapping[str, Any]) -> None:
    """Removes fields that the schema does not name."""
    open_ = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(value, dict) and "properties" in schema and not open_:
        for name in value.keys() - schema["properties"].keys():
            del value[name]
    for _, item, inner in _inside(value, schema):
        _prune(item, inner)


def _fill(value: object, schema: Mapping[str, Any]) -> None:
    """Puts in the schema's defaults, from the outside to the inside. A null counts as nothing."""
    if isinstance(value, dict):
        for name, item in schema.get("properties", {}).items():
            if "default" in item and value.get(name) is None and not item.get("nullable"):
                value[name] = copy.deepcopy(item["default"])
        for name, found, inner in _inside(value, schema):
            if found is None and not inner.get("nullable"):
                value.pop(name)
                value |= {name: inner["default"]} if "default" in inner else {}
    for _, item, inner in _inside(value, schema):
        _fill(item, inner)


def _broken(value: object, before: object, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """The messages of the rules that don't hold, or have no answer."""
    for rule in schema.get("x-kubernetes-validations", ()):
        known = {"self": value}
        if "oldSelf" in rule["rule"]:
            if before is None:
                continue
            known["oldSelf"] = before
        if not _holds(rule["rule"], known):
            yield f"{path}: {rule['message']}"
    for step, item, inner in _inside(value, schema):
        here = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}".removeprefix(".")
        earlier = before.get(step) if isinstance(before, dict) else None
        yield from _broken(item, earlier, inner, here)


def _holds(rule: str, known: Mapping[str, object]) -> bool:
    try:
        return evaluated(rule, known)
    except ValueError:
        return False


def _inside(
    value: object, schema: Mapping[str, Any]
) -> Iterator[tuple[str | int, object, Mapping[str, Any]]]:
    """What an object or a list holds, each with its own schema."""
    if isinstance(value, dict):
        for name, item in list(value.items()):
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            if isinstance(inner, dict):
                yield name, item, inner
    if isinstance(value, list) and "items" in schema:
        for at, item in enumerate(value):
            yield at, item, schema["items"]

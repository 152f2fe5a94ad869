"""What an API server says of an object by its definition alone, by engines that are not ours: one
of JSON Schema for the structural schema, one of CEL for its rules.

It knows no earlier object, so that rules with `oldSelf` are a cluster's to test (tests/e2e).
"""

from __future__ import annotations

import copy
import functools
import re
from typing import TYPE_CHECKING, Any

import cel
from jsonschema import Draft4Validator, ValidationError
from jsonschema.validators import extend

from policy.crd import DEFINITIONS, manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]


def answer(plural: str, body: Json) -> tuple[Json, list[str]]:
    """The object as it would be kept, with defaults, and what is wrong with it: places with the
    keyword of the schema that says so, or the message of a rule.
    """
    schema = _schema(plural)
    kept = copy.deepcopy(body)
    _fill(kept, schema)
    wrong = [
        f"{_path(error.absolute_path)}: {error.validator}"
        for error in _Structural(schema).iter_errors(kept)
    ]
    return kept, wrong + list(_broken(kept, schema, ""))


def _pattern(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    """As RE2 has it: $ is the end, not before a last newline."""
    if isinstance(value, str) and not re.search(re.sub("[$]$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern}")


_Structural = extend(Draft4Validator, {"pattern": _pattern})


@functools.cache
def _schema(plural: str) -> Json:
    (found,) = (manifest(item) for item in DEFINITIONS if item.plural == plural)
    schema: Json = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@functools.cache
def _program(rule: str) -> cel.Program:
    return cel.compile(rule)


def _path(steps: Iterable[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def _fill(value: object, schema: Json) -> None:
    """Puts in the schema's defaults, from the outside to the inside."""
    if isinstance(value, dict):
        for name, item in schema.get("properties", {}).items():
            if name not in value and "default" in item:
                value[name] = copy.deepcopy(item["default"])
    for _, item, inner in _inside(value, schema):
        _fill(item, inner)


def _broken(value: object, schema: Json, path: str) -> Iterator[str]:
    """The messages of the rules that don't hold, or have no answer."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], value):
            yield f"{path}: {rule['message']}"
    for step, item, inner in _inside(value, schema):
        here = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}".removeprefix(".")
        yield from _broken(item, inner, here)


def _holds(rule: str, value: object) -> bool:
    try:
        return bool(_program(rule).execute({"self": value}))
    except (KeyError, RuntimeError, TypeError, ValueError):
        return False


def _inside(value: object, schema: Json) -> Iterator[tuple[str | int, object, Json]]:
    """What an object or a list holds, each with its own schema."""
    if isinstance(value, dict):
        for name, item in list(value.items()):
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            if inner is not None:
                yield name, item, inner
    if isinstance(value, list) and "items" in schema:
        for at, item in enumerate(value):
            yield at, item, schema["items"]

"""What is wrong with an object of an admin's, in sentences. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from contract.quoted import shown
from contract.spelling import suggestion
from schema.strict_model import known_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


MOST_PATH = 200
"""Characters of a field's path: keys of a map are what somebody wrote."""
_NUMBER = re.compile("[0-9]{1,20}([.][0-9]{1,20})?")
_LONG = 64
"""Bits of a number that is quoted."""


def explain(model: type[BaseModel], error: ValidationError) -> list[str]:
    """One sentence per mistake: the field, what was wrong, and the nearest spelling of an
    unknown field.
    """
    found = []
    for item in error.errors(include_url=False):
        path = _path(item["loc"])
        if item["type"] == "extra_forbidden":
            fields = _fields_at(model, item["loc"][:-1])
            found.append(f"{path}: unknown field{_known(str(item['loc'][-1]), fields)}")
        else:
            found.append(f"{path}: {_sentence(item)}".removeprefix(": "))
    return found


def _known(word: str, fields: tuple[str, ...]) -> str:
    if not fields:
        return ". Allowed: no fields. Write {}"
    return suggestion(word, fields) or f". Allowed: {', '.join(fields)}"


def _sentence(item: ErrorDetails) -> str:
    """Ours where pydantic's does not say what to write."""
    kind, given = item["type"], item["input"]
    if kind == "literal_error" and isinstance(given, str):
        return not_one_of(given, re.findall("'([^']*)'", item["ctx"]["expected"]))
    if kind == "string_type":
        return _unquoted(given)
    if kind in {"int_type", "float_type"} and isinstance(given, str) and _NUMBER.fullmatch(given):
        return f"must be a number, so leave out the quotes: {given}"
    if kind == "bool_type" and isinstance(given, str):
        return "must be true or false, without quotes"
    return item["msg"].removeprefix("Value error, ")


def not_one_of(given: str, allowed: Sequence[str], meant: str | None = None) -> str:
    """That a word is none of a few. `meant`: what is known to be meant."""
    hint = suggestion(given, allowed) if meant is None else f'. Did you mean "{meant}"?'
    return f'"{shown(given)}" is not valid. Allowed: {", ".join(allowed)}{hint}'


def _unquoted(given: object) -> str:
    """YAML reads 123, 1.10 and yes as something else than text; only of the first it is known how
    it was written.
    """
    if isinstance(given, int) and not isinstance(given, bool) and given.bit_length() <= _LONG:
        return f'must be a string, so put it in quotes: "{given}"'
    if isinstance(given, int | float):
        return "must be a string, so put it in quotes"
    return "must be a string"


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return shown(text.removeprefix("."), MOST_PATH)


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The allowed fields at a place in a document, by walking the models' annotations."""
    current: Any = model
    for step in location:
        if (
            isinstance(step, int)
            or not isinstance(current, type)
            or not issubclass(current, BaseModel)
        ):
            continue
        by_alias = {field.alias or name: field for name, field in current.model_fields.items()}
        if step in by_alias:
            current = _model_in(by_alias[step].annotation) or current
    return known_fields(current)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None

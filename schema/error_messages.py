"""What is wrong with an object of an admin's, in sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from contract.quoted import shown
from contract.spelling import suggestion
from schema.strict_model import known_fields

if TYPE_CHECKING:
    from pydantic import ValidationError


MOST_PATH = 200
"""Characters of a field's path: keys of a map are what somebody wrote."""


def explain(model: type[BaseModel], error: ValidationError) -> list[str]:
    """One sentence per mistake: the field, what was wrong, and the nearest spelling of an
    unknown field.
    """
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        path = _path(item["loc"])
        if item["type"] == "extra_forbidden":
            word = str(item["loc"][-1])
            fields = _fields_at(model, item["loc"][:-1])
            hint = suggestion(word, fields) or f". Allowed: {', '.join(fields)}"
            found.append(f"{path}: unknown field{hint}")
        else:
            found.append(f"{path}: {item['msg'].removeprefix('Value error, ')}".removeprefix(": "))
    return found


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

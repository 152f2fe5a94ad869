"""Constraints that are said once: the model refuses with a sentence, and the schema that the API
server refuses by is generated from the same pattern and bounds.

Between fields, and of objects' names and references, a rule is written twice, in Python and in CEL
(`schema.strict_model.rules`). No rule is the models' alone: tests/api/test_definitions.py compares
the verdicts, field by field. Patterns are in the syntax that Python and RE2 share: no look-around,
no repetition beyond 1000.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, JsonValue
    from pydantic.json_schema import JsonSchemaValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a text must look like."""

    pattern: str
    """Of the whole text."""
    says: str
    """The sentence for one that is otherwise, or too long."""
    most: int
    """Characters. CEL's cost is counted by it."""
    least: int = 1
    never: tuple[tuple[str, str], ...] = ()
    """Patterns that are found nowhere in it, each with the sentence for one that is; in CEL, so
    that the API server says the sentence too."""
    helped: Callable[[str], str | None] | None = None
    """A sentence of its own for a value that is otherwise; None: `says`."""

    def checked(self, value: str) -> str:
        """The value itself. ValueError: the sentence."""
        if not self.least <= len(value) <= self.most or not re.fullmatch(self.pattern, value):
            raise ValueError((self.helped and self.helped(value)) or self.says)
        for pattern, says in self.never:
            if re.search(pattern, value):
                raise ValueError((self.helped and self.helped(value)) or says)
        return value

    @property
    def bounds(self) -> dict[str, JsonValue]:
        """All but the type, in a schema's words."""
        found: dict[str, JsonValue] = {
            "description": self.says,
            "minLength": self.least,
            "maxLength": self.most,
            "pattern": f"^{self.pattern}$",
        }
        if self.never:
            found["x-kubernetes-validations"] = [
                {"rule": f"!self.matches('{pattern}')", "message": says}
                for pattern, says in self.never
            ]
        return found

    @property
    def schema(self) -> dict[str, JsonValue]:
        """Of a field that is this text on the wire."""
        return {"type": "string", **self.bounds}

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def __get_pydantic_json_schema__(
        self, _: core_schema.CoreSchema, __: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.schema)


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A list with at least one item; looked at after the items, so that a wrong one is told
    alone.
    """

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(_not_empty, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"minItems": 1}


def _not_empty(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise ValueError("must have at least one item")
    return items

"""What an admin's objects have in common: strict and frozen, camelCase on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from schema.constraints import NotEmpty
from schema.fields import Name

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION = "lastgood.dev/v1alpha1"


def rules(cel: Mapping[str, str]) -> ConfigDict:
    """The same checks for the schema of the API server: CEL by the message for who breaks it."""
    checks: list[JsonValue] = [{"rule": rule, "message": message} for message, rule in cel.items()]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": checks})


LIST = Field(strict=False)
"""YAML has lists; the models hold tuples of strictly checked items."""


SOME = NotEmpty()
"""The same, with at least one item."""


class Model(BaseModel):
    """What an admin writes: nothing is guessed, and nothing is passed over."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_default=False,
    )


class Metadata(BaseModel):
    """Of an object's metadata only the name is ours to read."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    name: Name


class AdminStatus(BaseModel):
    """Status of a policy, reported by the controller."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True
    )

    in_use: bool = False
    """Whether snapshots use this object. An object in use cannot be deleted unless it has the
    annotation lastgood.dev/delete-in-use: "yes"."""


def known_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The names on the wire of a model's fields, for the nearest spelling of an unknown one."""
    return tuple(field.alias or name for name, field in model.model_fields.items())

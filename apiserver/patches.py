"""Patches of objects. Pure.

JSON merge patch: RFC 7396. JSON patch: RFC 6902, by an engine that is not ours.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import jsonpatch
import jsonpointer

from apiserver.refusal import Json, Refusal, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def change(content_type: str, body: object) -> Callable[[Json], Json]:
    """What a patch makes of an object. Refusal 400; 415: it is of another kind."""
    if content_type not in {MERGE, JSON_PATCH}:
        raise Refusal(415, f"no patch is {content_type}")
    if content_type == MERGE and isinstance(body, dict):
        return lambda content: _merged(content, body)
    if content_type == JSON_PATCH and isinstance(body, list):
        return lambda content: _patched(content, body)
    raise Refusal(400, f"the body is no {content_type}")


def _merged(content: object, body: object) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(body, dict):
        return body
    found = dict(content) if isinstance(content, dict) else {}
    for name, value in body.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), value)
    return found


def _patched(content: Json, operations: list[Any]) -> Json:
    try:
        found: Json = jsonpatch.apply_patch(copy.deepcopy(content), operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise invalid("the request", f"{type(error).__name__}: {error}") from None
    return found

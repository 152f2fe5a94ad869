"""Reading of JSON that another version of us, or somebody else, wrote. Formats are additive:
unknown members are passed over.

Every `from_wire` raises `WireError` for what it can't use; the message names the member and never
quotes a value.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = 1
"""The major version of every format here. A reader accepts its own and refuses a newer one:
additions don't change it.
"""


MOST = 1e15
"""Numbers here are seconds; nothing beyond this is meant (and no infinity or NaN is)."""


class WireError(ValueError):
    """A document that this version can't use. Caught by the code that reads one: it names the
    document's fault in one sentence.
    """


def decode(raw: bytes | str, what: str) -> dict[str, Any]:
    """A JSON object of our version. `what` names the document in errors."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise WireError(f"{what} is not JSON") from None
    if type(document) is not dict:
        raise WireError(f"{what} is not a JSON object")
    version = document.get("v")
    if type(version) is not int:
        raise WireError(f"{what} has no format version. This version reads {VERSION}")
    if version != VERSION:
        raise WireError(f"{what} has format version {version}. This version reads {VERSION}")
    return document


def encode(document: Mapping[str, Any]) -> str:
    """Compact JSON with our version first and members in the given order, so that equal documents
    are equal bytes.
    """
    return json.dumps({"v": VERSION, **document}, separators=(",", ":"), allow_nan=False)


def text(document: Mapping[str, Any], member: str) -> str:
    """A member that must be a string."""
    value = document.get(member)
    if type(value) is not str:
        raise WireError(f"{member} must be a string")
    return value


def optional_text(document: Mapping[str, Any], member: str) -> str | None:
    """A member that is a string, null or absent."""
    return None if document.get(member) is None else text(document, member)


def number(document: Mapping[str, Any], member: str) -> float:
    """A member that must be a finite number."""
    value: Any = document.get(member)
    if type(value) not in (int, float) or not -MOST < value < MOST:
        raise WireError(f"{member} must be a finite number")
    return float(value)


def optional_number(document: Mapping[str, Any], member: str) -> float | None:
    """A member that is a finite number, null or absent."""
    return None if document.get(member) is None else number(document, member)


def need(document: Mapping[str, Any], *members: str) -> None:
    """Refuses a document without these: members that its writers have always written."""
    for member in members:
        if member not in document:
            raise WireError(f"{member} is missing")


def objects(document: Mapping[str, Any], member: str) -> list[dict[str, Any]]:
    """A member that is a list of objects; absent is empty."""
    value = document.get(member, [])
    if type(value) is not list or any(type(item) is not dict for item in value):
        raise WireError(f"{member} must be a list of objects")
    return value


def texts(document: Mapping[str, Any], member: str) -> tuple[str, ...]:
    """A member that is a list of strings; absent is empty."""
    value = document.get(member, [])
    if type(value) is not list or any(type(item) is not str for item in value):
        raise WireError(f"{member} must be a list of strings")
    return tuple(value)


def mapping(document: Mapping[str, Any], member: str) -> dict[str, Any]:
    """A member that is an object; absent is empty."""
    value = document.get(member, {})
    if type(value) is not dict:
        raise WireError(f"{member} must be an object")
    return value

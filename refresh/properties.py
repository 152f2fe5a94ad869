"""Properties of a JSON object, spelled exactly as the document spells them. Pure.

A text member is its UTF-8 text; a number keeps its spelling; a boolean, object or array is compact
JSON; null and the empty text are as good as missing. A step into an array is an index from 0.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from contract.snapshot_format import VALUE, data_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_LEVELS = 64
"""Objects and arrays inside each other; a deeper document is malformed."""
MOST_KEY_CHARACTERS = 253
"""The longest key of a Kubernetes Secret."""
MOST_BYTES = (1 << 20) - (3 << 15)
"""What `size` may be: Kubernetes' limit of 1 MiB for a Secret, less 96 KiB for meta.json with as
many versions as it can name, and for what the record says beside."""
_BYTES_OF_A_KEY = 20

_MEMBER = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.-]{1,128}")
"""Names of members that an annotation can ask for (contract.reference)."""
_INDEX = re.compile(r"0|[1-9][0-9]{0,6}")
"""One spelling for each index, so that no two properties are one element."""


FAULTS = ("duplicate-key", "not-an-object", "not-json", "not-utf8", "too-deep")
"""The codes of MalformedValueError."""


class MalformedValueError(ValueError):
    """Not a JSON object; `code` is a word for the fault. Caught here and by validate."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _SpelledNumber(str):
    """A number's spelling in the document."""

    __slots__ = ()


def members(raw: bytes) -> dict[str, object]:
    """The members of a JSON object, or MalformedValueError: `not-utf8`, `not-json`,
    `duplicate-key`, `too-deep`, `not-an-object`.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedValueError("not-utf8") from None
    document = _parsed(text)
    if type(document) is not dict:
        raise MalformedValueError("not-an-object")
    return document


def selected(raw: bytes, properties: Iterable[str]) -> dict[str, bytes]:
    """The snapshot's data of a value: `value`, `p.<member>` of each member of an object that can be
    asked for, and of the deeper `properties` those that are there and fit, by name.
    """
    data = {VALUE: raw}
    try:
        document = members(raw)
    except MalformedValueError:
        return data
    for member in document:
        if _MEMBER.fullmatch(member):
            data |= _entry(document, member)
    left_bytes = MOST_BYTES - size(data)
    for name in sorted(name for name in properties if "/" in name):
        entry = _entry(document, name)
        if entry.keys().isdisjoint(data) and size(entry) <= left_bytes:
            left_bytes -= size(entry)
            data |= entry
    return data


def present(raw: bytes, names: Iterable[str]) -> frozenset[str]:
    """Those of the named properties that the value has and that are not empty."""
    try:
        document = members(raw)
    except MalformedValueError:
        return frozenset()
    return frozenset(name for name in names if _found(document, name))


def size(data: Mapping[str, bytes]) -> int:
    """Bytes that data takes of a Secret, or more: values, and each key as often as it is written,
    in the Secret or its record, and in the API server's managedFields.
    """
    keys = sum(2 * len(key) + _BYTES_OF_A_KEY for key in data)
    return keys + sum(map(len, data.values()))


def _entry(document: dict[str, object], name: str) -> dict[str, bytes]:
    """The key of a property; none where it is missing or empty, or its key would be too long."""
    found, key = _found(document, name), data_key(name)
    return {} if not found or len(key) > MOST_KEY_CHARACTERS else {key: found}


def _found(document: dict[str, object], name: str) -> bytes | None:
    found: object = document
    for step in name.split("/"):
        found = _member(found, step)
    return None if found is None else _text(found).encode("utf-8")


def _member(parent: object, step: str) -> object:
    """A member of an object, or an element of an array; None: it has none of that name."""
    if type(parent) is dict:
        return parent.get(step)
    if type(parent) is list and _INDEX.fullmatch(step) and int(step) < len(parent):
        return parent[int(step)]
    return None


def _parsed(text: str) -> object:
    try:
        document: object = json.loads(
            text,
            parse_int=_SpelledNumber,
            parse_float=_SpelledNumber,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
        _check(document)
    except RecursionError:
        raise MalformedValueError("too-deep") from None
    except MalformedValueError:
        raise
    except ValueError:
        raise MalformedValueError("not-json") from None
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise MalformedValueError("duplicate-key")
    return document


def _no_constant(_: str) -> object:
    raise MalformedValueError("not-json")


def _check(document: object) -> None:
    """Neither too deep nor with text that UTF-8 can't spell (a lone surrogate)."""
    level: list[object] = [document]
    for _ in range(MOST_LEVELS + 1):
        inner: list[object] = []
        for item in level:
            if isinstance(item, str):
                _encodable(item)
            elif type(item) is dict:
                inner.extend(item)
                inner.extend(item.values())
            elif type(item) is list:
                inner.extend(item)
        if not inner:
            return
        level = inner
    raise MalformedValueError("too-deep")


def _encodable(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedValueError("not-utf8") from None


def _text(value: object) -> str:
    return value if isinstance(value, str) else _compact(value)


def _compact(value: object) -> str:
    if isinstance(value, _SpelledNumber):
        return value
    if isinstance(value, str):
        return encode_basestring(value)
    if type(value) is dict:
        inner = (f"{encode_basestring(name)}:{_compact(item)}" for name, item in value.items())
        return "{" + ",".join(inner) + "}"
    if type(value) is list:
        return "[" + ",".join(map(_compact, value)) + "]"
    return json.dumps(value)

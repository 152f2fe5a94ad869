"""Bodies as an API server takes them: JSON, YAML, Kubernetes' protobuf and CBOR.

https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

JSON, YAML = "application/json", "application/yaml"
PROTOBUF, CBOR = "application/vnd.kubernetes.protobuf", "application/cbor"

_META = {
    "name": 1,
    "generateName": 2,
    "namespace": 3,
    "selfLink": 4,
    "uid": 5,
    "resourceVersion": 6,
    "generation": 7,
    "deletionGracePeriodSeconds": 10,
    "labels": 11,
    "annotations": 12,
    "ownerReferences": 13,
    "finalizers": 14,
}
_FIELDS: dict[str, dict[str, int]] = {
    "Secret": {"metadata": 1, "data": 2, "type": 3, "stringData": 4, "immutable": 5},
    "ConfigMap": {"metadata": 1, "data": 2, "binaryData": 3, "immutable": 4},
    "DeleteOptions": {
        "gracePeriodSeconds": 1,
        "preconditions": 2,
        "orphanDependents": 3,
        "propagationPolicy": 4,
        "dryRun": 5,
    },
}
"""Field numbers of the generated.proto files; of other kinds, and what is not here, is left out."""
_BYTES = frozenset({"data", "binaryData"})
_BASE64 = frozenset({"Secret"})


def encoded(kind: str, body: Any) -> bytes:  # noqa: ANN401 - any JSON
    """`body` in one of the four media types."""
    return ENCODINGS[kind](body)


def _json(body: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps(body).encode()


def _yaml(body: Any) -> bytes:  # noqa: ANN401 - any JSON
    return yaml.safe_dump(body).encode()


def _protobuf(body: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Four bytes of magic, then a runtime.Unknown with kind and content."""
    if not isinstance(body, dict):
        return b"k8s\0" + _json(body)
    kind = str(body.get("kind", ""))
    names = _FIELDS.get(kind, {"metadata": 1})
    raw = b""
    for key in names:
        value = body.get(key)
        if key == "metadata" and isinstance(value, dict):
            raw += _field(1, _message(value, _META))
        elif key == "preconditions" and isinstance(value, dict):
            raw += _field(2, _message(value, {"uid": 1, "resourceVersion": 2}))
        elif kind in _BASE64 and key in _BYTES and isinstance(value, dict):
            raw += _message({key: {name: _unbase64(item) for name, item in value.items()}}, names)
        elif value is not None:
            raw += _message({key: value}, names)
    types = _field(1, str(body.get("apiVersion", ""))) + _field(2, kind)
    return b"k8s\0" + _field(1, types) + _field(2, raw)


def _message(value: dict[str, Any], names: dict[str, int]) -> bytes:
    found = b""
    for key, item in value.items():
        if key not in names:
            continue
        if isinstance(item, dict):
            for name, inner in item.items():
                found += _field(names[key], _field(1, str(name)) + _field(2, inner))
        elif isinstance(item, list):
            found += b"".join(_field(names[key], inner) for inner in item)
        else:
            found += _field(names[key], item)
    return found


def _field(number: int, value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """A wrong type in JSON becomes a wrong wire type here."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    if not isinstance(value, bytes):
        value = _json(value)
    content = bytes(value)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _unbase64(value: Any) -> Any:  # noqa: ANN401 - any JSON
    try:
        return base64.b64decode(value)
    except (binascii.Error, TypeError, ValueError):
        return value


def _cbor(body: Any) -> bytes:  # noqa: ANN401 - any JSON
    """RFC 8949, with the tag that the API server asks for."""
    return b"\xd9\xd9\xf7" + _item(body)


def _item(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return _head(2, len(text)) + text
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(_item(item) for item in value)
    pairs = (_item(str(key)) + _item(item) for key, item in value.items())
    return _head(5, len(value)) + b"".join(pairs)


def _head(major: int, count: int) -> bytes:
    if count < 24:
        return bytes([major << 5 | count])
    return bytes([major << 5 | 27]) + struct.pack(">Q", count & 0xFFFFFFFFFFFFFFFF)


ENCODINGS: dict[str, Callable[[Any], bytes]] = {
    JSON: _json,
    YAML: _yaml,
    PROTOBUF: _protobuf,
    CBOR: _cbor,
}

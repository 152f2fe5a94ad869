"""What a new value must pass before it is served. Pure; verdicts carry words, never content."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from refresh.properties import FAULTS, MOST_BYTES, MalformedValueError, members, selected, size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contract.secret_bytes import SecretBytes
    from refresh.model import Checks

_LEAST_CHANGE_BYTES = 64
_RATIO = 4

_PEM = re.compile(
    rb"-----BEGIN ([A-Z0-9][A-Z0-9 ]*)-----[ \t]*\r?\n"
    rb"(?P<body>(?:[^-]|-(?!----(?:BEGIN|END) ))*+)"
    rb"-----END \1-----[ \t]*(?:\r?\n|\Z)",
    re.DOTALL,
)
_PEM_HEADER = re.compile(rb"[A-Za-z0-9-]+:[^\n]*\n(?:[ \t][^\n]*\n)*")


_REASONS = {
    "empty": FetchFailure.EMPTY,
    "max-bytes": FetchFailure.TOO_LARGE,
    "secret-bytes": FetchFailure.TOO_LARGE,
}
"""By a check's word; the others are INVALID."""
CHECKS = (*_REASONS, "json", "min-bytes", "pem", "required-keys", *FAULTS)
"""The words of all checks."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a value is not served: the closed reason, and a word that says which check failed."""

    reason: FetchFailure
    code: str


def reason_of(code: str) -> FetchFailure:
    """The closed reason of a check's word, or of any other word that keeps a version back."""
    return _REASONS.get(code, FetchFailure.INVALID)


def check(
    value: SecretBytes, checks: Checks, properties: frozenset[str], *, object_needed: bool
) -> Rejection | None:
    """The first check that the value fails; None: it may be served.

    `object_needed` asks for a JSON object. Whether single properties are there is not asked: one
    that is missing holds the pod that demands it, and no other.
    """
    raw = value.reveal()
    if not raw:
        return Rejection(FetchFailure.EMPTY, "empty")
    if len(raw) > checks.max_bytes:
        return Rejection(FetchFailure.TOO_LARGE, "max-bytes")
    if size(selected(raw, properties)) > MOST_BYTES:
        return Rejection(FetchFailure.TOO_LARGE, "secret-bytes")
    if object_needed and (code := _object_fault(raw)) is not None:
        return Rejection(FetchFailure.INVALID, code)
    for validation in checks.validations:
        for name, rule in validation.items():
            rejection = _CHECKS[name](raw, rule)
            if rejection is not None:
                return rejection
    return None


def is_object(value: SecretBytes) -> bool:
    """Whether the value is a JSON object that properties can be taken from."""
    return _object_fault(value.reveal()) is None


def suspicion(old: SecretBytes, new: SecretBytes) -> str | None:
    """A word for a change of size or shape that somebody should look at; None: nothing unusual.

    It alarms and holds nothing.
    """
    before, after = _members(old), _members(new)
    if (before is None) != (after is None):
        return "shape"
    if before is not None and after is not None and not before <= after:
        return "members-lost"
    small, large = sorted((len(old), len(new)))
    if large - small > _LEAST_CHANGE_BYTES and large > small * _RATIO:
        return "size"
    return None


def _members(value: SecretBytes) -> frozenset[str] | None:
    try:
        return frozenset(members(value.reveal()))
    except MalformedValueError:
        return None


def _object_fault(raw: bytes) -> str | None:
    try:
        members(raw)
    except MalformedValueError as fault:
        return fault.code
    return None


def _json(raw: bytes, _: object) -> Rejection | None:
    fault = _object_fault(raw)
    if fault in {None, "not-an-object"}:
        return None
    return Rejection(FetchFailure.INVALID, "json")


def _required_keys(raw: bytes, rule: object) -> Rejection | None:
    try:
        document = members(raw)
    except MalformedValueError:
        return Rejection(FetchFailure.INVALID, "required-keys")
    wanted = rule if isinstance(rule, list | tuple) else ()
    if all(document.get(name) not in (None, "") for name in wanted):
        return None
    return Rejection(FetchFailure.INVALID, "required-keys")


def _min_bytes(raw: bytes, rule: object) -> Rejection | None:
    enough = isinstance(rule, int) and len(raw) >= rule
    return None if enough else Rejection(FetchFailure.INVALID, "min-bytes")


def _max_bytes(raw: bytes, rule: object) -> Rejection | None:
    fits = isinstance(rule, int) and len(raw) <= rule
    return None if fits else Rejection(FetchFailure.TOO_LARGE, "max-bytes")


def _pem(raw: bytes, _: object) -> Rejection | None:
    """At least one PEM block, each of them whole and base64 (RFC 7468); text between is allowed."""
    blocks = list(_PEM.finditer(raw))
    marks = raw.count(b"-----BEGIN ") + raw.count(b"-----END ")
    if blocks and marks == 2 * len(blocks) and all(_base64(block["body"]) for block in blocks):
        return None
    return Rejection(FetchFailure.INVALID, "pem")


def _base64(body: bytes) -> bool:
    """Whether a block's body is base64, after the headers that RFC 1421 allows."""
    text = b"".join(_without_headers(body).split())
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False


def _without_headers(body: bytes) -> bytes:
    while (header := _PEM_HEADER.match(body)) is not None:
        body = body[header.end() :]
    return body


_CHECKS: Mapping[str, Callable[[bytes, object], Rejection | None]] = {
    "pem": _pem,
    "json": _json,
    "requiredKeys": _required_keys,
    "minBytes": _min_bytes,
    "maxBytes": _max_bytes,
}

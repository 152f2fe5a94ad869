"""Names of Kubernetes Secrets: in an annotation the name, everywhere else `<namespace>/<name>`.
Pure.
"""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import ReferenceRejected, is_property

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAME = f"{_PART}([.]{_PART})*"
"""Of a Secret, without its length, for a regular expression."""
REFERENCE = f"{_LABEL}/{NAME}"
OURS = "(lgr?-([a-z0-9-]+-)?[0-9a-f]{32}|lastgood-.*)"
"""Snapshots and records, as the chart's policies know them, and what the chart makes."""
MOST_NAME = 253

_NAME = re.compile(NAME)
_LABELLED = re.compile(_LABEL)
_OURS = re.compile(OURS)


def check_name(raw: str) -> None:
    """ReferenceRejected, unless it is the name of a Secret that is not one of ours."""
    _check(raw, annotation=True)


def _check(raw: str, *, annotation: bool) -> None:
    """`annotation`: hints are of what an annotation may give."""
    if "/" in raw:
        hint = _without_slash(raw) if annotation else ""
        raise ReferenceRejected(
            f'"{shown(raw)}" contains a /. A reference names a Secret of the pod\'s own namespace,'
            f" without the namespace{hint}"
        )
    if not _is_name(raw):
        hint = _spelled(raw) if annotation else ""
        raise ReferenceRejected(
            f'"{shown(raw)}" is not a valid name of a Secret. Allowed: 1 to 253 characters of a-z,'
            f" 0-9, - and ., with a letter or digit at both ends and next to each .{hint}"
        )
    if _OURS.fullmatch(raw):
        raise ReferenceRejected(f'"{shown(raw)}" is reserved for lastgood. Use another Secret')


def _without_slash(raw: str) -> str:
    """What stands before the / may be a namespace, or the Secret that has the key after it."""
    before, _, name = raw.rpartition("/")
    as_key = f'"k8s:{before}#{name}"'
    if not _is_name(before) or not is_property(name):
        return f'. Write "k8s:{name}"' if _is_name(name) else ""
    if not _is_name(name):
        return f". Did you mean {as_key}?"
    return f'. Write "k8s:{name}" for the Secret {name} of this namespace, or {as_key} for a key'


def _spelled(raw: str) -> str:
    """The nearest right spelling, or nothing."""
    name, colon, key = raw.partition(":")
    near = name.lower().replace("_", "-")
    if not name.isascii() or not _is_name(near) or _OURS.fullmatch(near):
        return ""
    if colon and not is_property(key):
        return ""
    return f'. Did you mean "k8s:{near}{"#" if colon else ""}{key}"?'


def check_reference(raw: str) -> None:
    """ReferenceRejected, unless it is a namespace, / and a name, as lastgood writes it."""
    namespace, slash, name = raw.partition("/")
    if not slash or not _LABELLED.fullmatch(namespace):
        raise ReferenceRejected(
            f'"{shown(raw)}" is not a namespace, / and the name of a Secret, for example'
            ' "payments/db"'
        )
    _check(name, annotation=False)


def _is_name(text: str) -> bool:
    return len(text) <= MOST_NAME and _NAME.fullmatch(text) is not None

"""References to secrets: accepted or rejected, never repaired, so that what policy matched is what
goes on the wire. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.quoted import shown
from contract.reference import (
    ACCOUNT,
    MOST_PROPERTY,
    SHAPE,
    ReferenceRejected,
    SourceRequest,
    is_property,
)
from contract.spelling import quick_suggestion
from providers.registry import PROVIDERS, SCHEMES

if TYPE_CHECKING:
    from providers.definition import Scheme


def parse_source(raw: str) -> SourceRequest:
    """The parts of `provider[@account]:reference[#property]`, or ReferenceRejected. Where the
    scheme is of objects in the pod's namespace, `in_namespace` makes the reference canonical.
    """
    head, colon, rest = raw.partition(":")
    if not colon:
        raise ReferenceRejected(f'"{shown(raw)}" has no provider. Allowed: {SHAPE}')
    scheme, at, account = head.partition("@")
    reference, hash_sign, name = rest.partition("#")
    if at and not ACCOUNT.fullmatch(account):
        raise ReferenceRejected(
            f'"{shown(account)}" is not a valid account name. Allowed: 1 to 63 characters of a-z,'
            " 0-9 and -, with a letter or digit at both ends"
        )
    if hash_sign and not is_property(name):
        raise ReferenceRejected(
            f'"{shown(name)}" is not a valid property. Allowed: up to 16 names with / between them,'
            " each 1 to 128 characters of A-Z a-z 0-9 _ . -, without .. and without a dot next to a"
            f" /, at most {MOST_PROPERTY} characters in total, where each / counts as two"
        )
    return SourceRequest(
        scheme=scheme,
        account=account if at else None,
        reference=_as_written(scheme, reference),
        property=name if hash_sign else None,
    )


def in_namespace(source: SourceRequest, namespace: str) -> SourceRequest:
    """The same with the canonical reference: where the scheme is of objects in the pod's namespace,
    that namespace is put in here and nowhere else.
    """
    known = SCHEMES.get(source.scheme)
    if known is None or known.local is None:
        return source
    return source.replace(reference=f"{namespace}/{source.reference}")


def namespace_of(scheme: str, reference: str) -> str | None:
    """The namespace whose pods alone may have a canonical reference; None: policy alone decides."""
    known = SCHEMES.get(scheme)
    if known is None or known.local is None:
        return None
    return reference.partition("/")[0]


def written(scheme: str, reference: str) -> str:
    """A canonical reference as an annotation gives it."""
    return reference if namespace_of(scheme, reference) is None else reference.partition("/")[2]


def canonicalise(scheme: str, raw: str) -> str:
    r"""`raw` itself when it is a canonical reference of `scheme`; else ReferenceRejected.

    Accepts no empty, `.` or `..` segments, and no `%`, `?`, `\`, control or non-ASCII characters.
    A provider refuses more, such as ARNs and names that lead from one store to another.
    """
    known = _scheme(scheme)
    known.check(raw)
    segments = raw.removeprefix("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ReferenceRejected(
            f'"{shown(raw)}" has an empty, "." or ".." segment. Remove it from the path'
        )
    return raw


def _scheme(scheme: str) -> Scheme:
    known = SCHEMES.get(scheme)
    if known is None:
        raise ReferenceRejected(
            f'"{shown(scheme)}" is not a valid provider. Allowed: {", ".join(SCHEMES)}'
            f"{nearest_scheme(scheme)}"
        )
    return known


def nearest_scheme(word: str) -> str:
    """`. Did you mean "x"?`, or nothing. The name of an account's provider is taken for those of
    its references.
    """
    meant = PROVIDERS.get(word.lower())
    if meant is None:
        return quick_suggestion(word, tuple(SCHEMES))
    names = " or ".join(f'"{scheme.name}"' for scheme in meant.schemes)
    return f". Did you mean {names}?"


def _as_written(scheme: str, raw: str) -> str:
    """What an annotation gives."""
    local = _scheme(scheme).local
    if local is None:
        return canonicalise(scheme, raw)
    local(raw)
    return raw

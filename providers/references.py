"""References to secrets: accepted or rejected, never repaired, so that what policy matched is what
goes on the wire.
"""

from __future__ import annotations

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
from providers.registry import SCHEMES


def parse_source(raw: str) -> SourceRequest:
    """The parts of `provider[@account]:reference[#property]`, or ReferenceRejected."""
    head, colon, rest = raw.partition(":")
    if not colon:
        raise ReferenceRejected(f'"{shown(raw)}" has no provider; write {SHAPE}')
    provider, at, account = head.partition("@")
    reference, hash_sign, name = rest.partition("#")
    if at and not ACCOUNT.fullmatch(account):
        raise ReferenceRejected(
            f'"{shown(account)}" is not an account\'s name; allowed are a-z, 0-9 and - inside'
        )
    if hash_sign and not is_property(name):
        raise ReferenceRejected(
            f'"{shown(name)}" is not a property; allowed are up to 16 steps of 1 to 128 of '
            "A-Z a-z 0-9 _ . - with / between, no two dots together, no dot beside a /, "
            f"{MOST_PROPERTY} characters in all with each / counted twice"
        )
    return SourceRequest(
        provider=provider,
        account=account if at else None,
        reference=canonicalise(provider, reference),
        property=name if hash_sign else None,
    )


def canonicalise(provider: str, raw: str) -> str:
    r"""`raw` itself when it is a canonical reference of the scheme `provider`; else
    ReferenceRejected.

    Accepts no empty, `.` or `..` segments, and no `%`, `?`, `\`, control or non-ASCII characters.
    A provider refuses more, such as ARNs and names that lead from one store to another.
    """
    scheme = SCHEMES.get(provider)
    if scheme is None:
        hint = quick_suggestion(provider, tuple(SCHEMES))
        raise ReferenceRejected(
            f'"{shown(provider)}" is not a provider; allowed: {", ".join(SCHEMES)}{hint}'
        )
    scheme.check(raw)
    segments = raw.removeprefix("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ReferenceRejected(
            f'"{shown(raw)}" has an empty, "." or ".." segment; write the path without it'
        )
    return raw

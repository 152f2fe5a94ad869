"""References to secrets: accepted or rejected, never repaired, so that what policy matched is what
goes on the wire.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contract.quoted import shown
from contract.record import Record
from contract.spelling import quick_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = "provider[@account]:reference[#property]"

_SIGNS = "/_+=.@!-"
CHARACTERS = f"A-Za-z0-9{_SIGNS}"
"""What a reference may have, for a regular expression to put in brackets. Secrets Manager takes
these and no others in a name. `!` stands in the names that AWS services give the secrets they
manage, as `rds!cluster-1fcd41b2` and `events!connection/orders/5b3a`: CreateSecret refuses it.
"""
CHARACTERS_LISTED = f"A-Z a-z 0-9 {' '.join(_SIGNS)}"
"""The same, for people."""
_ACCOUNT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PROPERTY = re.compile(
    r"(?!.*(\.\.|\./|/\.))"  # so that contract.snapshot.property_key gives no two of them one key
    r"[A-Za-z0-9_.-]{1,128}(/[A-Za-z0-9_.-]{1,128}){0,15}"
)
MOST_PROPERTY = 251
"""Characters in a property, each `/` counted twice: a Secret's key has at most 253, and ours starts
with `p.`.
"""
_AWS_SM_NAME = re.compile(rf"[{CHARACTERS}]{{1,512}}")
_FILE_PATH = re.compile(rf"/[{CHARACTERS}]{{1,511}}")
_ARN = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:secret:")
_ARN_END = re.compile(r"-[A-Za-z0-9]{6}")
"""What Secrets Manager adds to a name in its ARN."""
_ENDING = 7


class ReferenceRejected(ValueError):  # noqa: N818 - it is a verdict on input, not a fault
    """A reference that is not accepted; the message says what is wrong and what is allowed. Caught
    by the webhook, policy and CLI.
    """


class SourceRequest(Record):
    """What one `secret.<name>` annotation asks for."""

    provider: str
    account: str | None
    """None: the one account of this provider that policy allows."""
    reference: str
    """Canonical, without the provider."""
    property: str | None
    """None: the whole value. Steps into an object are divided by `/`."""


def parse_source(raw: str) -> SourceRequest:
    """The parts of `provider[@account]:reference[#property]`, or ReferenceRejected."""
    head, colon, rest = raw.partition(":")
    if not colon:
        message = f"{_shown(raw)} has no provider. Allowed: {SHAPE}"
        raise ReferenceRejected(message)
    provider, at, account = head.partition("@")
    reference, hash_sign, name = rest.partition("#")
    if at and not _ACCOUNT.fullmatch(account):
        message = (
            f"{_shown(account)} is not a valid account name. Allowed: 1 to 63 characters of a-z,"
            " 0-9 and -, with a letter or digit at both ends"
        )
        raise ReferenceRejected(message)
    if hash_sign and not is_property(name):
        message = (
            f"{_shown(name)} is not a valid property. Allowed: up to 16 names with / between them,"
            " each 1 to 128 characters of A-Z a-z 0-9 _ . -, without .. and without a dot next to a"
            f" /, at most {MOST_PROPERTY} characters in total, where each / counts as two"
        )
        raise ReferenceRejected(message)
    return SourceRequest(
        provider=provider,
        account=account if at else None,
        reference=canonicalise(provider, reference),
        property=name if hash_sign else None,
    )


def is_property(name: str) -> bool:
    """Whether that is a property, steps divided by `/`: no two properties share a data key."""
    return len(name) + name.count("/") <= MOST_PROPERTY and _PROPERTY.fullmatch(name) is not None


def canonicalise(provider: str, raw: str) -> str:
    r"""`raw` itself when it is a canonical reference of `provider`; else ReferenceRejected.

    Accepts no empty, `.` or `..` segments, no `%`, `?`, `\`, control or non-ASCII characters, no
    ARN, and no `/aws/reference/...`, which would lead from one store to another.
    """
    check = _PROVIDERS.get(provider)
    if check is None:
        hint = quick_suggestion(provider, PROVIDERS)
        message = (
            f"{_shown(provider)} is not a valid provider. Allowed: {', '.join(PROVIDERS)}{hint}"
        )
        raise ReferenceRejected(message)
    check(raw)
    segments = raw.removeprefix("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        message = f'{_shown(raw)} has an empty, "." or ".." segment. Remove it from the path'
        raise ReferenceRejected(message)
    return raw


def _aws_sm(raw: str) -> None:
    """Names of AWS Secrets Manager secrets: 1 to 512 of CHARACTERS."""
    arn = _ARN.match(raw)
    if arn is not None and len(raw) > arn.end():
        name = raw[arn.end() :]
        if len(name) > _ENDING and _ARN_END.fullmatch(name, len(name) - _ENDING):
            name = name[:-_ENDING]
        hint = f". Did you mean {_shown(name)}?" if _AWS_SM_NAME.fullmatch(name) else ""
        message = f"an ARN is not allowed here: the SecretAccount decides the AWS account{hint}"
        raise ReferenceRejected(message)
    if not _AWS_SM_NAME.fullmatch(raw):
        message = (
            f"{_shown(raw)} is not a valid name in Secrets Manager. "
            f"Allowed: 1 to 512 characters of {CHARACTERS_LISTED}"
        )
        raise ReferenceRejected(message)
    if raw.lstrip("/").lower().startswith("aws/reference/"):
        message = f"{_shown(raw)} refers to another store. Use the name of the secret itself"
        raise ReferenceRejected(message)


def _file(raw: str) -> None:
    """Paths below the account's root folder."""
    if not _FILE_PATH.fullmatch(raw):
        message = (
            f"{_shown(raw)} is not a valid path. Allowed: / and then 1 to 511 characters of"
            f" {CHARACTERS_LISTED}"
        )
        raise ReferenceRejected(message)


_PROVIDERS: dict[str, Callable[[str], None]] = {"aws-sm": _aws_sm, "file": _file}
PROVIDERS = tuple(_PROVIDERS)


def _shown(raw: str) -> str:
    return f'"{shown(raw)}"'

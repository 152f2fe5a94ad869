"""References to secrets: accepted or rejected, never repaired, so that what policy matched is what
goes on the wire.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contract.record import Record
from contract.spelling import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = "provider[@account]:reference[#property]"

_ACCOUNT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PROPERTY = re.compile(r"(?!.*\.\.)[A-Za-z0-9_.-]{1,128}(/[A-Za-z0-9_.-]{1,128})*")
_AWS_SM_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_FILE_PATH = re.compile(r"/[A-Za-z0-9/_+=.@-]{1,511}")
_ARN = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:secret:(?P<name>.+?)(-[A-Za-z0-9]{6})?")


class ReferenceRejected(ValueError):
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
        message = f"{_shown(raw)} has no provider; write {SHAPE}"
        raise ReferenceRejected(message)
    provider, at, account = head.partition("@")
    reference, hash_sign, name = rest.partition("#")
    if at and not _ACCOUNT.fullmatch(account):
        message = f"{_shown(account)} is not an account's name; allowed are a-z, 0-9 and - inside"
        raise ReferenceRejected(message)
    if hash_sign and not _PROPERTY.fullmatch(name):
        message = f"{_shown(name)} is not a property; allowed are A-Z a-z 0-9 _ . - and / between steps, without .."
        raise ReferenceRejected(message)
    return SourceRequest(
        provider=provider,
        account=account if at else None,
        reference=canonicalise(provider, reference),
        property=name if hash_sign else None,
    )


def canonicalise(provider: str, raw: str) -> str:
    """`raw` itself when it is a canonical reference of `provider`; else ReferenceRejected.

    Accepts no empty, `.` or `..` segments, no `%`, `?`, `\\`, control or non-ASCII characters, and
    no ARN.
    """
    check = _PROVIDERS.get(provider)
    if check is None:
        message = f"{_shown(provider)} is not a provider; allowed: {', '.join(PROVIDERS)}{suggestion(provider, PROVIDERS)}"
        raise ReferenceRejected(message)
    check(raw)
    segments = raw.removeprefix("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        message = f'{_shown(raw)} has an empty, "." or ".." segment; write the path without it'
        raise ReferenceRejected(message)
    return raw


def _aws_sm(raw: str) -> None:
    """Names of AWS Secrets Manager secrets (CreateSecret, parameter Name: 1 to 512 of A-Z a-z 0-9
    /_+=.@-).
    """
    arn = _ARN.fullmatch(raw)
    if arn is not None:
        message = f'an ARN is not accepted, the account is the admin\'s to choose; did you mean "{arn["name"]}"?'
        raise ReferenceRejected(message)
    if not _AWS_SM_NAME.fullmatch(raw):
        message = f"{_shown(raw)} is not a secret's name in Secrets Manager; allowed are 1 to 512 of A-Z a-z 0-9 / _ + = . @ -"
        raise ReferenceRejected(message)


def _file(raw: str) -> None:
    """Paths below the account's root folder."""
    if not _FILE_PATH.fullmatch(raw):
        message = f"{_shown(raw)} is not a path; allowed are / and then up to 511 of A-Z a-z 0-9 / _ + = . @ -"
        raise ReferenceRejected(message)


_PROVIDERS: dict[str, Callable[[str], None]] = {"aws-sm": _aws_sm, "file": _file}
PROVIDERS = tuple(_PROVIDERS)


def _shown(raw: str) -> str:
    """What was given, quoted, cut and with nothing unprintable: it goes to a user's terminal and to
    logs.
    """
    cut = raw if len(raw) <= 80 else raw[:77] + "..."
    return '"' + cut.encode("ascii", "backslashreplace").decode().translate(_CONTROL) + '"'


_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}

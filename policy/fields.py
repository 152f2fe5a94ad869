"""Field types of the admin's objects, each with the sentence that a wrong value gets."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

from contract.reference import PROVIDERS
from contract.spelling import suggestion
from policy.quantity import parse

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123), as namespaces are."""
DURATION_PATTERN = "(?=.)([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?"
NAMESPACE = "{namespace}"

_DURATION = re.compile(DURATION_PATTERN)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAMESPACE_GLOB = re.compile(r"[-a-z0-9*]{1,63}")
_ALLOW = re.compile(r"[A-Za-z0-9/_+=.@*-]{1,512}")
_NOT_ALLOW = (
    "//|/$|[:/][.]{1,2}(/|$)",  # an empty, "." or ".." segment
    "[^/:][*][*]|[*][*][^/]",  # ** that is not alone
    "[*}][a-z0-9-]*[{]namespace[}]|[{]namespace[}][a-z0-9{*-]",  # as _UNDELIMITED
)
"""What no `allow` has, for the API server's schema; `_allow` says the same in sentences."""
_ROLE_ARN = re.compile(r"arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")
_UNDELIMITED = re.compile(r"[*}][a-z0-9-]*\{namespace\}|\{namespace\}[a-z0-9{*-]")


def _seconds(value: object) -> float:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            'a duration is hours, minutes and seconds, for example "15m", "1h30m" or "90s"'
        )
    units = zip(match.groups(), (3600, 60, 1), strict=True)
    seconds = sum(int(part[:-1]) * unit for part, unit in units if part)
    if seconds == 0:
        raise ValueError("a duration must be longer than 0s")
    return float(seconds)


def _label(value: str) -> str:
    if not LABEL.fullmatch(value):
        raise ValueError("allowed are 1 to 63 of a-z, 0-9 and - inside")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name is 1 to 253 of a-z, 0-9 and, inside, - and .")
    return value


def _namespace_glob(value: str) -> str:
    if not _NAMESPACE_GLOB.fullmatch(value):
        raise ValueError("a namespace is 1 to 63 of a-z, 0-9 and -; * stands for any of them")
    return value


def _allow(value: str) -> str:
    provider, colon, pattern = value.partition(":")
    if not colon or provider not in PROVIDERS:
        hint = suggestion(provider, PROVIDERS)
        raise ValueError(f"write provider:pattern, with a provider of {', '.join(PROVIDERS)}{hint}")
    if not _ALLOW.fullmatch(pattern.replace(NAMESPACE, "n")):
        raise ValueError(
            "a pattern is 1 to 512 of A-Z a-z 0-9 / _ + = . @ - with *, ** and {namespace}"
        )
    segments = pattern.removeprefix("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ValueError('a pattern has no empty, "." or ".." segment, as no reference has one')
    if any("**" in segment and segment != "**" for segment in segments):
        raise ValueError("** stands for whole segments: write it alone between two /")
    if _UNDELIMITED.search(pattern):
        raise ValueError(
            "{namespace} must end where no other namespace's name could go on (at / . _ + = @ or"
            " the end), and no wildcard may run into it"
        )
    return value


def _role_arn(value: str) -> str:
    if not _ROLE_ARN.fullmatch(value):
        raise ValueError(
            "a role is arn:aws:iam::, 12 digits, :role/ and its path and name,"
            ' for example "arn:aws:iam::123456789012:role/lastgood"'
        )
    return value


def _external_id(value: str) -> str:
    if not _EXTERNAL_ID.fullmatch(value):
        raise ValueError("an externalID is 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / and -")
    return value


def _quantity(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('a quantity is text, for example "100m" or "32Mi"')  # noqa: TRY004 - pydantic wants ValueError
    parse(value)
    return str(value)


def _schema(**schema: JsonValue) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


_DURATION_SCHEMA = _schema(
    pattern=f"^{DURATION_PATTERN.removeprefix('(?=.)')}$", minLength=2, maxLength=21
)
"""RE2, which the API server's schemas use, has no look-ahead; there the least length stands."""

Seconds = Annotated[float, BeforeValidator(_seconds), _DURATION_SCHEMA]
"""On the wire a duration such as "1h30m"; in the model seconds."""
Label = Annotated[str, AfterValidator(_label), _schema(pattern=f"^{LABEL.pattern}$", maxLength=63)]
Name = Annotated[str, AfterValidator(_name)]
NamespaceGlob = Annotated[
    str, AfterValidator(_namespace_glob), _schema(pattern=f"^{_NAMESPACE_GLOB.pattern}$")
]
_NOT: dict[str, JsonValue] = {
    "not": {"anyOf": [{"pattern": pattern} for pattern in _NOT_ALLOW]},
}
_ALLOW_SCHEMA = _schema(
    pattern=rf"^({'|'.join(PROVIDERS)}):([A-Za-z0-9/_+=.@*-]|[{{]namespace[}}]){{1,512}}$",
    maxLength=1024,
    **_NOT,
)
"""Patterns, not CEL: its cost is counted for the largest policy, and would be too high."""

Allow = Annotated[str, AfterValidator(_allow), _ALLOW_SCHEMA]
"""`provider:pattern`: `*` stands for characters of one segment, `**` for one or more whole
segments."""
Quantity = Annotated[
    str, BeforeValidator(_quantity), WithJsonSchema({"x-kubernetes-int-or-string": True})
]
RoleArn = Annotated[
    str, AfterValidator(_role_arn), _schema(pattern=f"^{_ROLE_ARN.pattern}$", maxLength=640)
]
ExternalId = Annotated[
    str,
    AfterValidator(_external_id),
    _schema(pattern="^[A-Za-z0-9_+=,.@:/-]+$", minLength=2, maxLength=1224),
]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]

"""The patterns of references that a SecretPolicy allows. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from contract.reference import CHARACTERS, CHARACTERS_LISTED
from providers.references import nearest_scheme
from providers.registry import SCHEMES
from schema.constraints import Text

NAMESPACE = "{namespace}"
_SEGMENTS = 'a pattern must not have an empty, "." or ".." segment: no reference has one'
_UNDELIMITED = (
    "{namespace} must be followed by / . _ + = @ ! or the end of the pattern, and one of these must"
    " stand between it and a wildcard before it, or it could match other namespaces' secrets"
)
_ALLOW = Text(
    pattern=f"({'|'.join(SCHEMES)}):([*{CHARACTERS}]|[{{]namespace[}}])+",
    says=(
        f"a pattern must be provider:pattern, at most 400 characters of {CHARACTERS_LISTED}, with"
        " *, ** and {namespace}"
    ),
    most=400,
    never=(
        ("//|/$|[:/][.]{1,2}(/|$)", _SEGMENTS),
        ("[^/:][*][*]|[*][*][^/]", "** matches whole segments: it must stand alone between two /"),
        ("[*}][a-z0-9-]*[{]", _UNDELIMITED),
        ("[}][a-z0-9{*-]", _UNDELIMITED),
        *(never for scheme in SCHEMES.values() for never in scheme.never_allowed),
    ),
)


def _provider(value: str) -> str:
    scheme, colon, _ = value.partition(":")
    if not colon or scheme not in SCHEMES:
        raise ValueError(
            f"must be provider:pattern, with provider one of {', '.join(SCHEMES)}"
            f"{nearest_scheme(scheme)}"
        )
    return value


Allow = Annotated[str, AfterValidator(_provider), _ALLOW]
"""`provider:pattern`: `*` stands for characters of one segment, `**` for one or more whole
segments."""

"""The patterns of references that a SecretPolicy allows."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from contract.reference import CHARACTERS, CHARACTERS_LISTED
from contract.spelling import suggestion
from providers.registry import SCHEMES
from schema.constraints import Text

NAMESPACE = "{namespace}"
_SEGMENTS = 'a pattern has no empty, "." or ".." segment, as no reference has one'
_UNDELIMITED = (
    "{namespace} must end where no other namespace's name could go on"
    " (at / . _ + = @ ! or the end), and no wildcard may run into it"
)
_ALLOW = Text(
    pattern=f"({'|'.join(SCHEMES)}):([*{CHARACTERS}]|[{{]namespace[}}])+",
    says=(f"provider:pattern has at most 400 of {CHARACTERS_LISTED} with *, ** and {{namespace}}"),
    most=400,
    never=(
        ("//|/$|[:/][.]{1,2}(/|$)", _SEGMENTS),
        ("[^/:][*][*]|[*][*][^/]", "** stands for whole segments: write it alone between two /"),
        ("[*}][a-z0-9-]*[{]", _UNDELIMITED),
        ("[}][a-z0-9{*-]", _UNDELIMITED),
    ),
)


def _provider(value: str) -> str:
    provider, colon, _ = value.partition(":")
    if not colon or provider not in SCHEMES:
        hint = suggestion(provider, tuple(SCHEMES))
        raise ValueError(f"write provider:pattern, with a provider of {', '.join(SCHEMES)}{hint}")
    return value


Allow = Annotated[str, AfterValidator(_provider), _ALLOW]
"""`provider:pattern`: `*` stands for characters of one segment, `**` for one or more whole
segments."""

"""Names of secrets in AWS Secrets Manager, `aws-sm`. Pure."""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected

_NAME = re.compile(rf"[{CHARACTERS}]{{1,512}}")
_ARN = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:secret:")
_ARN_END = re.compile(r"-[A-Za-z0-9]{6}")
"""What Secrets Manager adds to a name in its ARN."""
_ENDING = 7


def check_secret_name(raw: str) -> None:
    """ReferenceRejected, unless it has 1 to 512 of CHARACTERS and stays in Secrets Manager: it is
    no ARN, and no `/aws/reference/...`, which would lead to another store.
    """
    arn = _ARN.match(raw)
    if arn is not None and len(raw) > arn.end():
        name = raw[arn.end() :]
        if len(name) > _ENDING and _ARN_END.fullmatch(name, len(name) - _ENDING):
            name = name[:-_ENDING]
        hint = f'. Did you mean "{shown(name)}"?' if _NAME.fullmatch(name) else ""
        raise ReferenceRejected(
            f"an ARN is not allowed here: the SecretAccount decides the AWS account{hint}"
        )
    if not _NAME.fullmatch(raw):
        raise ReferenceRejected(
            f'"{shown(raw)}" is not a valid name in Secrets Manager. '
            f"Allowed: 1 to 512 characters of {CHARACTERS_LISTED}"
        )
    if raw.lstrip("/").lower().startswith("aws/reference/"):
        raise ReferenceRejected(
            f'"{shown(raw)}" refers to another store. Use the name of the secret itself'
        )

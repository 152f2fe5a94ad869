"""Names of secrets in AWS Secrets Manager, `aws-sm`, and of parameters in Systems Manager Parameter
Store, `aws-ssm`. Pure.
"""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected

_NAME = re.compile(rf"[{CHARACTERS}]{{1,512}}")
_ARN = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:secret:")
_ARN_END = re.compile(r"-[A-Za-z0-9]{6}")
"""What Secrets Manager adds to a name in its ARN."""
_ENDING = 7

_PARAMETER = "A-Za-z0-9_.-"
_LEVELS = 15
PARAMETER_CEL = f"^(/[{_PARAMETER}]+){{1,{_LEVELS}}}/?$|^[{_PARAMETER}]+$"
"""What `check_parameter_name` takes and CEL can say: an end on `/` is for the rule of segments."""
PARAMETER_LISTED = (
    f"1 to {_LEVELS} levels, each / and characters of A-Z a-z 0-9 _ . -, or one name without /"
)
"""The same, for people."""
_PARAMETER_ARN = re.compile(r"arn:[^:]*:ssm:[^:]*:[^:]*:parameter/?(.*)", re.DOTALL)
_CHARACTERS = re.compile(f"[/{_PARAMETER}]{{1,512}}")
_RESERVED = ("aws", "ssm")
_SECRET = re.compile(r"/?aws/reference/secretsmanager/(.+)", re.IGNORECASE | re.DOTALL)


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


def check_parameter_name(raw: str) -> None:
    """ReferenceRejected, unless it names one parameter of the account: no ARN, no selector of a
    version or a label (`:3`, `:prod`), and nothing below `/aws` or `/ssm`, which AWS reserves.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html, `Name`
    """
    if raw.startswith("arn:"):
        arn = _PARAMETER_ARN.fullmatch(raw)
        name = "" if arn is None else f"/{arn[1]}" if "/" in arn[1] else arn[1]
        raise ReferenceRejected(
            "an ARN is not allowed here: the SecretAccount decides the AWS account" + _meant(name)
        )
    name, selector, _ = raw.partition(":")
    if selector and _is_parameter(name):
        raise ReferenceRejected(
            f'"{shown(raw)}" selects a version or a label. Use the name alone, and spec.pin of the'
            f" SecretSnapshot for a version{_meant(name)}"
        )
    if raw.removeprefix("/").lower().startswith(_RESERVED):
        secret = _SECRET.fullmatch(raw)
        raise ReferenceRejected(
            f'"{shown(raw)}" starts with aws or ssm, which AWS reserves for parameters of its own'
            + ("" if secret is None else _meant(secret[1], "aws-sm:"))
        )
    if not _CHARACTERS.fullmatch(raw):
        raise ReferenceRejected(
            f'"{shown(raw)}" is not a valid name in Parameter Store. Allowed: 1 to 512 characters,'
            f" {PARAMETER_LISTED}"
        )
    if not raw.startswith("/") and "/" in raw:
        raise ReferenceRejected(
            f'"{shown(raw)}" has levels, so it must start with /{_meant("/" + raw)}'
        )
    if raw.rstrip("/").count("/") > _LEVELS:
        raise ReferenceRejected(
            f'"{shown(raw)}" has too many levels. Parameter Store allows {_LEVELS}'
        )


def _is_parameter(name: str) -> bool:
    try:
        check_parameter_name(name)
    except ReferenceRejected:
        return False
    return True


def _meant(name: str, scheme: str = "") -> str:
    """A hint, where the name can be shown as it is."""
    return f'. Did you mean "{scheme}{shown(name)}"?' if _NAME.fullmatch(name) else ""

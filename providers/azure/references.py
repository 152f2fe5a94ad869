"""Names of secrets in Azure Key Vault, `azure-kv`. Pure."""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import ReferenceRejected, is_property

CEL = "^[0-9a-z-]{1,127}$"
"""What `check_secret_name` accepts, in the syntax of RE2."""
_NAME = re.compile("[0-9a-z-]{1,127}")
_VERSION = re.compile("[0-9a-f]{32}")
_IDENTIFIER = re.compile("(?:https://[^/]+)?/?secrets/([^/]+)(?:/([^/]+)?)?")
"""As `az keyvault secret show` prints it: https://VAULT/secrets/NAME/VERSION."""


def check_secret_name(raw: str) -> None:
    """ReferenceRejected, unless it is a secret's name in lower case: Key Vault takes any case for
    the same secret, and a revocation must cover all who read it.
    """
    if _NAME.fullmatch(raw):
        return
    raise ReferenceRejected(
        f'"{shown(raw)}" is not a valid secret name in Azure Key Vault.'
        f" Allowed: 1 to 127 characters of a-z 0-9 -{_hint(raw)}"
    )


def _hint(raw: str) -> str:
    """The nearest right spelling: of an identifier as Azure prints it, of NAME:PROPERTY, and of a
    name with other letters.
    """
    url = _IDENTIFIER.fullmatch(raw)
    name, version = (url[1], url[2]) if url else _of_version(raw.removeprefix("/"))
    name, colon, key = name.partition(":")
    near = name.lower().replace("_", "-")
    if not raw.isascii() or not _NAME.fullmatch(near) or (colon and not is_property(key)):
        return ""
    where = " The vault is set in the SecretAccount" if url else ""
    pinned = (
        "" if version is None else f"{'.' if url else ''} A version is pinned with lastgood pin"
    )
    return f'. Did you mean "{near}{"#" if colon else ""}{key}"?{where}{pinned}'


def _of_version(raw: str) -> tuple[str, str | None]:
    """Name and version, if there is one."""
    name, slash, version = raw.partition("/")
    return (name, version) if slash and _VERSION.fullmatch(version) else (raw, None)

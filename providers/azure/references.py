"""Names of secrets in Azure Key Vault, `azure-kv`. Pure."""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import ReferenceRejected

CEL = "^[0-9a-z-]{1,127}$"
"""What `check_secret_name` accepts, in the syntax of RE2."""
_NAME = re.compile("[0-9a-z-]{1,127}")


def check_secret_name(raw: str) -> None:
    """ReferenceRejected, unless it is a secret's name in lower case: Key Vault takes any case for
    the same secret, and a revocation must cover all who read it.
    """
    if _NAME.fullmatch(raw):
        return
    lower = raw.lower()
    hint = f'. Did you mean "{lower}"?' if raw.isascii() and _NAME.fullmatch(lower) else ""
    raise ReferenceRejected(
        f'"{shown(raw)}" is not a valid secret name in Azure Key Vault.'
        f" Allowed: 1 to 127 characters of a-z 0-9 -{hint}"
    )

"""Names of secrets in Google Secret Manager, `gcp-sm`. Pure."""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import ReferenceRejected

CEL = "^[A-Za-z0-9_-]{1,255}$"
"""What `check_secret_id` accepts, in the syntax of RE2."""
_NAME = re.compile("[A-Za-z0-9_-]{1,255}")
_FULL = re.compile("projects/[^/]+(?:/locations/[^/]+)?/secrets/([A-Za-z0-9_-]{1,255})(?:/.*)?")


def check_secret_id(raw: str) -> None:
    """ReferenceRejected, unless it is a secret's ID. Project and location are the account's."""
    if _NAME.fullmatch(raw):
        return
    full = _FULL.fullmatch(raw)
    hint = f'. Did you mean "{full[1]}"? The project is set in the SecretAccount' if full else ""
    raise ReferenceRejected(
        f'"{shown(raw)}" is not a valid secret ID in Google Secret Manager.'
        f" Allowed: 1 to 255 characters of A-Z a-z 0-9 _ -{hint}"
    )

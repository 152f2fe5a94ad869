"""Tokens and SecretIDs in files, which are read again at each login."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.protocol import Failed

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_BYTES = 64 << 10
NO_FILE = Failed(reason=FetchFailure.UNAVAILABLE, code="NoTokenFile")
NOT_A_TOKEN = Failed(reason=FetchFailure.DENIED, code="NotAToken")
OTHER_AUDIENCE = Failed(reason=FetchFailure.DENIED, code="TokenAudience")


def read_token(path: Path) -> str | Failed:
    """The file's one word, which can stand in a header."""
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
    except OSError:
        return NO_FILE
    text = raw.strip()
    if not text or len(raw) > LIMIT_BYTES or any(not 0x21 <= byte <= 0x7E for byte in text):  # noqa: PLR2004 - ASCII
        return NOT_A_TOKEN
    return text.decode("ascii")


def read_jwt(path: Path, audience: str | None) -> str | Failed:
    """A JWT (RFC 7519) with that audience; None: with any. Its signature is Vault's to check."""
    token = read_token(path)
    if isinstance(token, Failed) or audience is None:
        return token
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        said = claims["aud"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return NOT_A_TOKEN
    return token if audience in (said if isinstance(said, list) else [said]) else OTHER_AUDIENCE

"""Names of Kubernetes objects that are derived from a source."""

from __future__ import annotations

import re
from hashlib import sha256

SLUG_LENGTH = 40


def snapshot_name(account: str, identity: str, provider: str, reference: str) -> str:
    """The name of a source's snapshot: `lg-<slug>-<128-bit hash>`, at most 76 characters, an RFC
    1123 label's characters.

    The slug is for people. Account, identity and canonical reference are told apart by the hash
    alone, each of them ended by a NUL, which none may contain, so that no two sources can be made
    to meet.
    """
    digest = sha256(
        "".join(f"{part}\0" for part in (account, identity, provider, reference)).encode()
    ).hexdigest()[:32]
    slug = (
        re.sub(r"[^a-z0-9]+", "-", reference.lower()).strip("-")[-SLUG_LENGTH:].strip("-")
        or "source"
    )
    return f"lg-{slug}-{digest}"

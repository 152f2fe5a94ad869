"""Names of Kubernetes objects that are derived from a source."""

from __future__ import annotations

import re
from hashlib import sha256

SNAPSHOT_PREFIX = "lg-"
SLUG_LENGTH = 40
HASH_LENGTH = 32
"""Hexadecimal digits: 128 bits."""


def snapshot_name(account: str, identity: str, scheme: str, reference: str) -> str:
    """The name of a source's snapshot: `lg-<slug>-<128-bit hash>`, an RFC 1123 subdomain of at most
    76 characters.

    The slug is for people. The hash alone tells sources apart: each part goes in with its length
    before it, so that no two sources meet, whatever characters they have, and every text has a
    name, also one that UTF-8 can't carry.
    """
    parts = (account, identity, scheme, reference)
    told = "".join(f"{len(part)}:{part}" for part in parts)
    digest = sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
    slug = re.sub(r"[^a-z0-9]+", "-", reference.lower())[-SLUG_LENGTH:].strip("-") or "source"
    return f"{SNAPSHOT_PREFIX}{slug}-{digest[:HASH_LENGTH]}"

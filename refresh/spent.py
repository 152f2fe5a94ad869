"""Revoked values of providers that name no versions: known again by a digest, for under which name
they come is the engine's to say (docs/design/025). Pure.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from refresh.model import Spent

if TYPE_CHECKING:
    from collections.abc import Collection

    from contract.secret_bytes import SecretBytes
    from refresh.model import SnapshotState

FIRST_SEEN = "seen-"
"""What names of ours start with."""


def digest(version: str, value: SecretBytes) -> str:
    """Of a value; its name is the salt."""
    return sha256(version.encode() + b"\0" + value.reveal()).hexdigest()


def are_needed(state: SnapshotState, revoked: Collection[str]) -> bool:
    """Whether one of the digests is of a name that is revoked now. Without it the same bytes would
    have a new name and be served.
    """
    return any(item.version in revoked for item in state.spent)


def with_revoked(state: SnapshotState, revoked: Collection[str]) -> tuple[Spent, ...]:
    """The digests of the state, and those of the values that are held and revoked now."""
    stored = state.history if state.served is None else (state.served, *state.history)
    known = {item.version for item in state.spent}
    new = (
        Spent(version=kept.version, digest=digest(kept.version, kept.value))
        for kept in stored
        if kept.version.startswith(FIRST_SEEN)
        and kept.version in revoked
        and kept.version not in known
    )
    still = (item for item in state.spent if item.version in revoked)
    return (*still, *new)

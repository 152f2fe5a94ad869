"""What the other tools' manifests do not say, and the command line may."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """By the user."""

    namespace: str = "default"
    """Of manifests that set none."""
    region: str | None = None
    """Of AWS, where a manifest names none: its tool takes the node's."""
    vault_address: str | None = None
    """Where a manifest names none: its tool has it in its own configuration."""
    role: str = "lastgood"
    """Of the controller, at Vault's auth method."""

"""The calls to Vault and OpenBao."""

from providers.vault.source.opening import open_source

__all__ = ["open_source"]

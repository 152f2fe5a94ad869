"""The calls to Azure."""

from providers.azure.source.opening import open_source

__all__ = ["open_source"]

"""The calls to Google Cloud."""

from providers.gcp.source.opening import open_source

__all__ = ["open_source"]

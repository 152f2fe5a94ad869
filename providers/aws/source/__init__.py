"""The calls to AWS."""

from providers.aws.source.opening import open_source

__all__ = ["open_source"]

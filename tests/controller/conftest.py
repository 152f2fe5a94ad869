"""A cluster of a test's own."""

from __future__ import annotations

from tests.make.cluster import certificates, world

__all__ = ["certificates", "world"]

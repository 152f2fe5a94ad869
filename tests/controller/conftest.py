"""A folder on tmpfs, and the embedded system in it."""

from __future__ import annotations

from tests.make.embedded import store_root, world

__all__ = ["store_root", "world"]

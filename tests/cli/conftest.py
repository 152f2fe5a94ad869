"""A folder on tmpfs for each test."""

from __future__ import annotations

from tests.make.embedded import store_root

__all__ = ["store_root"]

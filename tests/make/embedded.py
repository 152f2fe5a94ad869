"""Where tests of a cluster have these from until they name `waiting` themselves."""

from __future__ import annotations

from tests.make.waiting import PAGE_S, PATIENCE_S, REPOSITORY, until

__all__ = ["PAGE_S", "PATIENCE_S", "REPOSITORY", "until"]

"""A namespace on the real API server, and the command line at work in it."""

from __future__ import annotations

from tests.e2e.command.world import commanded, rotated

__all__ = ["commanded", "rotated"]

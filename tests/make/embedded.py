"""The embedded system as real processes: the controller on a store in memory, and the command line."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = Path("/dev/shm")


@pytest.fixture
def store_root() -> Iterator[Path]:
    """A folder of its own on tmpfs."""
    root = Path(tempfile.mkdtemp(prefix="lastgood-test-", dir=MEMORY))
    yield root
    shutil.rmtree(root)

"""A prepared cluster, and a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.dashboard.prepared import Fleet
from tests.make.browser import browser, dashboard
from tests.make.standin import certificates, installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["browser", "certificates"]


@pytest.fixture
def fleet(certificates: Path) -> Iterator[Fleet]:
    """Two accounts without a snapshot."""
    with installed(certificates) as server:
        yield Fleet(server)


@pytest.fixture
def url(fleet: Fleet) -> Iterator[str]:
    """The page of an operator who may see all."""
    with dashboard(fleet.server.kubeconfig("operator", namespace="payments"), "-A") as found:
        yield found

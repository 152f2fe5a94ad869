"""Helm is needed, and `make helm` brings it."""

from __future__ import annotations

import pytest

from tests.chart.rendering import helm


@pytest.fixture(autouse=True)
def _helm() -> None:
    if helm() is None:
        pytest.skip("needs helm: make helm")

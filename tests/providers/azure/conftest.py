from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.providers.azure.fake import AzureCloud
from tests.providers.azure.given import Given

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[AzureCloud]:
    """The fake, without secrets."""
    azure = AzureCloud(tmp_path / "cloud")
    yield azure
    azure.stop()


@pytest.fixture
def given(azure: AzureCloud, tmp_path: Path) -> Given:
    """An account that logs in by workload identity."""
    return Given(azure, tmp_path)

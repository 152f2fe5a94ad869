from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.providers.gcp.fake import Google
from tests.providers.gcp.given import Given

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Google]:
    """The fake, without secrets."""
    google = Google(tmp_path / "cloud")
    yield google
    google.stop()


@pytest.fixture
def given(google: Google, tmp_path: Path) -> Given:
    """An account that logs in by workload identity federation."""
    return Given(google, tmp_path)

"""What every test may lean on: a canary secret, and how Hypothesis searches."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from contract.secret_bytes import SecretBytes
from tests.make import CANARY

# Times depend on the machine, so no example has a deadline and no slow one is an error.
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("default", deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.register_profile("fuzz", parent=settings.get_profile("default"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def canary() -> SecretBytes:
    """A secret value that must turn up nowhere: search every sink with `tests.make.leaks`."""
    return SecretBytes(CANARY)

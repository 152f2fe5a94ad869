"""What every test may lean on: a canary secret, and how Hypothesis searches."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import HealthCheck, settings

from contract.secret_bytes import SecretBytes
from tests.make import CANARY

# Times depend on the machine, so no example has a deadline and no slow one is an error.
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
# `make fuzz` asks for more; a failing example stays in .hypothesis, and `make test` tries it first.
_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
settings.register_profile(
    "ours", deadline=None, suppress_health_check=_SLOW, max_examples=_EXAMPLES
)
settings.load_profile("ours")


@pytest.fixture
def ipv6() -> None:
    """For tests that need it on this machine."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")


@pytest.fixture
def canary() -> SecretBytes:
    """A secret value that must turn up nowhere: search every sink with `tests.make.leaks`."""
    return SecretBytes(CANARY)

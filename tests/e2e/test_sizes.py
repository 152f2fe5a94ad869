"""The largest snapshots that the checks let through, on a real API server and its etcd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contract.secret_bytes import SecretBytes
from contract.snapshot_format import MOST_VERSION, MOST_VERSIONS
from refresh.model import Checks
from refresh.properties import MOST_BYTES
from refresh.validate import check
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.one_secret import DB
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
LIMIT = 786_432
"""Of a policy: the largest bytesPerSecret."""


def _members(text: str, more: int = 0) -> bytes:
    """As many as fit, and `more`: a member `"m00000":"…",` and its key `p.m00000`."""
    count = (MOST_BYTES - 100) // (12 + 2 * 8 + 20 + 2 * len(text)) + more
    document = {f"m{number:05}": text for number in range(count)}
    return json.dumps(document, separators=(",", ":")).encode()


def _passes(raw: bytes) -> bool:
    checks = Checks(max_bytes=LIMIT)
    return check(SecretBytes(raw), checks, frozenset(), object_needed=True) is None


def _names(first: int, count: int) -> list[str]:
    return [f"{number:0{MOST_VERSION}}" for number in range(first, first + count)]


@pytest.mark.parametrize("text", ["x", "x" * 30], ids=["most keys", "large"])
def test_p12_the_largest_snapshot_is_served_and_can_be_revoked(
    controlled: Controlled, text: str
) -> None:
    """Thousands of keys. Then both lists of the spec are filled with the longest names, and last
    the served version is revoked.
    """
    value = _members(text)
    assert _passes(value)
    assert not _passes(_members(text, more=10))
    limits = {"spec": {"limits": {"bytesPerSecret": LIMIT}}}
    controlled.patch("secretpolicy", controlled.name, limits)
    controlled.provide(DB, value)
    controlled.pod("web-1", DB)
    controlled.lead()
    controlled.serves(DB, value)
    name, served = controlled.snapshot(DB), controlled.meta(DB)["version"]
    lists = {"quarantined": _names(0, MOST_VERSIONS), "revoked": _names(200, MOST_VERSIONS - 1)}
    controlled.patch("snap", name, {"spec": lists})
    controlled.observed(DB)
    assert controlled.status(DB)["state"] == "Fresh"
    assert controlled.meta(DB)["revoked"] == lists["revoked"]
    controlled.patch("snap", name, {"spec": {"revoked": [*lists["revoked"], served]}})
    until("the tombstone", lambda: controlled.keys(DB)["value"] == b"", PATIENCE_S)
    controlled.observed(DB)
    assert controlled.status(DB)["state"] == "Revoked"

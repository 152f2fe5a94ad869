"""CRC-32C against the vectors of RFC 3720, B.4."""

from __future__ import annotations

import pytest

from providers.gcp.source.crc32c import crc32c

ISCSI_READ = bytes.fromhex(
    "01c00000000000000000000000000000"
    "14000000000004000000001400000018"
    "28000000000000000200000000000000"
)


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (bytes(32), "aa36918a"),
        (b"\xff" * 32, "43aba862"),
        (bytes(range(32)), "4e79dd46"),
        (bytes(range(31, -1, -1)), "5cdb3f11"),
        (ISCSI_READ, "563a96d9"),
    ],
    ids=["zeroes", "ones", "incrementing", "decrementing", "iscsi-read"],
)
def test_it_is_that_of_the_rfc(data: bytes, wire: str) -> None:
    """The RFC writes the bytes as they are sent, least significant first."""
    assert crc32c(data) == int.from_bytes(bytes.fromhex(wire), "little")


@pytest.mark.parametrize(("data", "found"), [(b"", 0), (b"123456789", 0xE3069283)])
def test_it_is_that_of_the_catalogue(data: bytes, found: int) -> None:
    """CRC-32/ISCSI has the check value e3069283."""
    assert crc32c(data) == found

"""CRC-32C (Castagnoli, RFC 3720 12.1), with which Secret Manager signs its payloads. The standard
library has none. 64 KiB, the largest payload, take about 30 ms.
"""

from __future__ import annotations

_REVERSED = 0x82F63B78


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_REVERSED if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_entry, range(256)))


def crc32c(data: bytes) -> int:
    """Of bytes. It tells 32 bits of the value, so it must not be shown."""
    table, crc = _TABLE, 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF

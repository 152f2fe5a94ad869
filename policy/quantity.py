"""Kubernetes quantities (apimachinery resource.Quantity): a decimal number and a suffix."""

from __future__ import annotations

import re
from fractions import Fraction

PATTERN = "([0-9]+(?:[.][0-9]*)?|[.][0-9]+)(m|[kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?"
SENTENCE = 'a quantity is a number with m, k, M, G, Ki, Mi or Gi, for example "100m"'
MOST = 64
"""Characters. The API server writes shorter ones, and arithmetic on thousands of digits is slow."""

_QUANTITY = re.compile(PATTERN)
_SUFFIXES = {
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000 ** (power + 1)) for power, suffix in enumerate("kMGTPE")},
    **{suffix + "i": Fraction(1024 ** (power + 1)) for power, suffix in enumerate("KMGTPE")},
}


def parse(text: str | float) -> Fraction:
    """The amount, in cores or bytes. ValueError when `text` is no non-negative quantity."""
    match = _QUANTITY.fullmatch(str(text)) if len(str(text)) <= MOST else None
    if match is None:
        raise ValueError(SENTENCE)
    number, suffix = match.groups()
    if suffix is None:
        return Fraction(number)
    scale = _SUFFIXES.get(suffix)
    return Fraction(number) * (Fraction(10) ** int(suffix[1:]) if scale is None else scale)


def cpu(millicores: int) -> str:
    """Millicores as a quantity."""
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def memory(size_bytes: int) -> str:
    """Bytes as a quantity: in Mi or Ki where it is exact."""
    for suffix, unit in (("Mi", 1 << 20), ("Ki", 1 << 10)):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{suffix}"
    return str(size_bytes)

"""Kubernetes quantities (apimachinery resource.Quantity): a signed decimal number and a suffix.

Amounts are written rounded up, as the API server does: what is rounded down no longer holds what
it must hold.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil

_NUMBER = "([0-9]+(?:[.][0-9]*)?|[.][0-9]+)"
PATTERN = f"[+]?{_NUMBER}([numkMGTPE]|[KMGTPE]i|[eE][+-]?0*[0-9]{{1,2}})?"
"""Of those that an admin writes: not negative, and of a size that something can have."""
SENTENCE = (
    'a quantity must be a number with m, k, M, G, Ki, Mi, Gi or no suffix, for example "100m"'
)
MOST = 64
"""Characters. The API server writes shorter ones, and arithmetic on thousands of digits is slow."""

_QUANTITY = re.compile(f"([+-]?){_NUMBER}([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?", re.ASCII)
_SUFFIXES = {
    "n": Fraction(1, 1000**3),
    "u": Fraction(1, 1000**2),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000 ** (power + 1)) for power, suffix in enumerate("kMGTPE")},
    **{suffix + "i": Fraction(1024 ** (power + 1)) for power, suffix in enumerate("KMGTPE")},
}
_NANO = 1000**3
"""Parts of one: the API server keeps no smaller ones, and rounds away from zero."""
_MOST_EXPONENT = 100
"""A larger one is taken as this: more than anything has, and still quick to compute with."""


def parse(text: str | float) -> Fraction:
    """The amount, in cores or bytes; negative where the text is. ValueError when it is no
    quantity.
    """
    written = str(text).strip()  # as the API server does when it reads JSON
    match = _QUANTITY.fullmatch(written) if len(written) <= MOST else None
    if match is None:
        raise ValueError(SENTENCE)
    sign, number, suffix = match.groups()
    amount = Fraction(ceil(Fraction(number) * _scale(suffix) * _NANO), _NANO)
    return -amount if sign == "-" else amount


def _scale(suffix: str | None) -> Fraction:
    if suffix is None:
        return Fraction(1)
    known = _SUFFIXES.get(suffix)
    if known is not None:
        return known
    exponent = max(-_MOST_EXPONENT, min(int(suffix[1:]), _MOST_EXPONENT))
    return Fraction(10) ** exponent


def exact(amount: Fraction) -> str:
    """An amount of `parse` as it is, not rounded."""
    for suffix in ("", "m", "u"):
        parts = amount / _SUFFIXES[suffix] if suffix else amount
        if parts.denominator == 1:
            return f"{parts}{suffix}"
    return f"{ceil(amount * _NANO)}n"


def cpu(cores: Fraction) -> str:
    """Cores as a quantity: whole millicores, rounded up."""
    millicores = ceil(cores * 1000)
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def memory(size_bytes: Fraction | int) -> str:
    """Bytes as a quantity, rounded up: in Mi or Ki where it is exact."""
    whole = ceil(size_bytes)
    for suffix, unit in (("Mi", 1 << 20), ("Ki", 1 << 10)):
        if whole % unit == 0:
            return f"{whole // unit}{suffix}"
    return str(whole)

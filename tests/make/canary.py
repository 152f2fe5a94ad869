"""A value that no test needs to see anywhere, and a search for it in every spelling it could leak
in.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

CANARY = b'canary-7f3a"\\\n\xc3\xbc-value-9d1e'
"""Has what escaping changes: a quote, a backslash, a line end and a letter outside ASCII."""

_MARKS = (b"canary-7f3a", b"value-9d1e")
_DIGITS = 12
"""Base64 digits that are the same wherever the value stands in a longer text: enough to be no
accident.
"""


def leaks(sink: bytes | str) -> list[str]:
    """The spellings in which the canary is in `sink`: plain, hex, Base64, JSON or URL; none is
    good.
    """
    seen = sink.encode("utf-8", "surrogateescape") if isinstance(sink, str) else sink
    return [name for name, spelling in _spellings().items() if spelling in seen]


def _spellings() -> dict[str, bytes]:
    text = CANARY.decode()
    shifted = {
        f"base64 at {offset}": base64.b64encode(b"\0" * offset + CANARY)[8 : 8 + _DIGITS]
        for offset in range(3)
    }
    return {
        "its start": _MARKS[0],
        "its end": _MARKS[1],
        "hex": CANARY.hex().encode(),
        "JSON": json.dumps(text).encode(),
        "URL": quote(CANARY).encode(),
        **shifted,
    }

"""A text that no answer may hold, and the spellings in which an API server could write it."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

HALF = 12
"""Characters of a half: enough to be no accident."""


@dataclass(frozen=True, slots=True)
class Canary:
    """24 letters and digits: it may stand in a value, a key, a label and a finalizer's name."""

    owner: str
    """The object that has it, as its path."""
    place: str
    """Where in the object."""
    text: str

    def spellings(self) -> dict[str, bytes]:
        """Of each half, by what it is called."""
        found = {}
        for which, half in (("first", self.text[:HALF]), ("second", self.text[-HALF:])):
            for how, spelling in _spellings(half.encode()).items():
                found[f"{which} half, {how}"] = spelling
        return found


def new(owner: str, place: str) -> Canary:
    """One that nobody else has."""
    return Canary(owner, place, secrets.token_hex(HALF))


class Search:
    """Looks for many canaries at once."""

    def __init__(self, canaries: list[Canary]) -> None:
        self._sought = [
            (canary, how, spelling)
            for canary in canaries
            for how, spelling in canary.spellings().items()
        ]

    def found(self, answer: bytes) -> list[tuple[Canary, str]]:
        """Each canary of the answer, with one of its spellings."""
        lowered = answer.lower()
        seen: dict[Canary, str] = {}
        for canary, how, spelling in self._sought:
            if spelling in answer or spelling in lowered:
                seen.setdefault(canary, how)
        return list(seen.items())


def _spellings(half: bytes) -> dict[str, bytes]:
    """Go prints bytes as `[108 103]` by %v and as `[]byte{0x6c, 0x67}` by %#v."""
    found = {
        "raw": half,
        "hex": half.hex().encode(),
        "backwards": half[::-1],
        "decimal": " ".join(str(byte) for byte in half).encode(),
        "decimal list": ",".join(str(byte) for byte in half).encode(),
        "%#v": ", ".join(f"0x{byte:x}" for byte in half).encode(),
    }
    for offset in range(3):
        digits = base64.b64encode(b"\0" * offset + half)
        found[f"base64 at {offset}"] = digits[-(-offset * 8 // 6) : (offset + len(half)) * 8 // 6]
    return found

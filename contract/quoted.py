"""Text that others wrote, as our messages quote it: short, and with nothing that steers a terminal.

Everything that is quoted in a denial, an Event, a status, a log line or on a terminal goes through
here: a name, an annotation or a path may be a megabyte of escape codes before anybody checks it.
"""

from __future__ import annotations

MOST = 80
"""Characters: enough to recognise it."""


def shown(text: str, most: int = MOST) -> str:
    """At most `most` printable ASCII characters; every other one is escaped."""
    escaped = text[:most].encode("ascii", "backslashreplace").decode("ascii").translate(_CONTROL)
    return escaped if len(escaped) <= most and len(text) <= most else escaped[: most - 3] + "..."


_CONTROL = {code: ascii(chr(code))[1:-1] for code in (*range(32), 127)}


def printable(text: str) -> str:
    """All of it, in any language, on one line; what a terminal would obey is escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def ending(text: str) -> str:
    """What stands at the start or end of a value as templating tools leave it, in a sentence that
    follows another; empty where there is nothing of the kind.
    """
    if text != text.strip():
        return f". The value {_space(text)}, which a template may have added. Remove it"
    if text and (text[0] in _QUOTES or text[-1] in _QUOTES):
        where = "starts" if text[0] in _QUOTES else "ends"
        return f". The value {where} with a quote, which is part of the value. Remove the quotes"
    return ""


_QUOTES = "\"'`\u2018\u2019\u201c\u201d"


def _space(text: str) -> str:
    """Which white space there is, at the end before the start."""
    at_end = text != text.rstrip()
    space = text[len(text.rstrip()) :] if at_end else text[: len(text) - len(text.lstrip())]
    name = "a newline" if "\n" in space or "\r" in space else "a space or a tab"
    return f"{'ends' if at_end else 'starts'} with {name}"

"""Times as the API server writes them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

MOST_SECONDS = 253_402_300_799.0


def rfc3339(moment: float | None) -> str | None:
    """Seconds since the epoch as the API server writes times; None stays None."""
    if moment is None:
        return None
    stamp = datetime.fromtimestamp(max(0.0, min(moment, MOST_SECONDS)), UTC)
    return stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds(stamp: object) -> float | None:
    """Seconds since the epoch of a time as above; None: it is none."""
    if not isinstance(stamp, str):
        return None
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None

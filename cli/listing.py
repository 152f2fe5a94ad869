"""Snapshots as people and programs read them. Pure: statuses and `now` in, rows and text out. No
values: a status has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.terminal import plain
from contract.freshness import age_s, assess
from contract.reasons import FetchFailure, Found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from controller.snapshot_status import Status
    from controller.spec import Name

NONE = "-"
FOREIGN = "foreign"
"""A state: a Secret that is not ours stands in the snapshot's place."""
NOT_WRITTEN = "not-written"
"""A state: the API server refuses to write the snapshot's Secret."""
NOT_GIVEN = frozenset({FOREIGN, NOT_WRITTEN})
"""States in which pods are not given what the controller knows."""
_REFUSED_WRITES = frozenset(
    {Found.NO_RIGHTS, Found.WRITE_REFUSED, Found.WRITE_FAILED, Found.RECORD_NOT_WRITTEN}
)
_VERSION_SHOWN = 12
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

HEADINGS = ("NAMESPACE", "SNAPSHOT", "SOURCE", "CLASS", "STATE", "AGE", "VERSION", "REASON", "PODS")
WIDE_HEADINGS = (*HEADINGS, "ACCOUNT", "LATEST", "PIN", "LAST ATTEMPT", "FAILURES")
"""Of `-o wide`."""
NO_CONTROLLER = "no controller is running: nothing is fetched, and values get older"
HISTORY_HEADINGS = ("VERSION", "VERDICT", "FETCHED")


def describe(name: Name, status: Status, now: float) -> dict[str, Any]:
    """All that a program may want of one snapshot."""
    return {
        "namespace": name.namespace,
        "snapshot": name.snapshot,
        "source": status.source,
        "account": status.account,
        "class": status.class_name,
        "state": state(status, now),
        "age_s": age_s(status.last_success, now),
        "version": status.version,
        "reason": status.reason,
        "pods": status.pods,
        "consumers": None if status.unnamed else list(status.consumers),
        "latest": status.latest,
        "pin": status.pin,
        "last_success": status.last_success,
        "last_attempt": status.last_attempt,
        "failures": status.failures,
        "quarantined": [item.__dict__ for item in status.quarantined],
        "revoked": list(status.revoked),
    }


def row(name: Name, status: Status, now: float) -> tuple[str, ...]:
    """One line of the table of snapshots, under HEADINGS."""
    return (
        name.namespace,
        name.snapshot,
        status.source,
        status.class_name or NONE,
        state(status, now),
        duration(age_s(status.last_success, now)),
        short(status.version) + (" (pinned)" if status.pin is not None else ""),
        status.reason or NONE,
        str(status.pods),
    )


def overview(statuses: Mapping[Name, Status], now: float, *, wide: bool = False) -> str:
    """The table of snapshots, for `-o wide` with more columns."""
    rows = [
        (*row(name, status, now), *(_more(status, now) if wide else ()))
        for name, status in statuses.items()
    ]
    return table(WIDE_HEADINGS if wide else HEADINGS, rows)


def _more(status: Status, now: float) -> tuple[str, ...]:
    """The columns that only `-o wide` has."""
    return (
        status.account,
        short(status.latest),
        short(status.pin),
        ago(status.last_attempt, now),
        str(status.failures),
    )


def state(status: Status, now: float) -> str:
    """`fresh`, `stale` or `expired`; `never-synced`, `revoked` or `withdrawn` when nothing is
    served; `foreign` where a Secret that is not ours stands in its place; `not-written` where the
    API server refuses its Secret; `unknown` without a class.
    """
    if status.reason == Found.FOREIGN_SECRET:
        return FOREIGN
    if status.reason in _REFUSED_WRITES:
        return NOT_WRITTEN
    if status.serving is None:
        return "never-synced"
    if status.version is None:
        return status.serving
    if status.rules is not None:
        return assess(status.rules, status.last_success, now).value
    return "unknown" if status.told is None else status.told.state


def versions(status: Status, now: float) -> list[dict[str, Any]]:
    """Every version that is known by name: what became of it, and how long ago it was fetched;
    None: it is not stored.
    """
    fetched = {item.version: item.fetched_at for item in status.history}
    if status.version is not None and status.fetched_at is not None:
        fetched[status.version] = status.fetched_at
    return [
        {
            "version": version,
            "verdict": _verdict(status, version),
            "stored": version in fetched,
            "age_s": age_s(fetched.get(version), now),
        }
        for version in status.versions
    ]


def _verdict(status: Status, version: str) -> str:
    reasons = {item.version: item.reason for item in status.quarantined}
    if version in status.revoked:
        return "revoked"
    if version == status.version:
        return "served, pinned" if version == status.pin else "served"
    if version in reasons:
        return f"quarantined: {reasons[version]}"
    return "pinned, not fetched yet" if version == status.pin else "stored"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under headings, as wide as needed; a cell is one line of what can be shown."""
    lines = [headings, *([plain(cell).replace("\n", "\\n") for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def summary(name: Name, status: Status, now: float) -> str:
    """What is served now, in a line or two."""
    found = state(status, now)
    if found == FOREIGN:
        served = "pods get another Secret, which has its name and does not belong to lastgood"
    elif found == NOT_WRITTEN:
        served = "its Secret cannot be written, so pods do not get the value"
    elif status.version is None:
        served = f"serves nothing ({found})"
    else:
        served = f"serves {status.version}, {found}, last confirmed {ago(status.last_success, now)}"
    notes = [served]
    if status.pin is not None:
        notes.append(f"pinned to {status.pin}")
    if status.reason is not None:
        attempted = status.reason in set(FetchFailure)
        notes.append(f"last refresh failed: {status.reason}" if attempted else status.reason)
    return f"{name.namespace}/{name.snapshot} ({status.source}): {', '.join(notes)}"


def pods(status: Status) -> str:
    """The pods that demand it, by name where they can be told."""
    if not status.pods:
        return "no pod uses it"
    names = f": {', '.join(status.consumers)}" if not status.unnamed else ""
    return f"{status.pods} {'pod uses' if status.pods == 1 else 'pods use'} it{names}"


def holders(status: Status) -> str:
    """The pods that may still hold what was revoked."""
    if not status.pods:
        return pods(status)
    if status.unnamed:
        return f"{status.pods} pods may have the value until their agents have removed it"
    names = ", ".join(status.consumers)
    return f"these pods may have the value until their agents have removed it: {names}"


def ago(then: float | None, now: float) -> str:
    """How long ago, or `never`; a time that is not believed is `at an unknown time`."""
    if then is None:
        return "never"
    age = age_s(then, now)
    return "at an unknown time" if age is None else f"{duration(age)} ago"


def duration(seconds: float | None) -> str:
    """The two largest units, cut, for example `1h 5m`; None is `-`."""
    if seconds is None:
        return NONE
    left, parts = int(seconds), []
    for size, unit in _UNITS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join(parts[:2]) or "0s"


def short(version: str | None) -> str:
    """A version for a table; its beginning is accepted wherever a version is asked for."""
    if version is None:
        return NONE
    return version if len(version) <= _VERSION_SHOWN else version[:_VERSION_SHOWN]

"""Whether a controller is at work, by its Lease. Pure.

A leader renews it every two seconds. That it changes is certain; what its time says is not, for
clocks differ. So a Lease that has not changed is believed as long as its own time is of now, and
else is looked at for some seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controller.lease import LeaseRecord
from controller.times import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

WATCHED_S = 5.0
"""Two renewals, and a late one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What was seen of one Lease."""

    version: str
    """Its resource version; empty: there is none."""
    record: LeaseRecord
    renewed_at: float | None
    """As it says, in seconds since the epoch; None: it does not."""
    since: float
    """When this version was seen first, monotonic."""
    beat: bool = False
    """Whether another version was seen before."""


def saw(before: Heartbeat | None, lease: Mapping[str, Any] | None, at: float) -> Heartbeat:
    """After a read; `lease` None: there is none."""
    metadata = {} if lease is None else lease["metadata"]
    version = str(metadata.get("resourceVersion", ""))
    if before is not None and before.version == version:
        return before
    spec = {} if lease is None else lease.get("spec") or {}
    return Heartbeat(
        version=version,
        record=LeaseRecord.from_wire(spec),
        renewed_at=seconds(spec.get("renewTime")),
        since=at,
        beat=before is not None,
    )


def beats(seen: Heartbeat, now: float, at: float) -> bool | None:
    """Whether its holder is at work; None: read again. `now` is of the wall, `at` monotonic."""
    if not seen.record.holder:
        return False
    duration_s = seen.record.duration_s or 0
    still_s = at - seen.since
    if still_s >= duration_s:
        return False
    if seen.beat:
        return True
    if seen.renewed_at is not None and abs(now - seen.renewed_at) <= duration_s:
        return True
    return None if still_s < WATCHED_S else False

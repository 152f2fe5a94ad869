"""What operators ask of a SecretSnapshot: its `spec`, and how it changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from contract.snapshot_format import MOST_VERSIONS
from controller.times import rfc3339, seconds

LATER_S = 1e-3
"""What makes one moment later than another."""


class SnapshotName(NamedTuple):
    """One snapshot in one namespace."""

    namespace: str
    snapshot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What operators ask of one snapshot."""

    generation: int = 0
    """Grows with each change, so that a status can say which request it has seen; 0: nobody asked
    for anything.
    """
    pin: str | None = None
    """None: the newest good version."""
    quarantined: tuple[str, ...] = ()
    """Versions rolled back from."""
    revoked: tuple[str, ...] = ()
    """Versions never to be served again; grows only."""
    refresh_requested: float | None = None
    """Seconds since the epoch; None: never asked."""
    retention_s: float | None = None
    """How long it is fetched once nobody uses it; None: as long as any other."""


def pinned(spec: Spec, version: str | None) -> Spec:
    """The spec that serves `version` until unpinned; None unpins."""
    return replace(spec, pin=version, generation=spec.generation + 1)


def rolled_back(spec: Spec, version: str) -> Spec:
    """The spec that does not serve `version`, the one served now, until a newer appears. The oldest
    make room: versions that were rolled back from so long ago are held no more.
    """
    quarantined = tuple(dict.fromkeys((*spec.quarantined, version)))[-MOST_VERSIONS:]
    return replace(spec, quarantined=quarantined, generation=spec.generation + 1)


def revoked(spec: Spec, version: str) -> Spec:
    """The spec that never serves `version` again; a pin on it goes with it."""
    union = tuple(dict.fromkeys((*spec.revoked, version)))
    pin = None if spec.pin == version else spec.pin
    return replace(spec, revoked=union, pin=pin, generation=spec.generation + 1)


def refresh_requested(spec: Spec, now: float) -> Spec:
    """The spec that asks for a fetch now: later than any request before it, to the microsecond."""
    last = 0.0 if spec.refresh_requested is None else spec.refresh_requested + LATER_S
    asked = seconds(rfc3339(max(now, last)))
    return replace(spec, refresh_requested=asked, generation=spec.generation + 1)

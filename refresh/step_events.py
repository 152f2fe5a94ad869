"""What can happen to a snapshot, and what is then to be done: what `step` takes and gives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.reasons import FetchFailure
    from providers.protocol import Evidence, Material
    from refresh.model import OperatorSpec, Use
    from refresh.validate import Rejection


class AlarmKind(StrEnum):
    """What somebody should look at."""

    REJECTED = "rejected"
    """A new version failed its checks and is not served."""
    CHANGED_IN_PLACE = "changed-in-place"
    """The provider gave other bytes under a stored identity: they are not served."""
    SUSPICIOUS = "suspicious"
    """A new version is served whose size or shape is unlike the one before."""
    PIN_NOT_SERVED = "pin-not-served"
    """The pinned version is revoked, failed its checks, or was answered with another version."""
    NOTHING_OLDER = "nothing-older"
    """The served version was rolled back from, and no other good one is held: it stays."""
    HELD = "held"
    """A new version lacks a member that is in use; the one before stays served for a time."""
    REVOKED = "revoked"
    """The served version was revoked and nothing replaces it."""
    WITHDRAWN = "withdrawn"
    """Policy took the source away, and its value is removed."""
    NOT_USABLE = "not-usable"
    """The provider's newest version can't be used, and there is something to do about that."""
    WARNED = "warned"
    """The provider says something against a version, though it gives it."""
    RESTORED = "restored"
    """Another cluster wrote it: a backup. It counts as old as its value and is fetched first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What speaks for the served version, against one that lost members."""

    lost: tuple[Use, ...] = ()
    """Of the served version, which are in use; empty: nothing, so the new version is served."""
    hold_s: float = 0.0
    max_age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Weighed:
    """The held version was compared again: users came or went, or time has passed."""

    weight: Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A value, already checked. `current`: the provider's current version, not one by name."""

    material: Material
    rejection: Rejection | None = None
    suspicion: str | None = None
    """A word of `validate.suspicion`; None: nothing unusual."""
    weight: Weight | None = None
    """None: nothing is served yet, or nothing of it is in use."""
    current: bool = True
    answered_at: float | None = None
    """Up to when this is known: when the provider was asked, which may be long before its answer
    came, or when it said so to another namespace. None: now.
    """
    evidence: Evidence | None = None
    """None: the answer confirms the value."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The provider's current version is still this one."""

    version: str
    incarnation: str | None = None
    evidence: Evidence | None = None
    """None: the answer confirms the value."""
    warning: str | None = None
    """Of providers.protocol.NotModified."""
    answered_at: float | None = None
    """As of Arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """No answer that can be used. Never touches what is served."""

    reason: FetchFailure
    current: bool = True
    code: str | None = None
    """The source's word for it; None: it was not asked."""
    what_to_do: str | None = None
    """Of providers.protocol.Failed."""


@dataclass(frozen=True, slots=True)
class Operated:
    """What operators want, whole: a pin or rollback that is not in it is taken back; a revocation
    never is.
    """

    wanted: OperatorSpec


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Policy has not allowed the source for its grace time."""


@dataclass(frozen=True, slots=True)
class Tombstoned:
    """Pods were given a version that is revoked, as the ages tell, and its record was lost."""


@dataclass(frozen=True, slots=True)
class RetentionEnded:
    """Nobody has used it for its retention, and it is kept for the digests of revoked values only
    (docs/design/025): all values go, as from a revocation.
    """


@dataclass(frozen=True, slots=True)
class Rechecked:
    """The checks changed: the current version is asked for by value again."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """The clock was set back by so many seconds: no age shrinks."""

    seconds: float


StepEvent = (
    Arrived
    | Unchanged
    | FetchFailed
    | Operated
    | Withdrawn
    | Tombstoned
    | RetentionEnded
    | Rechecked
    | Rewound
    | Weighed
)


@dataclass(frozen=True, slots=True)
class Publish:
    """Write the snapshot and its history: bytes or pointers changed."""


@dataclass(frozen=True, slots=True)
class Report:
    """Write the freshness entry and the status now: more than times changed."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Tell somebody. `code` is a word, never content; `version` is whose fault it is."""

    kind: AlarmKind
    version: str | None = None
    code: str | None = None
    detail: str | None = None
    """A sentence for people, without content."""


Effect = Publish | Report | Alarm

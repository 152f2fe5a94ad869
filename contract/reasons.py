"""Closed sets of reasons. The same word labels the metric, the log line, the Event and the status;
sentences are built beside it.
"""

from __future__ import annotations

from enum import StrEnum


class FetchFailure(StrEnum):
    """Why a provider gave no usable value. Mapped from a table per provider, never from message
    text (docs/contract.md, "Refreshing").
    """

    ABSENT = "absent"
    DENIED = "denied"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    LOST_MEMBER = "lost-member"
    """The current version lacks a member that running pods use, so the one before stays served."""
    BUDGET_TOO_SMALL = "budget-too-small"
    """Not asked at all: one fetch can take more calls than the account's burst."""


class Freshness(StrEnum):
    """How old a value is by its class: within the budget, past it, or past the maximum age (or of
    unknown age).
    """

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


class Serving(StrEnum):
    """What a snapshot's `value` means; written in meta.json."""

    SERVED = "served"
    REVOKED = "revoked"
    """Revoked with nothing to replace it: `value` is empty, and readers that hold the version drop
    it.
    """
    WITHDRAWN = "withdrawn"
    """Removed because the policy has not allowed the source for its grace time. Else as revoked."""


class CacheReason(StrEnum):
    """Why the cache lacks the current value. The gate waits, or a running pod keeps an older
    value.
    """

    NEVER_SYNCED = "never-synced"
    """No snapshot is mounted and the cache has no value: the controller has not fetched this source
    yet.
    """
    MISSING = "missing"
    """The snapshot vanished from the mount; the cache's value stays."""
    PROPERTY_MISSING = "property-missing"
    UNFIT_FOR_BUNDLE = "unfit-for-bundle"
    """The form of the pod's bundle can't carry the value."""
    EXPIRED = "expired"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"
    FOREIGN = "foreign"
    """The mounted snapshot names another source or identity than the plan."""
    MALFORMED = "malformed"
    """meta.json can't be read by this version; what is served stays."""


class Found(StrEnum):
    """What the controller finds on the cluster, beside what provider and policy say of a source."""

    FOREIGN_SECRET = "foreign-secret"
    """A Secret of the snapshot's name is there that is not lastgood's; it is never touched."""
    NO_RIGHTS = "no-rights"
    """The controller may not write Secrets in the namespace: the chart limits it to others."""
    WRITE_REFUSED = "write-refused"
    """The API server refuses to write the snapshot's Secret, as where a quota is used up."""
    WRITE_FAILED = "write-failed"
    """The snapshot's Secret could not be written, more than once; it is tried again."""
    RECORD_NOT_WRITTEN = "record-not-written"
    """The controller's record of the snapshot can't be written, so nothing new reaches pods."""
    AGES_NOT_WRITTEN = "ages-not-written"
    """The namespace's ConfigMap of ages can't be written, so pods see the ages before."""
    RESTORED = "restored"
    """The snapshot is another cluster's, as a backup leaves it, and the provider has not confirmed
    it here yet. Its age counts from when its value was fetched.
    """

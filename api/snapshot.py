"""SecretSnapshot, `lastgood.dev/v1alpha1`: one source in one namespace, without secret material
(docs/contract.md, "Snapshots and ages"). The CRD schema is generated from this.

`spec` is what operators and declarations ask for; `status` is what the controller knows. Unlike an
admin's object, a field that this version does not know is passed over: newer ones may write it.
Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from contract.snapshot_format import MOST_VERSIONS
from schema.fields import Label, Name, Property, Seconds, Version
from schema.strict_model import rules

KIND = "SecretSnapshot"
RETENTION = "168h"
"""How long a snapshot is kept that nobody uses, when it does not say so itself."""

Versions = Annotated[tuple[Version, ...], Field(max_length=MOST_VERSIONS)]


class _SnapshotModel(BaseModel):
    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )


class SnapshotSource(_SnapshotModel):
    """The secret that the snapshot keeps."""

    model_config = rules(
        {"source is immutable: create a new SecretSnapshot for another source": "self == oldSelf"}
    )

    account: Label
    """Name of the SecretAccount to read from."""
    identity: Annotated[str, Field(min_length=1, max_length=253)] = "controller"
    """Identity that fetches the secret. This version supports only controller."""
    provider: Annotated[str, Field(min_length=1, max_length=32)]
    """Provider of the reference, for example aws-sm."""
    reference: Annotated[str, Field(min_length=1, max_length=512)]
    """Name of the secret at the provider."""


class SnapshotSpec(_SnapshotModel):
    """The secret to keep, and which of its versions to serve."""

    model_config = rules(
        {
            "versions cannot be removed from revoked: a revoked version stays revoked": (
                "!has(oldSelf.revoked) || (has(self.revoked)"
                " && oldSelf.revoked.all(it, it in self.revoked))"
            )
        }
    )

    source: SnapshotSource
    """The secret that the snapshot keeps. The object's name is derived from it."""
    pin: Version | None = None
    """Version to serve until it is unpinned. Default: the newest good version."""
    quarantined: Versions = ()
    """Versions that were rolled back. They are not served, but a newer version is."""
    revoked: Versions = ()
    """Versions that are never served again."""
    properties: Annotated[tuple[Property, ...], Field(max_length=256)] = ()
    """Members of the value that must not be lost, with / between nested names. A new version
    without one of them is held back for holdLostMember of its class."""
    retention: Seconds = Field(default=RETENTION, validate_default=True)
    """How long the snapshot is kept after the last pod stops using it. It applies only to snapshots
    that the controller created for pods. Others are kept until they are deleted."""


class QuarantinedVersion(_SnapshotModel):
    """A version that is not served, with the reason."""

    version: str
    """The provider's name of the version."""
    reason: str
    """Why the version is not served: the validation that rejected it, rolled-back, lost-member, or
    changed-in-place."""


class HistoryVersion(_SnapshotModel):
    """A stored version other than the served one."""

    version: str
    """The provider's name of the version."""
    fetched_at: datetime
    """Time when the version was fetched."""


class SnapshotCondition(_SnapshotModel):
    """A condition, as in meta/v1."""

    type: str
    """Ready: a value is served. Fresh: the value is within its freshness budget. Restored: the
    snapshot comes from a backup of another cluster. Held: the provider's current version is held
    back, because it lacks a member that is in use."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition."""
    reason: str
    """Reason for the last transition, in one CamelCase word."""
    message: str
    """Explanation in one sentence."""
    last_transition_time: datetime
    """Time when status last changed."""
    observed_generation: int | None = None
    """metadata.generation that the condition is based on."""


class Rules(_SnapshotModel):
    """Rules of the freshness class, for users who may not read SecretPolicies."""

    refresh_interval_seconds: int
    """How often the controller checks the provider, in seconds."""
    freshness_budget_seconds: int
    """Age at which a value becomes stale, in seconds."""
    max_age_seconds: int
    """Age at which a value becomes expired, in seconds."""
    on_expired: Literal["serve", "refuse"]
    """What happens when a pod starts while its value is expired. serve: it starts. refuse: it
    waits.
    """


State = Literal[
    "Fresh",
    "Stale",
    "Expired",
    "NeverSynced",
    "Revoked",
    "Withdrawn",
    "Foreign",
    "NotWritten",
    "Ignored",
]


class SnapshotStatus(_SnapshotModel):
    """Status of a snapshot, reported by the controller. It is not updated when only ages change.
    Current ages are in the ConfigMap lastgood-freshness of the namespace.
    """

    observed_generation: int = 0
    """metadata.generation that this status reflects. The Secret reflects it too."""
    source: str = ""
    """Source as provider:reference, as in annotations."""
    class_: Annotated[str | None, Field(alias="class")] = None
    """Freshness class that the policy assigns. Unset: the policy does not allow the source."""
    rules: Rules | None = None
    """Rules of that class. Unset if class is unset."""
    state: State = "NeverSynced"
    """Fresh: the value is within freshnessBudget. Stale: it is older. Expired: it is older than
    maxAge. NeverSynced: no value has been fetched yet. Revoked: the version was revoked, and there
    is no other one. Withdrawn: the value was removed, because the policy no longer allows the
    source. Foreign: a Secret with this name exists and does not belong to lastgood. NotWritten: the
    API server rejects the Secret. Ignored: the object name does not match its source."""
    serving: str | None = None
    """served, revoked or withdrawn. Unset: no value has been fetched yet."""
    version: str | None = None
    """Version that is served."""
    incarnation: str | None = None
    """Distinguishes the served version from another one with the same name, for example after a
    secret was deleted and created again. Unset: the provider does not report it."""
    fetched_at: datetime | None = None
    """Time when the served version was fetched."""
    latest: str | None = None
    """Version that the provider last reported as current."""
    unconfirmed_since: datetime | None = None
    """Set while the value is stale, or the last refresh did not confirm it: the time of the last
    successful refresh, from which the value's age counts. Unset when healthy."""
    last_success: datetime | None = None
    """Time of the last successful refresh when this status was written."""
    last_handled_refresh: datetime | None = None
    """Last handled value of the annotation lastgood.dev/refresh-requested. The fetch began after
    the controller saw this value."""
    last_attempt: datetime | None = None
    """Time of the last refresh attempt when this status was written."""
    failures: int = 0
    """Number of failed refresh attempts since the last success."""
    reason: str | None = None
    """Why the last attempt failed, or why the policy refuses the source. foreign-secret: a Secret
    with this name exists and does not belong to lastgood. no-rights: lastgood may not write Secrets
    in this namespace. write-refused: the API server rejects the Secret. write-failed: writing the
    Secret failed more than once. record-not-written: the controller's record of the snapshot could
    not be written, so pods receive nothing new. ages-not-written: the ConfigMap of ages could not
    be written, so pods see older ages. restored: the snapshot comes from a backup of another
    cluster. Unset: no problem."""
    message: str | None = None
    """Details of the reason. Unset: there are none."""
    pin: str | None = None
    """Version that is currently pinned."""
    quarantined: tuple[QuarantinedVersion, ...] = ()
    """Versions that are not served, with the reasons."""
    revoked: tuple[str, ...] = ()
    """Versions that are never served again."""
    history: tuple[HistoryVersion, ...] = ()
    """Other stored versions, newest first."""
    consumers: int = 0
    """Number of pods that use the snapshot."""
    unused_since: datetime | None = None
    """Time when the last pod stopped using the snapshot. Unset: it is in use."""
    refused_since: datetime | None = None
    """Time when the policy stopped allowing the source. Unset: it allows the source."""
    conditions: tuple[SnapshotCondition, ...] = ()
    """Conditions Ready and Fresh. Held and Restored are present only while they apply."""


class SnapshotMetadata(_SnapshotModel):
    """What of an object's metadata is read."""

    name: Name
    namespace: Label
    generation: int = 0
    annotations: dict[str, str] = Field(default_factory=dict)


class SecretSnapshot(_SnapshotModel):
    """SecretSnapshot describes the last good version of one secret in one namespace. The value is
    in the Secret of the same name.
    """

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretSnapshot"]
    metadata: SnapshotMetadata
    spec: SnapshotSpec
    """The secret to keep, and which of its versions to serve."""
    status: SnapshotStatus | None = None
    """Status of the snapshot, reported by the controller."""

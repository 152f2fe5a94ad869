"""SecretSnapshot, `lastgood.dev/v1alpha1`: one source in one namespace, without secret material
(docs/contract.md, "Snapshots and ages"). The CRD schema is generated from this.

`spec` is what operators and declarations ask for; `status` is what the controller knows. Unlike an
admin's object, a field that this version does not know is passed over: newer ones may write it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from contract.snapshot import MOST_VERSIONS
from schema.fields import Label, Name, Property, Seconds, Version
from schema.objects import rules

KIND = "SecretSnapshot"
RETENTION = "168h"
"""How long a snapshot is kept that nobody uses, when it does not say so itself."""

Versions = Annotated[tuple[Version, ...], Field(max_length=MOST_VERSIONS)]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )


class Source(_Model):
    """What is fetched, and how."""

    model_config = rules(
        {"source is immutable: another source is another SecretSnapshot": "self == oldSelf"}
    )

    account: Label
    """The SecretAccount that is asked."""
    identity: Annotated[str, Field(min_length=1, max_length=253)] = "controller"
    """Who asks; controller is the controller itself."""
    provider: Annotated[str, Field(min_length=1, max_length=32)]
    """For example aws-sm."""
    reference: Annotated[str, Field(min_length=1, max_length=512)]
    """The secret's name at the provider."""


class Spec(_Model):
    """What operators and declarations ask for."""

    model_config = rules(
        {
            "revoked grows only: a version that was revoked stays so": (
                "!has(oldSelf.revoked) || (has(self.revoked)"
                " && oldSelf.revoked.all(it, it in self.revoked))"
            )
        }
    )

    source: Source
    """What is fetched. The object's name follows from it."""
    pin: Version | None = None
    """Serve this version until it is unpinned; left out: the newest good one."""
    quarantined: Versions = ()
    """Versions that were rolled back from: not served until a newer appears."""
    revoked: Versions = ()
    """Versions that are never served again."""
    properties: Annotated[tuple[Property, ...], Field(max_length=256)] = ()
    """Members of the value that a declaration counts on, steps divided by /: a new version without
    them is held for a time."""
    retention: Seconds = Field(default=RETENTION, validate_default=True)
    """How long the snapshot is kept once no pod uses it. A declared one is kept while it is there.
    """


class Quarantined(_Model):
    """A version that is not served, and why."""

    version: str
    """The provider's name of the version."""
    reason: str
    """What it failed, or rolled-back."""


class Held(_Model):
    """A version that is kept beside the one that is served."""

    version: str
    """The provider's name of the version."""
    fetched_at: datetime
    """When it was fetched."""


class Condition(_Model):
    """As in meta/v1."""

    type: str
    """Ready: a value is served. Fresh: it is within its freshness budget. Restored: it is another
    cluster's, as a backup leaves it. Held: the provider's current version lacks a member that is in
    use."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str
    """One word."""
    message: str
    """A sentence."""
    last_transition_time: datetime
    """When status last changed."""
    observed_generation: int | None = None
    """The generation that it speaks of."""


class Rules(_Model):
    """What a class says, for those who may not read SecretPolicies."""

    refresh_interval_seconds: int
    """How often the provider is asked."""
    freshness_budget_seconds: int
    """Older than this is stale."""
    max_age_seconds: int
    """Older than this is expired."""
    on_expired: Literal["serve", "refuse"]
    """What an expired value means for a starting pod."""


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


class Status(_Model):
    """What the controller knows. Written when something but the time has changed; ages as they go
    by are in the namespace's ConfigMap lastgood-freshness.
    """

    observed_generation: int = 0
    """The generation of the object that this reflects, in the snapshot itself too."""
    source: str = ""
    """provider:reference, as teams write it."""
    class_: Annotated[str | None, Field(alias="class")] = None
    """The freshness class that policy gives; left out: policy does not allow the source."""
    rules: Rules | None = None
    """What that class says; left out with it."""
    state: State = "NeverSynced"
    """By the class: within the budget, past it, past the maximum age; or why nothing is served.
    Foreign: a Secret of this name is not lastgood's. NotWritten: the API server refuses to write
    the Secret. Ignored: the object's name is not the one that its source gives."""
    serving: str | None = None
    """served, revoked or withdrawn; left out: never synced."""
    version: str | None = None
    """The version that is served."""
    incarnation: str | None = None
    """Tells that version from another of the same name, as a secret that is deleted and made again
    can have. Default: the provider does not say."""
    fetched_at: datetime | None = None
    """When that version was fetched."""
    latest: str | None = None
    """The version that the provider last gave as current."""
    unconfirmed_since: datetime | None = None
    """When the served version was last confirmed, while that is in doubt: the last attempt did not
    confirm it, or it is past its budget. Left out: all is well. Its age is the value's."""
    last_success: datetime | None = None
    """When the served version was last confirmed, as of this writing."""
    last_handled_refresh: datetime | None = None
    """The value of the annotation lastgood.dev/refresh-requested that was answered last, by a fetch
    that began after it was seen."""
    last_attempt: datetime | None = None
    """When the provider was last asked, as of this writing."""
    failures: int = 0
    """Failed attempts since the last success."""
    reason: str | None = None
    """Why the last attempt failed, or why policy refuses the source; foreign-secret: a Secret of
    this name is not lastgood's; no-rights: lastgood may not write Secrets here; write-refused and
    write-failed: the API server does not take the Secret; record-not-written: nor the controller's
    record; ages-not-written: pods see older ages; restored: a backup of
    another cluster. Default: nothing is wrong."""
    message: str | None = None
    """The sentence that decided the reason. Default: the reason says all."""
    pin: str | None = None
    """The pin that is in force."""
    quarantined: tuple[Quarantined, ...] = ()
    """Versions that are not served, and why."""
    revoked: tuple[str, ...] = ()
    """Versions that are never served again."""
    history: tuple[Held, ...] = ()
    """Other versions that are kept, newest first."""
    consumers: int = 0
    """How many pods use it."""
    unused_since: datetime | None = None
    """Since when nobody uses it; left out: it is used."""
    refused_since: datetime | None = None
    """Since when policy does not allow the source; left out: it does."""
    conditions: tuple[Condition, ...] = ()
    """Ready and Fresh; Held and Restored where that is so."""


class Metadata(_Model):
    """What of an object's metadata is read."""

    name: Name
    namespace: Label
    generation: int = 0
    annotations: dict[str, str] = Field(default_factory=dict)


class SecretSnapshot(_Model):
    """The last good version of one source in one namespace, without its value."""

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretSnapshot"]
    metadata: Metadata
    spec: Spec
    """What operators and declarations ask for."""
    status: Status | None = None
    """What the controller knows."""

"""SecretPolicy, `lastgood.dev/v1alpha1` (docs/contract.md, "Accounts and policies"); SecretAccount
is in `api.account`.

camelCase on the wire. Strict and frozen: an unknown field or a wrong type is an error. CRD schemas
are generated from these: a field's docstring is what `kubectl explain` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from api.patterns import Allow
from contract.freshness import FreshnessClass, smallest_budget_s
from contract.spelling import suggestion
from schema.fields import Count, Label, NamespaceGlob, Pause, Quantity, Seconds, Yes
from schema.objects import LIST, SOME, Metadata, Model, Status, rules

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1 << 20
RunAs = Literal["lastgood", "pod", "platform"]
RUN_AS: tuple[RunAs, ...] = get_args(RunAs)
_MOST_NAME = 63
"""A label's longest value."""
_NAME = f"a policy's name has at most {_MOST_NAME} characters, for a namespace's label names it"


class Validation(Model):
    """One check of a new value, before it is served: exactly one field is set."""

    model_config = rules(
        {
            "an item of validate has exactly one of pem, json, requiredKeys, minBytes, maxBytes": (
                "[has(self.pem), has(self.json), has(self.requiredKeys), has(self.minBytes),"
                " has(self.maxBytes)].filter(it, it).size() == 1"
            )
        }
    )

    pem: Yes | None = None
    """The value is PEM."""
    is_json: Annotated[Yes | None, Field(alias="json")] = None
    """The value is JSON."""
    required_keys: Annotated[tuple[str, ...], LIST, Field(max_length=64), SOME] | None = None
    """The value is a JSON object that has these members, none of them null or empty."""
    min_bytes: Count | None = None
    """The value is at least this long."""
    max_bytes: Count | None = None
    """The value is at most this long."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or not self.as_mapping():
            raise ValueError(
                "an item of validate has exactly one of pem, json, requiredKeys, minBytes, maxBytes"
            )
        return self

    def as_mapping(self) -> Mapping[str, object]:
        """As written: for example `{"pem": True}`."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Source(Model):
    """What pods of the policy's namespaces may ask of one account."""

    account: Label
    """The SecretAccount that is asked."""
    allow: Annotated[tuple[Allow, ...], LIST, Field(max_length=64), SOME]
    """Patterns `provider:pattern`: `*` stands for characters of one segment, `**` for whole
    segments, `{namespace}` for the pod's namespace."""
    rules: Label = Field(alias="class")
    """The name of a class of this policy."""
    checks: Annotated[tuple[Validation, ...], LIST, Field(max_length=16)] = Field(
        default=(), alias="validate"
    )
    """What a new value must pass before it is served."""


class Class(Model):
    """Named freshness rules. Durations are hours, minutes and seconds, for example 1h30m."""

    model_config = rules(
        {
            "freshnessBudget must be at least 4/3 of refreshInterval and 90s": (
                "duration(self.freshnessBudget).getSeconds() * 3"
                " >= (duration(self.refreshInterval).getSeconds() + 90) * 4"
            ),
            "maxAge must be at least freshnessBudget": (
                "duration(self.maxAge) >= duration(self.freshnessBudget)"
            ),
        }
    )

    refresh_interval: Seconds
    """How often the provider is asked."""
    freshness_budget: Seconds
    """Older than this is stale."""
    max_age: Seconds
    """Older than this is expired."""
    on_expired: Literal["serve", "refuse"] = "serve"
    """What an expired value means for a starting pod: serve (and alarm), or refuse (it waits)."""
    propagation: Literal["kubelet", "nudge"] = "kubelet"
    """How running pods learn of a rotation: when the kubelet looks, or nudged within seconds."""
    hold_lost_member: Pause | None = None
    """How long a new version is held that lacks a member which running pods use; the one before
    stays served so long, never past maxAge. 0s: it is never held. Default: freshnessBudget."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        smallest = smallest_budget_s(self.refresh_interval)
        if self.freshness_budget < smallest:
            raise ValueError(
                f"freshnessBudget must be at least {smallest:.0f}s for this refreshInterval"
                " (4/3 of the interval and 90s), or healthy pods would turn stale"
            )
        if self.freshness_budget > self.max_age:
            raise ValueError("maxAge must be at least freshnessBudget")
        return self

    def as_rules(self, name: str) -> FreshnessClass:
        """The same for the processes that share `contract`."""
        return FreshnessClass(
            name=name,
            refresh_s=self.refresh_interval,
            budget_s=self.freshness_budget,
            max_age_s=self.max_age,
            on_expired=self.on_expired,
        )


class Limits(Model):
    """What bounds one tenant."""

    secrets_per_pod: Annotated[int, Field(ge=1, le=256)] = 32
    """Secrets that one pod may ask for."""
    bytes_per_secret: Annotated[int, Field(ge=1, le=MIB * 3 // 4)] = 65536
    """Bytes of one value."""
    snapshots_per_namespace: Count = 200
    """Snapshots in one namespace."""


class Amounts(Model):
    """Of cpu and memory; what is left out is our default."""

    cpu: Quantity | None = None
    """For example 100m."""
    memory: Quantity | None = None
    """For example 32Mi."""


class Resources(Model):
    """Of gate and agent each. Raised to what they need, never lowered."""

    requests: Amounts = Amounts()
    """What the scheduler reserves."""
    limits: Amounts = Amounts()
    """What they may not exceed."""


class Agent(Model):
    """Defaults for pods."""

    mode: Literal["follow", "mount"] = "follow"
    """For pods that name none."""
    run_as: RunAs | None = None
    """The user of gate and agent: lastgood, the chart's agent.uid where they needn't share the
    app's; pod, the pod's own user; platform, none is written, so that the platform assigns one, as
    OpenShift does. Default: the chart's agent.runAs."""
    resources: Resources = Resources()
    """Of gate and agent each."""


class PolicySpec(Model):
    """What an admin allows some namespaces."""

    model_config = rules(
        {
            "the class of each source must be one of this policy's classes": (
                "self.sources.all(it, it.class in self.classes)"
            )
        }
    )

    namespaces: Annotated[tuple[NamespaceGlob, ...], LIST, Field(max_length=256), SOME]
    """The namespaces that may choose this policy by their label; `*` stands for any characters."""
    sources: Annotated[tuple[Source, ...], LIST, Field(max_length=128)]
    """What pods may ask for. The most specific pattern decides."""
    classes: Annotated[dict[Label, Class], Field(max_length=64)]
    """Freshness rules by name."""
    allow_env_value: bool = False
    """Whether a value may go into an environment variable, which the container runtime keeps on
    disk."""
    limits: Limits = Limits()
    """What bounds one tenant."""
    agent: Agent = Agent()
    """Defaults for what is injected."""

    @model_validator(mode="after")
    def _known_classes(self) -> Self:
        for index, source in enumerate(self.sources):
            if source.rules not in self.classes:
                raise ValueError(
                    f'sources[{index}].class "{source.rules}" is not one of this policy\'s classes'
                    f"{suggestion(source.rules, self.classes)}"
                )
        return self


class SecretPolicy(Model):
    """A policy. It applies to a namespace that it lists and whose label names it."""

    model_config = rules({_NAME: f"self.metadata.name.size() <= {_MOST_NAME}"})

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretPolicy"]
    metadata: Metadata
    spec: PolicySpec
    """What is allowed, and by which rules."""
    status: Status | None = None
    """What the controller says of it."""

    @field_validator("metadata")
    @classmethod
    def _fits_a_label(cls, metadata: Metadata) -> Metadata:
        if len(metadata.name) > _MOST_NAME:
            raise ValueError(_NAME)
        return metadata

    @property
    def name(self) -> str:
        return self.metadata.name

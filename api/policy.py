"""SecretPolicy, `lastgood.dev/v1alpha1` (docs/contract.md, "Accounts and policies"); SecretAccount
is in `api.account`.

camelCase on the wire. Strict and frozen: an unknown field or a wrong type is an error. CRD schemas
are generated from these: a field's docstring is what `kubectl explain` says. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from api.patterns import Allow
from contract.freshness import FreshnessClass, smallest_budget_s
from contract.spelling import suggestion
from schema.fields import Count, Label, NamespaceGlob, Pause, Quantity, Seconds, Yes
from schema.strict_model import LIST, SOME, AdminStatus, Metadata, Model, rules

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1 << 20
RunAs = Literal["lastgood", "pod", "platform"]
RUN_AS: tuple[RunAs, ...] = get_args(RunAs)
_MOST_NAME = 63
"""A label's longest value."""
_NAME = (
    f"a policy name must have at most {_MOST_NAME} characters, because namespace labels refer to it"
)


_ONE_CHECK = (
    "each item of validate must set exactly one of pem, json, requiredKeys, minBytes, maxBytes"
)


class Validation(Model):
    """A check that a new value must pass before it is served. Exactly one field must be set."""

    model_config = rules(
        {
            _ONE_CHECK: (
                "[has(self.pem), has(self.json), has(self.requiredKeys), has(self.minBytes),"
                " has(self.maxBytes)].filter(it, it).size() == 1"
            )
        }
    )

    pem: Yes | None = None
    """The value must be PEM."""
    is_json: Annotated[Yes | None, Field(alias="json")] = None
    """The value must be JSON."""
    required_keys: Annotated[tuple[str, ...], LIST, Field(max_length=64), SOME] | None = None
    """The value must be a JSON object with these members, none of them null or empty."""
    min_bytes: Count | None = None
    """Minimum size of the value, in bytes."""
    max_bytes: Count | None = None
    """Maximum size of the value, in bytes."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or not self.as_mapping():
            raise ValueError(_ONE_CHECK)
        return self

    def as_mapping(self) -> Mapping[str, object]:
        """As written: for example `{"pem": True}`."""
        return self.model_dump(by_alias=True, exclude_none=True)


class SourceRule(Model):
    """Secrets of one account that pods in the policy's namespaces may use."""

    account: Label
    """Name of the SecretAccount to read from."""
    allow: Annotated[tuple[Allow, ...], LIST, Field(max_length=64), SOME]
    """Patterns of allowed references, as provider:pattern. "*" matches any characters within one
    segment, "**" matches one or more whole segments, and "{namespace}" is replaced by the pod's
    namespace."""
    rules: Label = Field(alias="class")
    """Freshness class of these secrets: one of the keys of spec.classes."""
    checks: Annotated[tuple[Validation, ...], LIST, Field(max_length=16)] = Field(
        default=(), alias="validate"
    )
    """Checks that a new value must pass before it is served."""


class Class(Model):
    """Freshness rules. Durations have hours, minutes and seconds, for example 1h30m."""

    model_config = rules(
        {
            "freshnessBudget must be at least 4/3 of (refreshInterval + 90s)": (
                "duration(self.freshnessBudget).getSeconds() * 3"
                " >= (duration(self.refreshInterval).getSeconds() + 90) * 4"
            ),
            "maxAge must be at least freshnessBudget": (
                "duration(self.maxAge) >= duration(self.freshnessBudget)"
            ),
        }
    )

    refresh_interval: Seconds
    """How often the controller checks the provider for a new version."""
    freshness_budget: Seconds
    """Age at which a value becomes stale. At least 4/3 of (refreshInterval + 90s)."""
    max_age: Seconds
    """Age at which a value becomes expired. At least freshnessBudget."""
    on_expired: Literal["serve", "refuse"] = "serve"
    """What happens when a pod starts while its value is expired. serve: it starts with the expired
    value, and lastgood reports it. refuse: it waits until the value has been refreshed."""
    propagation: Literal["kubelet", "nudge"] = "kubelet"
    """How running pods receive a rotated value. kubelet: at the kubelet's next periodic sync.
    nudge: within seconds, because the controller annotates the pods, which triggers a sync."""
    hold_lost_member: Pause | None = None
    """How long a new version is held back if it lacks a member that running pods use. Until then
    the previous version stays served, but never past maxAge. 0s: new versions are never held back.
    Default: freshnessBudget."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        smallest = smallest_budget_s(self.refresh_interval)
        if self.freshness_budget < smallest:
            raise ValueError(
                f"freshnessBudget must be at least {smallest:.0f}s for this refreshInterval"
                " (4/3 of (refreshInterval + 90s)), or healthy pods would become stale"
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
    """Limits for each pod, secret and namespace."""

    secrets_per_pod: Annotated[int, Field(ge=1, le=256)] = 32
    """Maximum number of secrets in one pod."""
    bytes_per_secret: Annotated[int, Field(ge=1, le=MIB * 3 // 4)] = 65536
    """Maximum size of one value, in bytes."""
    snapshots_per_namespace: Count = 200
    """Maximum number of snapshots in one namespace."""


class Amounts(Model):
    """Amounts of CPU and memory. Default: lastgood's own amounts."""

    cpu: Quantity | None = None
    """CPU, for example 100m."""
    memory: Quantity | None = None
    """Memory, for example 32Mi."""


class Resources(Model):
    """Resources of each injected container."""

    requests: Amounts = Amounts()
    """Resources that the scheduler reserves."""
    limits: Amounts = Amounts()
    """Resources that the container must not exceed."""


class Agent(Model):
    """Defaults for the injected containers, gate and agent."""

    mode: Literal["follow", "mount"] = "follow"
    """Injection mode of pods without the annotation lastgood.dev/mode. follow: an agent writes the
    files and keeps them current. mount: the pod mounts the snapshots directly."""
    run_as: RunAs | None = None
    """User of the injected containers. lastgood: the chart's agent.uid, unless they must share the
    app's user. pod: the pod's own user. platform: no user is set, so that the platform assigns one,
    as OpenShift does. Default: the chart's agent.runAs."""
    resources: Resources = Resources()
    """Resources of each injected container. Values below what the container needs are raised, and
    no value is lowered."""


class PolicySpec(Model):
    """Secrets that some namespaces may use, freshness classes, and limits."""

    model_config = rules(
        {
            "the class of each source must be one of this policy's classes": (
                "self.sources.all(it, it.class in self.classes)"
            )
        }
    )

    namespaces: Annotated[tuple[NamespaceGlob, ...], LIST, Field(max_length=256), SOME]
    """Namespaces that may select this policy with their label lastgood.dev/policy. "*" matches any
    characters."""
    sources: Annotated[tuple[SourceRule, ...], LIST, Field(max_length=128)]
    """Secrets that pods may use. If several patterns match, the most specific one applies."""
    classes: Annotated[dict[Label, Class], Field(max_length=64)]
    """Freshness classes by name."""
    allow_env_value: bool = False
    """Whether pods may receive values in environment variables. The container runtime stores these
    on disk."""
    limits: Limits = Limits()
    """Limits for each pod, secret and namespace."""
    agent: Agent = Agent()
    """Defaults for the injected containers, gate and agent."""

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
    """SecretPolicy defines which secrets the pods of some namespaces may use, and how old these may
    be. It applies to a namespace if spec.namespaces lists the namespace and the namespace's label
    lastgood.dev/policy names the policy.
    """

    model_config = rules({_NAME: f"self.metadata.name.size() <= {_MOST_NAME}"})

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretPolicy"]
    metadata: Metadata
    spec: PolicySpec
    """Secrets that the namespaces may use, freshness classes, and limits."""
    status: AdminStatus | None = None
    """Status of the policy, reported by the controller."""

    @field_validator("metadata")
    @classmethod
    def _fits_a_label(cls, metadata: Metadata) -> Metadata:
        if len(metadata.name) > _MOST_NAME:
            raise ValueError(_NAME)
        return metadata

    @property
    def name(self) -> str:
        return self.metadata.name

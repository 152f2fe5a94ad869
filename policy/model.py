"""SecretAccount and SecretPolicy, `lastgood.dev/v1alpha1` (DESIGN.md section 5).

camelCase on the wire. Strict and frozen: an unknown field or a wrong type is an error. CRD schemas
are generated from these: a field's docstring is what `kubectl explain` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from contract.freshness import FreshnessClass, smallest_budget_s
from contract.reference import ReferenceRejected, canonicalise
from contract.spelling import suggestion
from policy.fields import (
    Allow,
    Count,
    ExternalId,
    Label,
    Name,
    NamespaceGlob,
    Quantity,
    RoleArn,
    Seconds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION = "lastgood.dev/v1alpha1"
SERVES = {"aws": ("aws-sm",), "file": ("file",)}
"""The providers that references name, by an account's `provider`."""
MIB = 1 << 20


def rules(cel: Mapping[str, str]) -> ConfigDict:
    """The same checks for the schema of the API server: CEL by the message for who breaks it."""
    checks: list[JsonValue] = [{"rule": rule, "message": message} for message, rule in cel.items()]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": checks})


_LIST = Field(strict=False)
"""YAML has lists; the models hold tuples of strictly checked items."""


def _not_empty(items: tuple[object, ...]) -> tuple[object, ...]:
    if not items:
        raise ValueError("there must be at least one")
    return items


_SOME = AfterValidator(_not_empty)
"""Likewise, with at least one item; checked after the items, so that a wrong one is told alone."""


class _Model(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_default=False,
    )


class Metadata(BaseModel):
    """Of an object's metadata only the name is ours to read."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    name: Name


_Endpoint = Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+$")]
_NEEDS_ROLE = "externalID and stsEndpoint say how the role is assumed: they need roleARN"


class Status(BaseModel):
    """What the controller says of an account or a policy."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True
    )

    in_use: bool = False
    """Whether snapshots need it: then it can't be deleted, unless it is annotated
    lastgood.dev/delete-in-use: "yes"."""


class Aws(_Model):
    """How to reach AWS. Identities are here only: a pod can't choose one."""

    model_config = rules(
        {_NEEDS_ROLE: "has(self.roleARN) || !(has(self.externalID) || has(self.stsEndpoint))"}
    )

    regions: Annotated[tuple[str, ...], _LIST, Field(max_length=16), _SOME]
    """In order of preference."""
    role_arn: RoleArn | None = Field(default=None, alias="roleARN")
    """A role that the controller's own identity assumes for this account; left out: the
    controller's own identity."""
    external_id: ExternalId | None = Field(default=None, alias="externalID")
    """What the role's trust policy asks for, sts:ExternalId; left out: nothing."""
    endpoint: _Endpoint | None = None
    """Another endpoint of Secrets Manager than the region's own, without a path; left out: the
    region's own."""
    sts_endpoint: _Endpoint | None = None
    """Another endpoint of STS, where the role is assumed; left out: the region's own."""

    @model_validator(mode="after")
    def _of_a_role(self) -> Self:
        if self.role_arn is None and (self.external_id or self.sts_endpoint):
            raise ValueError(_NEEDS_ROLE)
        return self


class File(_Model):
    """A folder of files, for embedded runs and tests."""

    root: Annotated[str, Field(min_length=1)]
    """The folder's path, on the controller's own file system."""


class Budget(_Model):
    """How much to call one account, whoever asks."""

    calls_per_second: Annotated[float, Field(gt=0, le=10_000, strict=False)]
    """Calls a second in the long run."""
    burst: Annotated[int, Field(ge=1, le=10_000)]
    """Calls that may be made at once after a quiet time."""


class Revoked(_Model):
    """A version that is never served again anywhere."""

    reference: Annotated[str, Field(min_length=1)]
    """The secret's name at the provider, without the provider's own."""
    version: Annotated[str, Field(min_length=1)]
    """The provider's name of the version."""


class AccountSpec(_Model):
    """Exactly the block that `provider` names is set."""

    model_config = rules(
        {
            "exactly the block that provider names must be set": (
                "self.provider == 'aws' ? has(self.aws) && !has(self.file)"
                " : has(self.file) && !has(self.aws)"
            )
        }
    )

    provider: Literal["aws", "file"]
    """What is asked: aws serves references of aws-sm, file those of file."""
    aws: Aws | None = None
    """How to reach AWS."""
    file: File | None = None
    """Where the files are."""
    budget: Budget
    """How much to call this account, whoever asks."""
    revoked: Annotated[tuple[Revoked, ...], _LIST, Field(max_length=256)] = ()
    """Versions that are never served again anywhere."""

    @model_validator(mode="after")
    def _one_block(self) -> Self:
        for name in SERVES:
            if (getattr(self, name) is not None) != (name == self.provider):
                raise ValueError(
                    f"provider {self.provider} needs the block {self.provider} and no other"
                )
        return self

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        for item in self.revoked:
            try:
                canonicalise(SERVES[self.provider][0], item.reference)
            except ReferenceRejected as rejected:
                raise ValueError(f"revoked: {rejected}") from None
        return self


class SecretAccount(_Model):
    """A provider with how to log in and how much to call."""

    model_config = rules(
        {
            "an account's name is at most 63 of a-z, 0-9 and -, for annotations name it": (
                "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')"
            )
        }
    )

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretAccount"]
    metadata: Metadata
    spec: AccountSpec
    """How the account is reached, and how much it may be called."""
    status: Status | None = None
    """What the controller says of it."""

    @field_validator("metadata")
    @classmethod
    def _label_name(cls, metadata: Metadata) -> Metadata:
        if "." in metadata.name or len(metadata.name) > 63:  # noqa: PLR2004 - as in annotations
            raise ValueError(
                "an account's name is at most 63 of a-z, 0-9 and -, for annotations name it"
            )
        return metadata

    @property
    def name(self) -> str:
        return self.metadata.name

    def serves(self, provider: str) -> bool:
        """Whether references of `provider` can be fetched with this account."""
        return provider in SERVES[self.spec.provider]


class Validation(_Model):
    """One check of a new value, before it is served: exactly one field is set."""

    model_config = rules(
        {
            "an item of validate has exactly one of pem, json, requiredKeys, minBytes, maxBytes": (
                "[has(self.pem), has(self.json), has(self.requiredKeys), has(self.minBytes),"
                " has(self.maxBytes)].filter(it, it).size() == 1"
            )
        }
    )

    pem: Literal[True] | None = None
    """The value is PEM."""
    is_json: Annotated[Literal[True] | None, Field(alias="json")] = None
    """The value is JSON."""
    required_keys: Annotated[tuple[str, ...], _LIST, Field(max_length=64), _SOME] | None = None
    """The value is a JSON object that has these members."""
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


class Source(_Model):
    """What pods of the policy's namespaces may ask of one account."""

    account: Label
    """The SecretAccount that is asked."""
    allow: Annotated[tuple[Allow, ...], _LIST, Field(max_length=64), _SOME]
    """Patterns `provider:pattern`: `*` stands for characters of one segment, `**` for whole
    segments, `{namespace}` for the pod's namespace."""
    rules: Annotated[str, Field(max_length=63)] = Field(alias="class")
    """The name of a class of this policy."""
    checks: Annotated[tuple[Validation, ...], _LIST, Field(max_length=16)] = Field(
        default=(), alias="validate"
    )
    """What a new value must pass before it is served."""


class Class(_Model):
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


class Limits(_Model):
    """What bounds one tenant."""

    secrets_per_pod: Annotated[int, Field(ge=1, le=256)] = 32
    """Secrets that one pod may ask for."""
    bytes_per_secret: Annotated[int, Field(ge=1, le=MIB * 3 // 4)] = 65536
    """Bytes of one value."""
    snapshots_per_namespace: Count = 200
    """Snapshots in one namespace."""


class Amounts(_Model):
    """Of cpu and memory; what is left out is our default."""

    cpu: Quantity | None = None
    """For example 100m."""
    memory: Quantity | None = None
    """For example 32Mi."""


class Resources(_Model):
    """Of gate and agent each. Raised to what they need, never lowered."""

    requests: Amounts = Amounts()
    """What the scheduler reserves."""
    limits: Amounts = Amounts()
    """What they may not exceed."""


class Agent(_Model):
    """Defaults for pods."""

    mode: Literal["follow", "mount"] = "follow"
    """For pods that name none."""
    resources: Resources = Resources()
    """Of gate and agent each."""


class PolicySpec(_Model):
    """What an admin allows some namespaces."""

    model_config = rules(
        {
            "the class of each source must be one of this policy's classes": (
                "self.sources.all(it, it.class in self.classes)"
            )
        }
    )

    namespaces: Annotated[tuple[NamespaceGlob, ...], _LIST, Field(max_length=256), _SOME]
    """The namespaces that may choose this policy by their label; `*` stands for any characters."""
    sources: Annotated[tuple[Source, ...], _LIST, Field(max_length=128)]
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


class SecretPolicy(_Model):
    """A policy. It applies to a namespace that it lists and whose label names it."""

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretPolicy"]
    metadata: Metadata
    spec: PolicySpec
    """What is allowed, and by which rules."""
    status: Status | None = None
    """What the controller says of it."""

    @property
    def name(self) -> str:
        return self.metadata.name


def known_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The names on the wire of a model's fields, for the nearest spelling of an unknown one."""
    return tuple(field.alias or name for name, field in model.model_fields.items())

"""SecretAccount, `lastgood.dev/v1alpha1` (docs/contract.md, "Accounts and policies"). As
`policy.model` says: a field's docstring is what `kubectl explain` says.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected, canonicalise
from policy.fields import LABEL, Endpoint, ExternalId, Region, RoleArn, Version
from policy.objects import LIST, SOME, Metadata, Model, Status, rules

SERVES = {"aws": ("aws-sm",), "file": ("file",)}
"""The providers that references name, by an account's `provider`."""

_NAME = (
    "an account name must be 1 to 63 characters of a-z, 0-9 and -, and must start and end with a"
    " letter or digit, because annotations refer to it"
)
CALLS_OF_A_FETCH = 2
"""Of Secrets Manager, in each region: a change check, and the value. `most_calls` of its source."""
_BURST = (
    f"budget.burst must be at least {CALLS_OF_A_FETCH} per region in aws.regions: one fetch can"
    " need a change check and a read in each region"
)
_NEEDS_ROLE = "externalID and stsEndpoint require roleARN: they configure how it is assumed"


class Aws(Model):
    """AWS settings. Identities are configured only here. A pod cannot choose one."""

    model_config = rules(
        {_NEEDS_ROLE: "has(self.roleARN) || !(has(self.externalID) || has(self.stsEndpoint))"}
    )

    regions: Annotated[tuple[Region, ...], LIST, Field(max_length=16), SOME]
    """AWS regions to read secrets from, in order of preference."""
    role_arn: RoleArn | None = Field(default=None, alias="roleARN")
    """IAM role that the controller assumes for this account. Default: none, the controller uses its
    own identity."""
    external_id: ExternalId | None = Field(default=None, alias="externalID")
    """External ID (sts:ExternalId) that the role's trust policy requires. Default: none."""
    endpoint: Endpoint | None = None
    """Custom Secrets Manager endpoint URL, without a path. Default: the regional endpoint."""
    sts_endpoint: Endpoint | None = None
    """Custom STS endpoint URL for assuming roleARN, without a path. Default: the regional endpoint.
    """

    @model_validator(mode="after")
    def _of_a_role(self) -> Self:
        if self.role_arn is None and (self.external_id or self.sts_endpoint):
            raise ValueError(_NEEDS_ROLE)
        return self


class File(Model):
    """Settings of provider file: a folder with one file per secret, for tests."""

    root: Annotated[str, Field(min_length=1)]
    """Path of the folder on the controller's file system."""


class Budget(Model):
    """Rate limit for provider API calls made with this account, shared by all namespaces."""

    calls_per_second: Annotated[float, Field(gt=0, le=10_000)]
    """Sustained rate, in calls per second (refill rate of the token bucket)."""
    burst: Annotated[int, Field(ge=1, le=10_000)]
    """Maximum number of calls in a burst (size of the token bucket). For provider aws, at least two
    per region."""


class Revoked(Model):
    """A revoked version. It is never served again in any namespace."""

    model_config = rules(
        {
            f"reference must be the secret's name (of {CHARACTERS_LISTED}), not an ARN": (
                f"self.reference.matches('^[{CHARACTERS}]+$')"
            ),
            'reference must not have an empty, "." or ".." segment': (
                "!self.reference.matches('//|/$|(^|/)[.]{1,2}(/|$)')"
            ),
        }
    )

    reference: Annotated[str, Field(min_length=1, max_length=512)]
    """Name of the secret at the provider, without the prefix "provider:"."""
    version: Version
    """Version identifier assigned by the provider."""


class AccountSpec(Model):
    """Provider, credentials and rate limit of the account."""

    model_config = rules(
        {
            "exactly one provider block must be set: the one that provider names": (
                "self.provider == 'aws' ? has(self.aws) && !has(self.file)"
                " : has(self.file) && !has(self.aws)"
            ),
            _BURST: (
                "!has(self.aws) ||"
                f" self.budget.burst >= {CALLS_OF_A_FETCH} * self.aws.regions.size()"
            ),
            "a revoked reference must not start with aws/reference/, which is another store": (
                "self.provider != 'aws' || !has(self.revoked) || self.revoked.all(it,"
                " !it.reference.matches('^/?(?i:aws/reference/)'))"
            ),
            "with provider file, a revoked reference must be a path that starts with /": (
                "self.provider != 'file' || !has(self.revoked) || self.revoked.all(it,"
                " it.reference.startsWith('/'))"
            ),
        }
    )

    provider: Literal["aws", "file"]
    """Provider type: aws for references "aws-sm:...", file for references "file:..."."""
    aws: Aws | None = None
    """AWS settings. Required with provider aws, otherwise not allowed."""
    file: File | None = None
    """Location of the files. Required with provider file, otherwise not allowed."""
    budget: Budget
    """Rate limit for provider API calls made with this account, shared by all namespaces."""
    revoked: Annotated[tuple[Revoked, ...], LIST, Field(max_length=256)] = ()
    """Versions that are never served again in any namespace."""

    @model_validator(mode="after")
    def _one_block(self) -> Self:
        for name in SERVES:
            if (getattr(self, name) is not None) != (name == self.provider):
                raise ValueError(
                    f"provider {self.provider} requires the block {self.provider} and no other"
                )
        return self

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.aws and self.budget.burst < CALLS_OF_A_FETCH * len(self.aws.regions):
            raise ValueError(_BURST)
        return self

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        for item in self.revoked:
            try:
                canonicalise(SERVES[self.provider][0], item.reference)
            except ReferenceRejected as rejected:
                raise ValueError(f"revoked: {rejected}") from None
        return self


class AccountStatus(Status):
    """Status of an account, reported by the controller."""

    needed_calls_per_second: float | None = None
    """Calls per second needed to keep all secrets in use fresh: one call per secret and refresh
    interval, with two significant digits. Compare it with budget.callsPerSecond. Providers that
    support batches need fewer calls. Unset: no secret is in use yet."""
    reason: str | None = None
    """budget-too-small: some secrets are not fetched, because one fetch can need more calls than
    budget.burst. Unset: no problem."""
    smallest_burst: int | None = None
    """Smallest budget.burst that those secrets need. Set only with reason budget-too-small."""


class SecretAccount(Model):
    """SecretAccount defines a secret provider, how to authenticate to it, and the rate limit for
    its API.
    """

    model_config = rules({_NAME: f"self.metadata.name.matches('^{LABEL.pattern}$')"})

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretAccount"]
    metadata: Metadata
    spec: AccountSpec
    """Provider, credentials and rate limit of the account."""
    status: AccountStatus | None = None
    """Status of the account, reported by the controller."""

    @field_validator("metadata")
    @classmethod
    def _label_name(cls, metadata: Metadata) -> Metadata:
        if not LABEL.fullmatch(metadata.name):
            raise ValueError(_NAME)
        return metadata

    @property
    def name(self) -> str:
        return self.metadata.name

    def serves(self, provider: str) -> bool:
        """Whether references of `provider` can be fetched with this account."""
        return provider in SERVES[self.spec.provider]

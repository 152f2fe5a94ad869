"""SecretAccount, `lastgood.dev/v1alpha1` (docs/contract.md, "Accounts and policies"). As
`api.policy` says: a field's docstring is what `kubectl explain` says.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected, canonicalise
from schema.fields import LABEL, Endpoint, ExternalId, Region, RoleArn, Version
from schema.objects import LIST, SOME, Metadata, Model, Status, rules

SERVES = {"aws": ("aws-sm",), "file": ("file",)}
"""The providers that references name, by an account's `provider`."""

_NAME = "an account's name is at most 63 of a-z, 0-9 and -, for annotations name it"
CALLS_OF_A_FETCH = 2
"""Of Secrets Manager, in each region: a change check, and the value. `most_calls` of its source."""
_BURST = (
    f"budget.burst must be at least {CALLS_OF_A_FETCH} for each of aws.regions: one fetch can take"
    " a change check and a value in each"
)
_NEEDS_ROLE = "externalID and stsEndpoint say how the role is assumed: they need roleARN"


class Aws(Model):
    """How to reach AWS. Identities are here only: a pod can't choose one."""

    model_config = rules(
        {_NEEDS_ROLE: "has(self.roleARN) || !(has(self.externalID) || has(self.stsEndpoint))"}
    )

    regions: Annotated[tuple[Region, ...], LIST, Field(max_length=16), SOME]
    """In order of preference."""
    role_arn: RoleArn | None = Field(default=None, alias="roleARN")
    """A role that the controller's own identity assumes for this account; left out: the
    controller's own identity."""
    external_id: ExternalId | None = Field(default=None, alias="externalID")
    """What the role's trust policy asks for, sts:ExternalId; left out: nothing."""
    endpoint: Endpoint | None = None
    """Another endpoint of Secrets Manager than the region's own, without a path; left out: the
    region's own."""
    sts_endpoint: Endpoint | None = None
    """Another endpoint of STS, where the role is assumed; left out: the region's own."""

    @model_validator(mode="after")
    def _of_a_role(self) -> Self:
        if self.role_arn is None and (self.external_id or self.sts_endpoint):
            raise ValueError(_NEEDS_ROLE)
        return self


class File(Model):
    """A folder of files, for tests."""

    root: Annotated[str, Field(min_length=1)]
    """The folder's path, on the controller's own file system."""


class Budget(Model):
    """How much to call one account, whoever asks."""

    calls_per_second: Annotated[float, Field(gt=0, le=10_000)]
    """Calls a second in the long run."""
    burst: Annotated[int, Field(ge=1, le=10_000)]
    """Calls that may be made at once after a quiet time; of provider aws at least two for each
    region."""


class Revoked(Model):
    """A version that is never served again anywhere."""

    model_config = rules(
        {
            f"reference must be the secret's own name: {CHARACTERS_LISTED} and no ARN": (
                f"self.reference.matches('^[{CHARACTERS}]+$')"
            ),
            'reference must have no empty, "." or ".." segment': (
                "!self.reference.matches('//|/$|(^|/)[.]{1,2}(/|$)')"
            ),
        }
    )

    reference: Annotated[str, Field(min_length=1, max_length=512)]
    """The secret's name at the provider, without the provider's own."""
    version: Version
    """The provider's name of the version."""


class AccountSpec(Model):
    """Exactly the block that `provider` names is set."""

    model_config = rules(
        {
            "exactly the block that provider names must be set": (
                "self.provider == 'aws' ? has(self.aws) && !has(self.file)"
                " : has(self.file) && !has(self.aws)"
            ),
            _BURST: (
                "!has(self.aws) ||"
                f" self.budget.burst >= {CALLS_OF_A_FETCH} * self.aws.regions.size()"
            ),
            "a revoked reference must name the secret itself, not one of another store": (
                "self.provider != 'aws' || !has(self.revoked) || self.revoked.all(it,"
                " !it.reference.matches('^/?(?i:aws/reference/)'))"
            ),
            "a revoked reference of provider file must be a path that starts with /": (
                "self.provider != 'file' || !has(self.revoked) || self.revoked.all(it,"
                " it.reference.startsWith('/'))"
            ),
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
    revoked: Annotated[tuple[Revoked, ...], LIST, Field(max_length=256)] = ()
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
    """What the controller says of an account."""

    needed_calls_per_second: float | None = None
    """Calls a second that keeping all demanded secrets fresh needs, one for each secret and refresh
    interval, to compare with budget.callsPerSecond; where the provider has batches it is fewer. To
    two digits; left out: none yet."""
    reason: str | None = None
    """budget-too-small: some secrets are not fetched, because one fetch can take more calls than
    budget.burst. Default: nothing is wrong."""
    smallest_burst: int | None = None
    """With budget-too-small, the smallest budget.burst that those secrets need."""


class SecretAccount(Model):
    """A provider with how to log in and how much to call."""

    model_config = rules({_NAME: f"self.metadata.name.matches('^{LABEL.pattern}$')"})

    api_version: Literal["lastgood.dev/v1alpha1"]
    kind: Literal["SecretAccount"]
    metadata: Metadata
    spec: AccountSpec
    """How the account is reached, and how much it may be called."""
    status: AccountStatus | None = None
    """What the controller says of it."""

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

"""SecretAccount, `lastgood.dev/v1alpha1` (docs/contract.md, "Accounts and policies"). As
`api.policy` says: a field's docstring is what `kubectl explain` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, create_model, field_validator, model_validator

from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected
from providers.references import canonicalise
from providers.registry import PROVIDERS
from schema.fields import LABEL, Version
from schema.objects import LIST, Metadata, Model, Status, rules

if TYPE_CHECKING:
    from providers.definition import Block

_NAME = "an account's name is at most 63 of a-z, 0-9 and -, for annotations name it"


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


def _rules() -> dict[str, str]:
    """CEL by message, of the whole spec: what the blocks have to do with its other fields."""
    found = {
        "exactly the block that provider names must be set": " && ".join(
            f"has(self.{name}) == (self.provider == '{name}')" for name in PROVIDERS
        )
    }
    for name, provider in PROVIDERS.items():
        if provider.burst is not None:
            message, rule = provider.burst
            found[message] = rule
        for scheme in provider.schemes:
            for message, rule in scheme.revoked.items():
                found[message] = (
                    f"self.provider != '{name}' || !has(self.revoked)"
                    f" || self.revoked.all(it, {rule})"
                )
    return found


class _Spec(Model):
    """The fields that every account has, and what holds between all."""

    model_config = rules(_rules())

    provider: str
    budget: Budget
    """How much to call this account, whoever asks."""
    revoked: Annotated[tuple[Revoked, ...], LIST, Field(max_length=256)] = ()
    """Versions that are never served again anywhere."""

    @property
    def block(self) -> Block:
        """The block that `provider` names."""
        block: Block = getattr(self, self.provider)
        return block

    @model_validator(mode="after")
    def _one_block(self) -> Self:
        for name in PROVIDERS:
            if (getattr(self, name) is not None) != (name == self.provider):
                raise ValueError(
                    f"provider {self.provider} needs the block {self.provider} and no other"
                )
        return self

    @model_validator(mode="after")
    def _enough(self) -> Self:
        rule = PROVIDERS[self.provider].burst
        if rule is not None and self.budget.burst < self.block.smallest_burst():
            raise ValueError(rule[0])
        return self

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        (scheme,) = PROVIDERS[self.provider].schemes
        for item in self.revoked:
            try:
                canonicalise(scheme.name, item.reference)
            except ReferenceRejected as rejected:
                raise ValueError(f"revoked: {rejected}") from None
        return self


def _provider_field() -> tuple[object, object]:
    """The names of all providers, and the schemes of references that each serves."""
    served = (
        f"{it.name} serves references of {' and '.join(scheme.name for scheme in it.schemes)}"
        for it in PROVIDERS.values()
    )
    return Literal[tuple(PROVIDERS)], Field(description=f"What is asked: {', '.join(served)}.")


if TYPE_CHECKING:
    AccountSpec = _Spec
else:
    AccountSpec = create_model(
        "AccountSpec",
        __base__=_Spec,
        __module__=__name__,
        __doc__="Exactly the block that `provider` names is set.",
        provider=_provider_field(),
        **{
            it.name: (it.block | None, Field(default=None, description=it.about))
            for it in PROVIDERS.values()
        },
    )


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
        """Whether references of the scheme `provider` can be fetched with this account."""
        return provider in {it.name for it in PROVIDERS[self.spec.provider].schemes}

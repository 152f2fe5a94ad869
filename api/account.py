"""SecretAccount, `lastgood.dev/v1alpha1` (docs/contract.md, "Accounts and policies"). As
`api.policy` says: a field's docstring is what `kubectl explain` says. Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, Field, create_model, field_validator, model_validator

from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected
from providers.references import canonicalise
from providers.registry import PROVIDERS
from schema.error_messages import not_one_of
from schema.fields import LABEL, Version
from schema.strict_model import LIST, AdminStatus, Metadata, Model, rules

if TYPE_CHECKING:
    from providers.definition import Block

_NAME = (
    "an account name must be 1 to 63 characters of a-z, 0-9 and -, and must start and end with a"
    " letter or digit, because annotations refer to it"
)


class Budget(Model):
    """Rate limit for provider API calls made with this account, shared by all namespaces."""

    calls_per_second: Annotated[float, Field(gt=0, le=10_000)]
    """Sustained rate, in calls per second (refill rate of the token bucket)."""
    burst: Annotated[int, Field(ge=1, le=10_000)]
    """Maximum number of calls in a burst (size of the token bucket). At least the
    number of calls that one fetch can need."""


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

    provider: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    """Provider of the reference, for example aws-ssm. Default: every provider of references that
    this account serves."""
    reference: Annotated[str, Field(min_length=1, max_length=512)]
    """Name of the secret at the provider, without the prefix "provider:"."""
    version: Version
    """Version identifier assigned by the provider."""

    def covers(self, scheme: str, reference: str) -> bool:
        """Whether it revokes a version of that reference (docs/design/026)."""
        return self.reference == reference and self.provider in {None, scheme}


def of_another() -> str:
    """Says which providers of references the accounts of each provider serve."""
    served = ", ".join(
        f"{' or '.join(scheme.name for scheme in it.schemes)} with provider {it.name}"
        for it in PROVIDERS.values()
    )
    return f"the provider of a revoked version must be one that the account serves: {served}"


def _serves() -> str:
    """CEL over `it.provider`: whether the account serves it."""
    return " || ".join(
        f"(self.provider == '{it.name}' && it.provider in"
        f" [{', '.join(repr(scheme.name) for scheme in it.schemes)}])"
        for it in PROVIDERS.values()
    )


def _rules() -> dict[str, str]:
    """CEL by message, of the whole spec: what the blocks have to do with its other fields."""
    found = {
        "exactly one provider block must be set: the one that provider names": " && ".join(
            f"has(self.{name}) == (self.provider == '{name}')" for name in PROVIDERS
        ),
        of_another(): (
            f"!has(self.revoked) || self.revoked.all(it, !has(it.provider) || {_serves()})"
        ),
    }
    for name, provider in PROVIDERS.items():
        if provider.burst is not None:
            message, rule = provider.burst
            found[message] = rule
        for number, scheme in enumerate(provider.schemes):
            # A reference that names no provider is judged as one of the first.
            other = f"has(it.provider) && it.provider != '{scheme.name}'"
            other = other if number == 0 else f"!has(it.provider) || it.provider != '{scheme.name}'"
            for message, rule in scheme.revoked.items():
                found[message] = (
                    f"self.provider != '{name}' || !has(self.revoked)"
                    f" || self.revoked.all(it, {other} || {rule})"
                )
    return found


class _AccountFields(Model):
    """The fields that every account has, and what holds between all."""

    model_config = rules(_rules())

    provider: str
    budget: Budget
    """Rate limit for provider API calls made with this account, shared by all namespaces."""
    revoked: Annotated[tuple[Revoked, ...], LIST, Field(max_length=256)] = ()
    """Versions that are never served again in any namespace."""

    @property
    def block(self) -> Block:
        """The block that `provider` names."""
        block: Block = getattr(self, self.provider)
        return block

    @field_validator("provider", mode="before")
    @classmethod
    def _not_a_scheme(cls, value: object) -> object:
        """A reference's provider in an account: the error names the account's."""
        served = {scheme.name: it.name for it in PROVIDERS.values() for scheme in it.schemes}
        if isinstance(value, str) and value in served and value not in PROVIDERS:
            raise ValueError(not_one_of(value, tuple(PROVIDERS), served[value]))
        return value

    @model_validator(mode="after")
    def _one_block(self) -> Self:
        for name in PROVIDERS:
            if (getattr(self, name) is not None) != (name == self.provider):
                raise ValueError(
                    f"provider {self.provider} requires the block {self.provider} and no other"
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
        served = [scheme.name for scheme in PROVIDERS[self.provider].schemes]
        for item in self.revoked:
            if item.provider not in {None, *served}:
                raise ValueError(of_another())
            try:
                canonicalise(item.provider or served[0], item.reference)
            except ReferenceRejected as rejected:
                raise ValueError(f"revoked: {rejected}") from None
        return self


def _provider_field() -> tuple[object, object]:
    """The names of all providers, and the references that each serves."""
    served = (
        f"{it.name} for references " + " and ".join(f'"{scheme.name}:..."' for scheme in it.schemes)
        for it in PROVIDERS.values()
    )
    return Literal[tuple(PROVIDERS)], Field(description=f"Provider type: {', '.join(served)}.")


if TYPE_CHECKING:
    AccountSpec = _AccountFields
else:
    AccountSpec = create_model(
        "AccountSpec",
        __base__=_AccountFields,
        __module__=__name__,
        __doc__="Provider, credentials and rate limit of the account.",
        provider=_provider_field(),
        **{
            it.name: (it.block | None, Field(default=None, description=it.about))
            for it in PROVIDERS.values()
        },
    )


class AccountCondition(BaseModel):
    """A condition, as in meta/v1."""

    model_config = AdminStatus.model_config

    type: str
    """LoggedIn: the account has credentials that last, or needs none. Available: the provider
    answers calls of this account."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition."""
    reason: str
    """Reason for the last transition, in one CamelCase word."""
    message: str
    """Explanation in one sentence, with the provider's error code."""
    last_transition_time: datetime
    """Time when status last changed."""


class AccountStatus(AdminStatus):
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
    login: str | None = None
    """State of the account's login. NotNeeded: the account has no login of its own. LoggedIn: the
    last login worked. RenewalFails: the last login failed, but earlier credentials are valid until
    loginUntil. Denied, Throttled, Unavailable: the login failed for this reason, and there are no
    credentials, so nothing is fetched. The condition LoggedIn has details. Unset: not known yet.
    """
    login_until: datetime | None = None
    """Time when the credentials end. Set only with RenewalFails: a login that works is renewed in
    time."""
    breaker: str | None = None
    """State of the circuit breaker. Closed: calls are made at the rate of budget. Open: the
    provider is unavailable or limits the request rate, so only one call at a time is made. Unset:
    not known yet."""
    conditions: tuple[AccountCondition, ...] | None = None
    """Conditions LoggedIn and Available. After four changes in two minutes the next change is
    shown later."""


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

    def serves(self, scheme: str) -> bool:
        """Whether references of `scheme` can be fetched with this account."""
        return scheme in {it.name for it in PROVIDERS[self.spec.provider].schemes}

"""Whether a namespace may have a source, and by which rules.

One pure decision, made by the webhook and by the controller. A policy applies to a namespace that
it lists and whose label names it, so neither side can choose alone. Among the `allow` patterns that
match, the most specific decides the class: first by the number of characters before the first
wildcard (the namespace's name counts, once put in), then by fewer `**`, then by fewer `*`, then by
more characters that are not wildcards, then by the order in the policy.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from contract.annotations import POLICY_LABEL
from contract.reference import ReferenceRejected, canonicalise
from contract.spelling import quick_suggestion
from policy.fields import LABEL, NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from contract.freshness import FreshnessClass
    from policy.account import SecretAccount
    from policy.model import SecretPolicy, Source

CONTROLLER = "controller"
"""The identity that fetches: the only one in this version."""


class Reason(StrEnum):
    """Why a source is refused."""

    NO_POLICY = "no-policy"
    UNKNOWN_POLICY = "unknown-policy"
    NAMESPACE_NOT_LISTED = "namespace-not-listed"
    BAD_REFERENCE = "bad-reference"
    NOT_ALLOWED = "not-allowed"
    UNKNOWN_ACCOUNT = "unknown-account"
    AMBIGUOUS_ACCOUNT = "ambiguous-account"
    UNREADABLE = "unreadable-policy"
    """The policy or the account is there, but not in a form that this version can read. So it is
    not known whether the admin allows it: nothing is fetched, and nothing is taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No, and a sentence that says why and what is allowed."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Yes, with what the policy says about it."""

    account: str
    identity: str
    policy: str
    rules: FreshnessClass
    propagation: str
    """`kubelet` or `nudge`."""
    validations: tuple[Mapping[str, object], ...]
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """All that admins said, at one moment."""

    accounts: Mapping[str, SecretAccount] = field(default_factory=dict)
    policies: Mapping[str, SecretPolicy] = field(default_factory=dict)
    namespaces: Mapping[str, str | None] = field(default_factory=dict)
    """The value of each namespace's policy label; None: it has none."""
    unreadable_accounts: frozenset[str] = frozenset()
    """Names of accounts that are there but could never be read."""
    unreadable_policies: frozenset[str] = frozenset()
    """Likewise of policies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    source: Source
    rank: tuple[int, ...]


def decide(
    policies: PolicySet, *, namespace: str, provider: str, account: str | None, reference: str
) -> Allowed | Refused:
    """Whether `namespace` may have `reference`. `account` None: the one account whose patterns
    match it.
    """
    policy = policy_of(policies, namespace)
    if isinstance(policy, Refused):
        return policy
    return decide_under(
        policies,
        policy,
        namespace=namespace,
        provider=provider,
        account=account,
        reference=reference,
    )


def decide_under(
    policies: PolicySet,
    policy: SecretPolicy,
    *,
    namespace: str,
    provider: str,
    account: str | None,
    reference: str,
) -> Allowed | Refused:
    """The same, when `policy_of` the namespace is known."""
    try:
        canonical = canonicalise(provider, reference)
    except ReferenceRejected as rejected:
        return Refused(reason=Reason.BAD_REFERENCE, message=str(rejected))
    matches = _matches(policy, namespace, provider, canonical)
    if account is not None:
        matches = [match for match in matches if match.source.account == account]
    if not matches:
        return _not_allowed(policy, namespace, provider, account)
    accounts = list(dict.fromkeys(match.source.account for match in matches))
    if len(accounts) > 1:
        message = (
            f"policy {policy.name} allows it from the accounts {', '.join(sorted(accounts))}; write"
        )
        examples = " or ".join(f'"{provider}@{name}:{canonical}"' for name in sorted(accounts))
        return Refused(reason=Reason.AMBIGUOUS_ACCOUNT, message=f"{message} {examples}")
    found = policies.accounts.get(accounts[0])
    if found is None and accounts[0] in policies.unreadable_accounts:
        return _unreadable(f"SecretAccount {accounts[0]}")
    if found is None or not found.serves(provider):
        serving = sorted(name for name, item in policies.accounts.items() if item.serves(provider))
        hint = quick_suggestion(accounts[0], serving)
        message = f"there is no account {accounts[0]} for {provider}{hint}"
        return Refused(reason=Reason.UNKNOWN_ACCOUNT, message=message)
    return _allowed(policy, min(matches, key=lambda match: match.rank).source)


def policy_of(policies: PolicySet, namespace: str) -> SecretPolicy | Refused:
    """The policy of a namespace: named by its label, and listing it."""
    label = policies.namespaces.get(namespace)
    if label is None or not LABEL.fullmatch(namespace):
        message = (
            f"namespace {namespace} has no label {POLICY_LABEL}; an admin has to choose its policy"
        )
        return Refused(reason=Reason.NO_POLICY, message=message)
    policy = policies.policies.get(label)
    if policy is None and label in policies.unreadable_policies:
        return _unreadable(f"SecretPolicy {label}")
    if policy is None:
        message = f"namespace {namespace} names the policy {label}, which does not exist"
        return Refused(reason=Reason.UNKNOWN_POLICY, message=message)
    if not any(glob(pattern, namespace) for pattern in policy.spec.namespaces):
        listed = ", ".join(policy.spec.namespaces)
        message = f"policy {label} does not list namespace {namespace}; it lists {listed}"
        return Refused(reason=Reason.NAMESPACE_NOT_LISTED, message=message)
    return policy


def matches(pattern: str, reference: str) -> bool:
    """Whether a pattern (namespace put in, without the provider) matches a canonical reference."""
    head, wildcard, _ = pattern.partition("*")
    if not wildcard or not reference.startswith(head):
        return pattern == reference
    if "**" not in pattern:
        mine, theirs = pattern.split("/"), reference.split("/")
        return len(mine) == len(theirs) and all(map(glob, mine, theirs))
    steps: list[str] = []
    for segment in pattern.split("/"):
        steps.extend(("*", "**") if segment == "**" else (segment,))
    return _wild(steps, reference.split("/"), many="**", one=glob)


def glob(pattern: str, text: str) -> bool:
    """Whether `pattern` matches all of `text`; `*` stands for zero or more characters."""
    if pattern == "*" or "*" not in pattern:
        return pattern in {"*", text}
    return _wild(pattern, text, many="*", one=operator.eq)


def _wild(
    pattern: Sequence[str], text: Sequence[str], *, many: str, one: Callable[[str, str], bool]
) -> bool:
    """Greedy match with one step back to the last `many`: at most len(pattern) * len(text)
    comparisons.
    """
    at = read = 0
    retry: tuple[int, int] | None = None
    while read < len(text):
        if at < len(pattern) and pattern[at] == many:
            at, retry = at + 1, (at + 1, read)
        elif at < len(pattern) and one(pattern[at], text[read]):
            at, read = at + 1, read + 1
        elif retry is not None:
            at, read = retry[0], retry[1] + 1
            retry = (at, read)
        else:
            return False
    return all(item == many for item in pattern[at:])


def _matches(policy: SecretPolicy, namespace: str, provider: str, reference: str) -> list[_Match]:
    prefix = provider + ":"
    found = []
    for order, source in enumerate(policy.spec.sources):
        for allow in source.allow:
            if allow.startswith(prefix):
                pattern = allow[len(prefix) :].replace(NAMESPACE, namespace)
                if matches(pattern, reference):
                    found.append(_Match(source=source, rank=(*_rank(pattern), order)))
    return found


def _rank(pattern: str) -> tuple[int, int, int, int]:
    """Smaller is more specific."""
    many = pattern.count("**")
    one = pattern.count("*") - 2 * many
    return (-len(pattern.partition("*")[0]), many, one, -len(pattern.replace("*", "")))


def _allowed(policy: SecretPolicy, source: Source) -> Allowed:
    rules = policy.spec.classes[source.rules]
    return Allowed(
        account=source.account,
        identity=CONTROLLER,
        policy=policy.name,
        rules=rules.as_rules(source.rules),
        propagation=rules.propagation,
        validations=tuple(check.as_mapping() for check in source.checks),
        max_bytes=policy.spec.limits.bytes_per_secret,
    )


def _unreadable(what: str) -> Refused:
    message = (
        f"{what} can't be read; an admin has to correct it, the log of the controller says how"
    )
    return Refused(reason=Reason.UNREADABLE, message=message)


def _not_allowed(
    policy: SecretPolicy, namespace: str, provider: str, account: str | None
) -> Refused:
    sources = [source for source in policy.spec.sources if account in {None, source.account}]
    if account is not None and not sources:
        known = sorted({source.account for source in policy.spec.sources})
        message = (
            f"policy {policy.name} has no account {account}; it has {', '.join(known) or 'none'}"
            f"{quick_suggestion(account, known)}"
        )
        return Refused(reason=Reason.UNKNOWN_ACCOUNT, message=message)
    patterns = [allow.replace(NAMESPACE, namespace) for source in sources for allow in source.allow]
    shown = [pattern for pattern in dict.fromkeys(patterns) if pattern.startswith(provider + ":")]
    allowed = f"; allowed are {', '.join(shown)}" if shown else f"; it allows nothing of {provider}"
    return Refused(
        reason=Reason.NOT_ALLOWED,
        message=f"policy {policy.name} does not allow it in namespace {namespace}{allowed}",
    )

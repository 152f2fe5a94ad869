"""Whether a namespace may have a source, and by which rules.

One pure decision, made by the webhook and by the controller. A policy applies to a namespace that
it lists and whose label names it, so neither side can choose alone. Among the `allow` patterns that
match, the most specific decides the class: first by the number of characters before the first
wildcard (the namespace's name counts, once put in), then by fewer `**`, then by fewer `*`, then by
more characters that are not wildcards, then by the order in the policy. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from api.patterns import NAMESPACE
from contract.annotations import POLICY_LABEL
from contract.reference import ReferenceRejected
from contract.spelling import quick_suggestion
from providers.references import canonicalise, namespace_of, written
from schema.fields import LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from api.account import SecretAccount
    from api.policy import SecretPolicy, SourceRule
    from contract.freshness import FreshnessClass

CONTROLLER = "controller"
"""The identity that fetches: the only one in this version."""
MOST_SHOWN = 10
"""Patterns or accounts in one message."""
ASK = ". Ask the owner of this namespace's SecretPolicy"
"""In `Refused.brief`, instead of what the policy names."""


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
    brief: str | None = None
    """The same for a reader who may be a stranger to the namespace: it names nothing that only the
    policy names. None: `message` names nothing of the kind."""

    def told(self, *, known: bool) -> str:
        """The sentence for a reader. `known`: it is known to be one of the namespace."""
        return self.message if known or self.brief is None else self.brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Yes, with what the policy says about it."""

    account: str
    identity: str
    policy: str
    rules: FreshnessClass
    propagation: str
    """`kubelet` or `nudge`."""
    hold_s: float | None
    """How long a version that lost a member in use is held; None: the freshness budget."""
    validations: tuple[Mapping[str, object], ...]
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PolicySet:
    """All that admins said, at one moment. Compared by identity."""

    accounts: Mapping[str, SecretAccount] = field(default_factory=dict)
    policies: Mapping[str, SecretPolicy] = field(default_factory=dict)
    namespaces: Mapping[str, str | None] = field(default_factory=dict)
    """The value of each namespace's policy label; None: it has none."""
    unreadable_accounts: frozenset[str] = frozenset()
    """Names of accounts that are there but could never be read."""
    unreadable_policies: frozenset[str] = frozenset()
    """The same of policies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedRule:
    """A pattern that matches a reference."""

    source: int
    """Place of its source in `spec.sources`, from 0."""
    pattern: str
    """With its provider; the namespace is put in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    source: SourceRule
    pattern: str
    rank: tuple[int, ...]


class Matcher:
    """Decides on many references of one namespace. The policy's patterns are read once, so that the
    time is that of the patterns plus that of the references, and not their product.
    """

    def __init__(self, policies: PolicySet, policy: SecretPolicy, namespace: str) -> None:
        """`policy` is `policy_of` the namespace."""
        self._policies = policies
        self._policy = policy
        self._namespace = namespace
        self._heads: dict[str, _Heads] = {}
        """By provider."""
        self._refused: dict[tuple[str, str | None], Refused] = {}

    def decide(self, scheme: str, account: str | None, reference: str) -> Allowed | Refused:
        """Whether the namespace may have `reference`."""
        try:
            canonical = canonicalise(scheme, reference)
        except ReferenceRejected as rejected:
            return Refused(reason=Reason.BAD_REFERENCE, message=str(rejected))
        if namespace_of(scheme, canonical) not in {None, self._namespace}:
            return Refused(
                reason=Reason.NOT_ALLOWED,
                message=f"it is not in namespace {self._namespace}, and no policy can allow that",
            )
        matches = self._matches(scheme, canonical)
        if account is not None:
            matches = [match for match in matches if match.source.account == account]
        if not matches:
            return self._not_allowed(scheme, account)
        accounts = sorted({match.source.account for match in matches})
        if len(accounts) > 1:
            return _ambiguous(self._policy, accounts, scheme, written(scheme, canonical))
        missing = self._missing(accounts[0], scheme)
        if missing is not None:
            return missing
        return _allowed(self._policy, min(matches, key=lambda match: match.rank).source)

    def matching(self, scheme: str, account: str | None, reference: str) -> list[MatchedRule]:
        """The patterns that match a canonical reference, the one that decides first. `account`
        None: of all accounts.
        """
        found = [
            match
            for match in self._matches(scheme, reference)
            if account in {None, match.source.account}
        ]
        return [
            MatchedRule(source=match.rank[-1], pattern=f"{scheme}:{match.pattern}")
            for match in sorted(found, key=lambda match: match.rank)
        ]

    def _matches(self, scheme: str, reference: str) -> list[_Match]:
        heads = self._heads.get(scheme)
        if heads is None:
            heads = self._heads[scheme] = _heads(self._policy, self._namespace, scheme)
        return [
            _Match(source=source, pattern=pattern, rank=(*rank(pattern), order))
            for head in heads.starting(reference)
            for order, source, pattern in heads.patterns[head]
            if matches(pattern, reference)
        ]

    def _missing(self, account: str, scheme: str) -> Refused | None:
        """Why an account that the policy names can't be asked; None: it can."""
        found = self._policies.accounts.get(account)
        if found is not None and found.serves(scheme):
            return None
        if found is None and account in self._policies.unreadable_accounts:
            return _unreadable(f"SecretAccount {account}", brief="a SecretAccount of the policy")
        return Refused(
            reason=Reason.UNKNOWN_ACCOUNT,
            message=(
                f"there is no SecretAccount {account} for provider {scheme}. An admin must create"
                " it"
            ),
            brief=f"policy {self._policy.name} names a SecretAccount that does not exist{ASK}",
        )

    def _not_allowed(self, scheme: str, account: str | None) -> Refused:
        asked = (scheme, account)
        if asked not in self._refused:
            self._refused[asked] = _not_allowed(self._policy, self._namespace, scheme, account)
        return self._refused[asked]


def policy_of(policies: PolicySet, namespace: str) -> SecretPolicy | Refused:
    """The policy of a namespace: named by its label, and listing it."""
    label = policies.namespaces.get(namespace)
    if label is None or not LABEL.fullmatch(namespace):
        message = (
            f"namespace {namespace} has no label {POLICY_LABEL}. An admin must set it to the name"
            " of a SecretPolicy"
        )
        return Refused(reason=Reason.NO_POLICY, message=message)
    policy = policies.policies.get(label)
    if policy is None and label in policies.unreadable_policies:
        return _unreadable(f"SecretPolicy {label}")
    if policy is None:
        message = (
            f"namespace {namespace} selects SecretPolicy {label}, which does not exist. An admin"
            f" must create it, or correct the label {POLICY_LABEL}"
        )
        return Refused(reason=Reason.UNKNOWN_POLICY, message=message)
    if not any(glob(pattern, namespace) for pattern in policy.spec.namespaces):
        message = (
            f"policy {label} does not list namespace {namespace}. An admin must add it to"
            " spec.namespaces"
        )
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
    return _wild(steps, reference.split("/"))


def glob(pattern: str, text: str) -> bool:
    """Whether `pattern` matches all of `text`; `*` stands for zero or more characters.

    Each part between two wildcards is taken where it comes first: another place would leave less
    for the parts after it.
    """
    if "*" not in pattern:
        return pattern == text
    head, *parts, tail = pattern.split("*")
    at, end = len(head), len(text) - len(tail)
    if end < at or not text.startswith(head) or not text.endswith(tail):
        return False
    for part in parts:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _wild(pattern: Sequence[str], text: Sequence[str]) -> bool:
    """Whether segments match; `**` stands for zero or more of them. Greedy, with one step back to
    the last `**`: at most len(pattern) * len(text) comparisons.
    """
    at = read = 0
    retry: tuple[int, int] | None = None
    while read < len(text):
        if at < len(pattern) and pattern[at] == "**":
            at, retry = at + 1, (at + 1, read)
        elif at < len(pattern) and glob(pattern[at], text[read]):
            at, read = at + 1, read + 1
        elif retry is not None:
            at, read = retry[0], retry[1] + 1
            retry = (at, read)
        else:
            return False
    return all(item == "**" for item in pattern[at:])


@dataclass(frozen=True, slots=True)
class _Heads:
    """A policy's patterns of one provider, by what stands before their first wildcard."""

    patterns: dict[str, list[tuple[int, SourceRule, str]]]
    """With their source and its place in the policy; the namespace is put in."""
    lengths: tuple[int, ...]

    def starting(self, reference: str) -> list[str]:
        """The heads that a reference starts with."""
        found = (reference[:length] for length in self.lengths if length <= len(reference))
        return [head for head in found if head in self.patterns]


def _heads(policy: SecretPolicy, namespace: str, scheme: str) -> _Heads:
    prefix = scheme + ":"
    patterns: dict[str, list[tuple[int, SourceRule, str]]] = {}
    for order, source in enumerate(policy.spec.sources):
        for allow in source.allow:
            if allow.startswith(prefix):
                pattern = allow[len(prefix) :].replace(NAMESPACE, namespace)
                head = pattern.partition("*")[0]
                patterns.setdefault(head, []).append((order, source, pattern))
    return _Heads(patterns, tuple(sorted({len(head) for head in patterns})))


def rank(pattern: str) -> tuple[int, int, int, int]:
    """How specific a pattern without its provider is: smaller is more specific."""
    many = pattern.count("**")
    one = pattern.count("*") - 2 * many
    return (-len(pattern.partition("*")[0]), many, one, -len(pattern.replace("*", "")))


def _allowed(policy: SecretPolicy, source: SourceRule) -> Allowed:
    rules = policy.spec.classes[source.rules]
    return Allowed(
        account=source.account,
        identity=CONTROLLER,
        policy=policy.name,
        rules=rules.as_rules(source.rules),
        propagation=rules.propagation,
        hold_s=rules.hold_lost_member,
        validations=tuple(check.as_mapping() for check in source.checks),
        max_bytes=policy.spec.limits.bytes_per_secret,
    )


def _ambiguous(
    policy: SecretPolicy, accounts: Sequence[str], scheme: str, reference: str
) -> Refused:
    outline = f"policy {policy.name} allows it from"
    shown = accounts[:MOST_SHOWN]
    examples = " or ".join(f'"{scheme}@{name}:{reference}"' for name in shown)
    return Refused(
        reason=Reason.AMBIGUOUS_ACCOUNT,
        message=f"{outline} the accounts {_few(accounts)}. Name one of them: {examples}",
        brief=f"{outline} {len(accounts)} accounts{ASK}",
    )


def _unreadable(what: str, *, brief: str | None = None) -> Refused:
    says = "cannot be read. An admin must correct it. The controller's log shows what is wrong"
    return Refused(
        reason=Reason.UNREADABLE,
        message=f"{what} {says}",
        brief=None if brief is None else f"{brief} {says}",
    )


def _not_allowed(policy: SecretPolicy, namespace: str, scheme: str, account: str | None) -> Refused:
    sources = [source for source in policy.spec.sources if account in {None, source.account}]
    if account is not None and not sources:
        known = sorted({source.account for source in policy.spec.sources})
        outline = f"policy {policy.name} has no account {account}"
        return Refused(
            reason=Reason.UNKNOWN_ACCOUNT,
            message=f"{outline}. Allowed: {_few(known)}{quick_suggestion(account, known)}",
            brief=outline + ASK,
        )
    patterns = [allow.replace(NAMESPACE, namespace) for source in sources for allow in source.allow]
    shown = [*_as_in_annotations(dict.fromkeys(patterns), scheme, namespace)]
    allowed = (
        f". Allowed: {_few(shown)}" if shown else f". It allows no secrets of provider {scheme}"
    )
    outline = f"policy {policy.name} does not allow this secret in namespace {namespace}"
    return Refused(reason=Reason.NOT_ALLOWED, message=outline + allowed, brief=outline + ASK)


def _as_in_annotations(patterns: Iterable[str], scheme: str, namespace: str) -> Iterator[str]:
    """Those of a provider that say something of the namespace, once each."""
    told = set()
    for pattern in patterns:
        head, _, text = pattern.partition(":")
        place = namespace_of(scheme, text)
        if head == scheme and (place is None or glob(place, namespace)):
            annotated = f"{scheme}:{written(scheme, text)}"
            if annotated not in told:
                told.add(annotated)
                yield annotated


def _few(names: Sequence[str]) -> str:
    """As many as a message has room for."""
    shown = ", ".join(names[:MOST_SHOWN])
    more = len(names) - MOST_SHOWN
    return (f"{shown} and {more} more" if more > 0 else shown) or "none"

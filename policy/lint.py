"""Probable mistakes in accounts and policies that are valid. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING

from api.patterns import NAMESPACE
from contract.reference import ReferenceRejected
from contract.spelling import suggestion
from policy.match import Reason, Refused, glob, policy_of, rank
from policy.pattern_cover import compare
from providers.references import canonicalise, namespace_of, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from api.policy import SecretPolicy
    from policy.match import PolicySet

_FILLS = ("a", "aa1", "")
"""What stands for a wildcard in an example of a pattern."""
_LONG_FILLS = ("a", "a/a", "a/a/a")
"""The same for `**`."""
MOST_COST = 300_000
"""Of comparing the patterns of one policy with each other, as `compare` counts: some seconds."""


class LintRule(StrEnum):
    """What is looked for. docs/check.md has a line for each."""

    UNKNOWN_ACCOUNT = "unknown-account"
    WRONG_PROVIDER = "wrong-provider"
    MATCHES_NOTHING = "matches-nothing"
    UNREACHABLE_RULE = "unreachable-rule"
    SHADOWED_PATTERN = "shadowed-pattern"
    AMBIGUOUS_ACCOUNTS = "ambiguous-accounts"
    UNUSED_CLASS = "unused-class"
    UNLISTED_NAMESPACE = "unlisted-namespace"
    WITHOUT_NAMESPACE = "without-namespace"
    TOO_MANY_PATTERNS = "too-many-patterns"


ERRORS = frozenset(
    {
        LintRule.UNKNOWN_ACCOUNT,
        LintRule.WRONG_PROVIDER,
        LintRule.MATCHES_NOTHING,
        LintRule.UNREACHABLE_RULE,
        LintRule.UNLISTED_NAMESPACE,
    }
)
"""What can never work as written. The others are warnings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintRemark:
    """One probable mistake."""

    rule: LintRule
    object: str
    """For example `SecretPolicy payments`."""
    field: str
    """For example `spec.sources[0].allow[1]`."""
    message: str

    @property
    def error(self) -> bool:
        return self.rule in ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """One item of one `allow`."""

    source: int
    item: int
    account: str
    whole: str
    text: str
    """Without its provider."""

    @property
    def field(self) -> str:
        return f"spec.sources[{self.source}].allow[{self.item}]"

    @property
    def order(self) -> tuple[int, ...]:
        """Of two that match, the smaller one decides."""
        return (*rank(self.text), self.source, self.item)

    @property
    def head(self) -> tuple[str, str]:
        """Provider, and the text before the first wildcard. A pattern that matches as much has a
        head that this one starts with, and is chosen first only with an equal one.
        """
        return self.whole.partition(":")[0], self.text.partition("*")[0]

    @property
    def tail(self) -> str:
        """The text after the last wildcard. That of a pattern that matches as much is an end of
        this one.
        """
        return self.text.rpartition("*")[2]


class _TooManyPatternsError(Exception):
    """The patterns of a policy were compared for long enough. Caught by `_patterns`."""


class _Rivals:
    """The patterns of a policy by head and tail, so that those that cannot match the same are not
    compared. Each question costs; `_TooManyPatternsError` when they have cost MOST_COST.
    """

    def __init__(self, patterns: Iterable[_Pattern]) -> None:
        self._cost = 0
        self._by_head: dict[tuple[str, str], dict[str, list[_Pattern]]] = {}
        for pattern in patterns:
            tails = self._by_head.setdefault(pattern.head, {})
            tails.setdefault(pattern.tail, []).append(pattern)

    def of_head(self, pattern: _Pattern, head: tuple[str, str]) -> Iterator[_Pattern]:
        """Those of that head that may match as much as `pattern`."""
        tails = self._by_head.get(head)
        if tails is None:
            return
        tail = pattern.tail
        self._spend(1 + len(tail) // 32)
        for start in range(len(tail), -1, -1):
            yield from tails.get(tail[start:], ())

    def covers(self, outer: _Pattern, inner: _Pattern) -> bool:
        """Whether `outer` matches all that `inner` matches."""
        covered, cost = compare(outer.text, inner.text)
        self._spend(cost)
        return covered

    def _spend(self, cost: int) -> None:
        self._cost += cost
        if self._cost > MOST_COST:
            raise _TooManyPatternsError


def lint(policies: PolicySet, *, accounts: bool = True) -> list[LintRemark]:
    """All remarks, in the order of objects and fields. `accounts`: whether all are known."""
    found: list[LintRemark] = []
    for policy in policies.policies.values():
        if accounts:
            found += _accounts(policies, policy)
        found += _patterns(policy)
        found += _classes(policy)
        if policies.namespaces:
            found += _without_namespace(policies, policy)
    return [*found, *_labels(policies)]


def unlisted(policies: PolicySet) -> dict[str, Refused]:
    """Why labelled namespaces have no policy. An unreadable policy is not among the reasons."""
    found = {}
    for name, label in sorted(policies.namespaces.items()):
        decided = policy_of(policies, name) if label is not None else None
        if isinstance(decided, Refused) and decided.reason is not Reason.UNREADABLE:
            found[name] = decided
    return found


def without_namespace(policies: PolicySet, policy: SecretPolicy) -> str | None:
    """Why a policy applies to no namespace; None: it applies to one."""
    listed = [
        name
        for name in sorted(policies.namespaces)
        if any(glob(pattern, name) for pattern in policy.spec.namespaces)
    ]
    if any(policies.namespaces[name] == policy.name for name in listed):
        return None
    others = [name for name in listed if policies.namespaces[name] is not None]
    if others:
        label = policies.namespaces[others[0]]
        return f"namespace {others[0]} is listed here, but its label names policy {label}"
    if listed:
        return f"namespace {listed[0]} is listed here, but has no label lastgood.dev/policy"
    return "no namespace that it lists exists"


def _labels(policies: PolicySet) -> Iterator[LintRemark]:
    for name, refused in unlisted(policies).items():
        yield LintRemark(
            rule=LintRule.UNLISTED_NAMESPACE,
            object=f"Namespace {name}",
            field="metadata.labels",
            message=refused.message,
        )


def _without_namespace(policies: PolicySet, policy: SecretPolicy) -> Iterator[LintRemark]:
    why = without_namespace(policies, policy)
    if why is not None:
        yield _remark(
            LintRule.WITHOUT_NAMESPACE,
            policy,
            "spec.namespaces",
            f"it applies to no namespace: {why}",
        )


def _accounts(policies: PolicySet, policy: SecretPolicy) -> Iterator[LintRemark]:
    for index, source in enumerate(policy.spec.sources):
        field = f"spec.sources[{index}]"
        account = policies.accounts.get(source.account)
        if account is None and source.account in policies.unreadable_accounts:
            continue
        if account is None:
            hint = suggestion(source.account, policies.accounts)
            message = f"there is no SecretAccount {source.account}{hint}"
            yield _remark(LintRule.UNKNOWN_ACCOUNT, policy, f"{field}.account", message)
            continue
        for item, allow in enumerate(source.allow):
            if not account.serves(allow.partition(":")[0]):
                message = (
                    f"account {account.name} has provider {account.spec.provider}, which cannot"
                    f' serve "{allow}"'
                )
                yield _remark(LintRule.WRONG_PROVIDER, policy, f"{field}.allow[{item}]", message)


def _patterns(policy: SecretPolicy) -> Iterator[LintRemark]:
    patterns = [
        _Pattern(
            source=index,
            item=item,
            account=source.account,
            whole=allow,
            text=allow.partition(":")[2],
        )
        for index, source in enumerate(policy.spec.sources)
        for item, allow in enumerate(source.allow)
    ]
    rivals = _Rivals(patterns)
    stopped = False
    dead: set[tuple[int, int]] = set()
    for pattern in patterns:
        remark = _nothing(policy, pattern)
        if remark is None and not stopped:
            try:
                remark = _shadowed(policy, pattern, rivals) or _ambiguous(policy, pattern, rivals)
            except _TooManyPatternsError:
                stopped = True
        if remark is not None:
            yield remark
            if remark.rule is not LintRule.AMBIGUOUS_ACCOUNTS:
                dead.add((pattern.source, pattern.item))
    for index, source in enumerate(policy.spec.sources):
        if all((index, item) in dead for item in range(len(source.allow))):
            message = "no secret is ever decided by this source: see the remarks on its patterns"
            yield _remark(LintRule.UNREACHABLE_RULE, policy, f"spec.sources[{index}]", message)
    if stopped:
        message = (
            "too many patterns may match the same secrets: not all were compared with each other"
        )
        yield _remark(LintRule.TOO_MANY_PATTERNS, policy, "spec.sources", message)


def _nothing(policy: SecretPolicy, pattern: _Pattern) -> LintRemark | None:
    """That no reference which the provider accepts matches, or none of the policy's namespaces."""
    scheme = pattern.whole.partition(":")[0]
    place = namespace_of(scheme, pattern.text)
    if place is not None and not _may_be_of(policy, place):
        message = (
            f'"{pattern.whole}" matches no secret of a namespace that this policy lists:'
            f" {scheme} references are of the pod's own namespace. Did you mean"
            f' "{scheme}:{NAMESPACE}/{written(scheme, pattern.text)}"?'
        )
        return _remark(LintRule.MATCHES_NOTHING, policy, pattern.field, message)
    rejected = ""
    for one, many in product(_FILLS, _LONG_FILLS):
        filled = pattern.text.replace(NAMESPACE, "ns").replace("**", many).replace("*", one)
        try:
            canonicalise(scheme, filled)
        except ReferenceRejected as error:
            rejected = rejected or str(error)
            continue
        return None
    message = f'"{pattern.whole}" matches no valid reference, for example: {rejected}'
    return _remark(LintRule.MATCHES_NOTHING, policy, pattern.field, message)


def _may_be_of(policy: SecretPolicy, place: str) -> bool:
    """Whether the namespace in a pattern may be one that the policy lists."""
    if "*" in place or NAMESPACE in place:
        return True
    return any(glob(pattern, place) for pattern in policy.spec.namespaces)


def _shadowed(policy: SecretPolicy, pattern: _Pattern, rivals: _Rivals) -> LintRemark | None:
    """That another pattern of the same account is always chosen instead."""
    for rival in rivals.of_head(pattern, pattern.head):
        if (
            rival.account == pattern.account
            and rival.order < pattern.order
            and rivals.covers(rival, pattern)
        ):
            message = (
                f'"{pattern.whole}" has no effect: "{rival.whole}" in {rival.field} matches the'
                " same secrets and is chosen first"
            )
            return _remark(LintRule.SHADOWED_PATTERN, policy, pattern.field, message)
    return None


def _ambiguous(policy: SecretPolicy, pattern: _Pattern, rivals: _Rivals) -> LintRemark | None:
    """That another account may be asked for all that a pattern matches. Said once for a pair."""
    scheme, head = pattern.head
    for length in range(len(head) + 1):
        for rival in rivals.of_head(pattern, (scheme, head[:length])):
            if rival.account == pattern.account or not rivals.covers(rival, pattern):
                continue
            if rival.order > pattern.order and rivals.covers(pattern, rival):
                continue
            message = (
                f'"{pattern.whole}" is allowed from account {pattern.account}, and by {rival.field}'
                f" also from {rival.account}. Pods must name the account, for example"
                f' "{scheme}@{pattern.account}:..."'
            )
            return _remark(LintRule.AMBIGUOUS_ACCOUNTS, policy, pattern.field, message)
    return None


def _classes(policy: SecretPolicy) -> Iterator[LintRemark]:
    used = {source.rules for source in policy.spec.sources}
    for name in policy.spec.classes:
        if name not in used:
            message = f"no source has the class {name}"
            yield _remark(LintRule.UNUSED_CLASS, policy, f"spec.classes.{name}", message)


def _remark(rule: LintRule, policy: SecretPolicy, field: str, message: str) -> LintRemark:
    return LintRemark(rule=rule, object=f"SecretPolicy {policy.name}", field=field, message=message)

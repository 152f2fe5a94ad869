"""What the lint finds in policies that are valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.lint import LintRule, lint
from policy.load import read_texts
from policy.match import rank
from policy.pattern_cover import compare
from tests import make
from tests.policy.given import account, namespace, policy, source

WELL = [account(), account("test"), namespace("pay")]
EACH = [source("aws-sm:/a/*"), source("aws-sm:/b/*", rules="critical")]
"""Sources that use each class."""
CLUSTER = account("cluster", provider="kubernetes", kubernetes={}, aws=None)
CASES = {
    "nothing": ([*WELL, policy(*EACH)], []),
    "two of one pattern": (
        [*WELL, policy(*EACH, source("aws-sm:/c", "aws-sm:/a/*", rules="critical"))],
        [("shadowed-pattern", "spec.sources[2].allow[1]")],
    ),
    "a whole source": (
        [*WELL, policy(*EACH, source("aws-sm:/a/*", rules="critical"))],
        [
            ("shadowed-pattern", "spec.sources[2].allow[0]"),
            ("unreachable-rule", "spec.sources[2]"),
        ],
    ),
    "a narrower pattern that counts as less specific": (
        [*WELL, policy(*EACH, source("aws-sm:/c/**/*", "aws-sm:/d"), source("aws-sm:/c/**"))],
        [("shadowed-pattern", "spec.sources[2].allow[0]")],
    ),
    "a general pattern behind a specific one": (
        [*WELL, policy(*EACH, source("aws-sm:/a/**"))],
        [],
    ),
    "two accounts": (
        [*WELL, policy(*EACH, source("aws-sm:/**", account="test"))],
        [
            ("ambiguous-accounts", "spec.sources[0].allow[0]"),
            ("ambiguous-accounts", "spec.sources[1].allow[0]"),
        ],
    ),
    "one pattern of two accounts": (
        [*WELL, policy(*EACH, source("aws-sm:/a/*", account="test"))],
        [("ambiguous-accounts", "spec.sources[2].allow[0]")],
    ),
    "no such account": (
        [*WELL, policy(*EACH, source("aws-sm:/c/*", account="prd"))],
        [("unknown-account", "spec.sources[2].account")],
    ),
    "an account of another provider": (
        [*WELL, policy(*EACH, source("vault:kv/*"))],
        [("wrong-provider", "spec.sources[2].allow[0]")],
    ),
    "a reserved name": (
        [*WELL, policy(*EACH, source("aws-ssm:/aws/*", "aws-ssm:/prod/*"))],
        [("matches-nothing", "spec.sources[2].allow[0]")],
    ),
    "a character that the provider does not have": (
        [*WELL, policy(*EACH, source("aws-ssm:/prod/a@b/*", "aws-ssm:/prod/*"))],
        [("matches-nothing", "spec.sources[2].allow[0]")],
    ),
    "a secret of a namespace that is not listed": (
        [*WELL, CLUSTER, policy(*EACH, source("k8s:orders/*", "k8s:pay/*", account="cluster"))],
        [("matches-nothing", "spec.sources[2].allow[0]")],
    ),
    "secrets of listed namespaces": (
        [*WELL, CLUSTER, policy(*EACH, source("k8s:pay-eu/a", "k8s:p*/b", account="cluster"))],
        [],
    ),
    "a class that nothing has": (
        [*WELL, policy(EACH[0])],
        [("unused-class", "spec.classes.critical")],
    ),
    "a label of another policy": (
        [*WELL, policy(*EACH), namespace("pay-roll", "steam")],
        [("unlisted-namespace", "metadata.labels")],
    ),
    "a namespace that no policy lists": (
        [*WELL, policy(*EACH), namespace("orders")],
        [("unlisted-namespace", "metadata.labels")],
    ),
    "a policy for no namespace": (
        [*WELL[:2], namespace("orders", None), policy(*EACH)],
        [("without-namespace", "spec.namespaces")],
    ),
    "a policy whose namespaces have no label": (
        [*WELL[:2], namespace("pay", None), policy(*EACH)],
        [("without-namespace", "spec.namespaces")],
    ),
}


@pytest.mark.parametrize(("objects", "found"), CASES.values(), ids=CASES)
def test_lint(objects: list[dict[str, Any]], found: list[tuple[str, str]]) -> None:
    """Each remark by rule and field, and no other one."""
    policies, problems = read_texts({"all.yaml": make.as_file(*objects)})
    assert problems == []
    assert [(it.rule.value, it.field) for it in lint(policies)] == found


def test_each_rule_has_a_case() -> None:
    """None is looked for in vain. The one that needs a thousand patterns has a test of its own."""
    found = {rule for _, found in CASES.values() for rule, _ in found}
    assert found == set(LintRule) - {LintRule.TOO_MANY_PATTERNS}


def test_accounts_elsewhere() -> None:
    """Where accounts are not given, none is missed, and no namespace is."""
    policies, _ = read_texts({"all.yaml": make.as_file(policy(*EACH))})
    assert lint(policies, accounts=False) == []
    assert [it.rule for it in lint(policies)] == [LintRule.UNKNOWN_ACCOUNT] * 2


def test_what_a_remark_says() -> None:
    """Both patterns, and the account that pods have to name."""
    objects = [*WELL, policy(*EACH, source("aws-sm:/a/*", account="test"))]
    policies, _ = read_texts({"all.yaml": make.as_file(*objects)})
    (remark,) = lint(policies)
    assert remark.object == "SecretPolicy team"
    assert 'Pods must name the account, for example "aws-sm@test:..."' in remark.message


def test_a_pattern_of_another_namespace_is_told_how_to_have_the_pods_own() -> None:
    """The only one that k8s references can have."""
    objects = [*WELL, CLUSTER, policy(*EACH, source("k8s:orders/app-*", account="cluster"))]
    policies, _ = read_texts({"all.yaml": make.as_file(*objects)})
    assert 'Did you mean "k8s:{namespace}/app-*"?' in lint(policies)[0].message


@pytest.mark.parametrize(
    ("form", "complete"),
    [("/prod/*/s{}", True), ("/prod/s{}/*", True), ("/p/*{}*/z", False), ("/p/**/{}/**", False)],
)
def test_many_patterns_with_a_common_head(
    form: str, *, complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patterns that differ before or after their wildcards are not compared. What is left is
    bounded, and the remark says so.
    """
    monkeypatch.setattr("policy.lint.MOST_COST", 20_000)
    allow = [f"aws-sm:{form.format(number)}" for number in range(1000, 2000)]
    sources = [source(*allow[at : at + 50]) for at in range(0, 1000, 50)]
    objects = [*WELL, policy(*EACH, *sources)]
    policies, problems = read_texts({"all.yaml": make.as_file(*objects)})
    assert problems == []
    rules = [] if complete else [LintRule.TOO_MANY_PATTERNS]
    assert [it.rule for it in lint(policies)] == rules


@given(st.data())
def test_no_remark_is_lost_for_the_order_of_heads_and_tails(data: st.DataObject) -> None:
    """The same shadows as when each pattern is compared with each other one."""
    segments = st.lists(st.sampled_from(["a", "b", "*", "a*", "*b", "**"]), min_size=1, max_size=3)
    texts = segments.map(lambda found: "aws-sm:/" + "/".join(found))
    allow = data.draw(st.lists(texts, min_size=1, max_size=8))
    policies, _ = read_texts({"all.yaml": make.as_file(*WELL, policy(source(*allow)))})
    shadowed = {it.field for it in lint(policies) if it.rule is LintRule.SHADOWED_PATTERN}
    bare = [it.partition(":")[2] for it in allow]
    order = [(*rank(text), number) for number, text in enumerate(bare)]
    expected = {
        f"spec.sources[0].allow[{mine}]"
        for mine, inner in enumerate(bare)
        if any(
            order[other] < order[mine] and compare(outer, inner)[0]
            for other, outer in enumerate(bare)
        )
    }
    assert shadowed == expected

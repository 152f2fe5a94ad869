"""Which source a namespace may have, and by which rules."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.reference import ReferenceRejected
from policy.load import load_texts
from policy.match import (
    Allowed,
    Matcher,
    Reason,
    Refused,
    glob,
    matches,
    policy_of,
)
from providers.references import canonicalise
from tests import make
from tests.policy.given import account, decided, namespace, policy, policy_set, source
from tests.properties import strategies

MATCHES = {
    "literal": ("/a/b", "/a/b", True),
    "star in a segment": ("/a/b*d", "/a/bcd", True),
    "star is one segment": ("/a/*", "/a/b/c", False),
    "star at the start": ("/*/b", "/a/b", True),
    "two stars": ("/a/**", "/a/b/c", True),
    "two stars need a segment": ("/a/**", "/a", False),
    "two stars inside": ("/a/**/z", "/a/b/c/z", True),
    "two stars inside need one": ("/a/**/z", "/a/z", False),
    "two stars twice": ("/**/x/**/y", "/a/x/b/x/c/y", True),
    "a rooted name is another": ("/a/*", "a/b", False),
}


@pytest.mark.parametrize(("pattern", "reference", "expected"), MATCHES.values(), ids=MATCHES)
def test_patterns_match_by_segments(pattern: str, reference: str, *, expected: bool) -> None:
    """`*` stays in its segment, `**` stands for one or more whole ones."""
    assert matches(pattern, reference) is expected


patterns = st.lists(
    st.sampled_from(["**", "*", "a", "b", "a*", "*b", "*a*b"]), min_size=1, max_size=5
).map("/".join)


@given(patterns, st.lists(st.text("ab", min_size=1, max_size=4), max_size=6).map("/".join))
def test_matching_is_that_of_a_regular_expression(pattern: str, reference: str) -> None:
    """The same as an independent engine says, for every pattern."""
    steps = [
        "[^/]+(?:/[^/]+)*" if step == "**" else step.replace("*", "[^/]*")
        for step in pattern.split("/")
    ]
    assume(reference)
    assert matches(pattern, reference) is bool(re.fullmatch("/".join(steps), reference))


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_globs_of_namespaces_are_those_of_a_regular_expression(pattern: str, text: str) -> None:
    """`*` stands for any characters, none too."""
    assert glob(pattern, text) is bool(re.fullmatch(pattern.replace("*", ".*"), text))


SPECIFIC = {
    "longer literal start": (["/x/{namespace}/**", "/x/{namespace}/s/*"], "/x/pay/s/k"),
    "fewer **": (["/x/**/k", "/x/*/k"], "/x/s/k"),
    "fewer *": (["/x/*/*", "/x/*/k"], "/x/s/k"),
    "more characters": (["/x/*k", "/x/*-k"], "/x/a-k"),
    "a literal": (["/x/*", "/x/k"], "/x/k"),
}


@pytest.mark.parametrize(("allow", "reference"), SPECIFIC.values(), ids=SPECIFIC)
def test_the_most_specific_pattern_decides_the_class(allow: list[str], reference: str) -> None:
    """In either order of the policy."""
    lines = [
        source(f"aws-sm:{allow[0]}", rules="steady"),
        source(f"aws-sm:{allow[1]}", rules="critical"),
    ]
    for sources in (lines, lines[::-1]):
        found = decided(
            policy_set(*sources),
            namespace="pay",
            provider="aws-sm",
            account=None,
            reference=reference,
        )
        assert isinstance(found, Allowed)
        assert (found.rules.name, found.propagation) == ("critical", "nudge")


def test_a_tie_goes_to_the_earlier_line() -> None:
    """Two equal patterns are no accident of order in memory."""
    sources = [source("aws-sm:/x/*", rules="critical"), source("aws-sm:/x/*", rules="steady")]
    found = decided(
        policy_set(*sources), namespace="pay", provider="aws-sm", account=None, reference="/x/k"
    )
    assert isinstance(found, Allowed)
    assert found.rules.name == "critical"


REFUSED = {
    "no label": ("nowhere", None, "/x/k", Reason.NO_POLICY),
    "not listed": ("orders", None, "/x/k", Reason.NAMESPACE_NOT_LISTED),
    "other reference": ("pay", None, "/z/k", Reason.NOT_ALLOWED),
    "not canonical": ("pay", None, "/x/../k", Reason.BAD_REFERENCE),
    "two accounts": ("pay", None, "/both/k", Reason.AMBIGUOUS_ACCOUNT),
    "unknown account": ("pay", "prot", "/x/k", Reason.UNKNOWN_ACCOUNT),
    "account without it": ("pay", "test", "/x/k", Reason.NOT_ALLOWED),
}


@pytest.mark.parametrize(
    ("namespace", "account", "reference", "reason"), REFUSED.values(), ids=REFUSED
)
def test_p7_what_policy_does_not_allow_is_refused(
    namespace: str, account: str | None, reference: str, reason: Reason
) -> None:
    """With a reason from the closed set."""
    policies = policy_set(
        source("aws-sm:/x/*", "aws-sm:/both/*"), source("aws-sm:/both/*", account="test")
    )
    found = decided(
        policies, namespace=namespace, provider="aws-sm", account=account, reference=reference
    )
    assert isinstance(found, Refused)
    assert found.reason is reason


def test_a_named_account_ends_the_ambiguity() -> None:
    """`provider@account` picks among what is allowed."""
    policies = policy_set(source("aws-sm:/x/*"), source("aws-sm:/x/*", account="test"))
    found = decided(policies, namespace="pay", provider="aws-sm", account="test", reference="/x/k")
    assert isinstance(found, Allowed)
    assert found.account == "test"


@given(strategies.hostile_references)
def test_p7_only_what_is_canonical_and_in_the_namespace_is_allowed(reference: str) -> None:
    """Whatever the reference: what policy allows is canonical and lies where the pattern says."""
    policies = policy_set(source("aws-sm:/prod/{namespace}/**"))
    found = decided(policies, namespace="pay", provider="aws-sm", account=None, reference=reference)
    if isinstance(found, Allowed):
        assert canonicalise("aws-sm", reference) == reference
        assert reference.startswith("/prod/pay/")


@given(strategies.references)
def test_p13_one_tenants_pattern_never_reaches_anothers(reference: str) -> None:
    """A namespace whose name begins another's does not get the other's sources."""
    policies = policy_set(source("aws-sm:/prod/{namespace}/**"))
    wanted = "/prod/pay-roll" + reference
    allowed = {
        name: decided(policies, namespace=name, provider="aws-sm", account=None, reference=wanted)
        for name in ("pay", "pay-roll")
    }
    try:
        canonicalise("aws-sm", wanted)
    except ReferenceRejected:
        return
    assert isinstance(allowed["pay"], Refused)
    assert isinstance(allowed["pay-roll"], Allowed)


@pytest.mark.parametrize(
    ("namespace", "account", "reference", "reason"), REFUSED.values(), ids=REFUSED
)
def test_p13_a_stranger_is_told_nothing_that_only_the_policy_names(
    namespace: str, account: str | None, reference: str, reason: Reason
) -> None:
    """No pattern, no account and no namespace of a policy, whatever the reason."""
    policies = policy_set(
        source("aws-sm:/hidden/*", "aws-sm:/both/*"), source("aws-sm:/both/*", account="test")
    )
    found = decided(
        policies, namespace=namespace, provider="aws-sm", account=account, reference=reference
    )
    assert isinstance(found, Refused)
    said = found.told(known=False)
    assert said
    assert not any(word in said for word in ("hidden", "prod", "pay-"))
    assert found.told(known=True) == found.message
    assert found.reason is reason


def test_p13_a_stranger_is_not_told_of_a_missing_account() -> None:
    """Its name is the policy's."""
    policies = policy_set(source("aws-sm:/x/*"))
    found = decided(
        replace(policies, accounts={}),
        namespace="pay",
        provider="aws-sm",
        account=None,
        reference="/x/k",
    )
    assert isinstance(found, Refused)
    assert "prod" in found.message
    assert "prod" not in found.told(known=False)


pattern_lists = st.lists(patterns, min_size=1, max_size=6)


@given(pattern_lists, st.lists(st.text("ab", min_size=1, max_size=4), max_size=4).map("/".join))
def test_an_index_of_patterns_finds_what_each_pattern_by_itself_does(
    allow: list[str], reference: str
) -> None:
    """However many patterns the policy has, and whichever were asked for before."""
    assume(reference)
    allow = [pattern for pattern in allow if not re.search(r"[^/]\*\*|\*\*[^/]", pattern)]
    assume(allow)
    policies = policy_set(source(*(f"aws-sm:/x/{pattern}" for pattern in allow)))
    policy = policy_of(policies, "pay")
    assert not isinstance(policy, Refused)
    matcher = Matcher(policies, policy, "pay")
    for asked in ("/x/b", f"/x/{reference}", "/z"):
        expected = any(matches(f"/x/{pattern}", asked) for pattern in allow)
        found = matcher.decide("aws-sm", None, asked)
        assert isinstance(found, Allowed) is expected


def test_p13_a_long_policy_makes_a_short_sentence() -> None:
    """Some patterns, and how many more there are."""
    policies = policy_set(source(*(f"aws-sm:/x/{number}/*" for number in range(64))))
    found = decided(
        policies, namespace="pay", provider="aws-sm", account=None, reference="/no/where"
    )
    assert isinstance(found, Refused)
    assert found.message.endswith("aws-sm:/x/8/*, aws-sm:/x/9/* and 54 more")


_CLUSTER = account("cluster", provider="kubernetes", kubernetes={}, aws=None)


@pytest.mark.parametrize("pattern", ["k8s:*/*", "k8s:orders/*", "k8s:*/db"])
@pytest.mark.parametrize("named", [None, "cluster"])
def test_p13_no_pattern_gives_a_namespace_the_secrets_of_another(
    pattern: str, named: str | None
) -> None:
    """A plan or an object that a tenant wrote may name any namespace. Policy allows its own only,
    whatever the admin's patterns match.
    """
    allowing = policy(source(pattern, account="cluster"))
    found = load_texts(
        {"all.yaml": make.as_file(_CLUSTER, allowing, namespace("pay"), namespace("pay-roll"))}
    )
    applied = policy_of(found, "pay")
    assert not isinstance(applied, Refused)
    matcher = Matcher(found, applied, "pay")
    for other in ("orders/db", "pay-roll/db", "pa/db", "payx/db", "PAY/db"):
        refused = matcher.decide("k8s", named, other)
        assert isinstance(refused, Refused), other
        assert refused.reason in {Reason.NOT_ALLOWED, Reason.BAD_REFERENCE}
    crossing = matcher.decide("k8s", named, "orders/db")
    assert isinstance(crossing, Refused)
    assert crossing.message == "it is not in namespace pay, and no policy can allow that"


def test_a_namespace_gets_its_own_secret() -> None:
    """By the same patterns."""
    allowing = policy(source("k8s:*/db", account="cluster"))
    found = load_texts({"all.yaml": make.as_file(_CLUSTER, allowing, namespace("pay"))})
    allowed = decided(found, namespace="pay", provider="k8s", account=None, reference="pay/db")
    assert isinstance(allowed, Allowed)

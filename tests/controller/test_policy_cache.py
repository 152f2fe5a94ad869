from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.policy_cache import PolicyCache
from policy.load import load_texts
from refresh.model import SnapshotKey, SourceKey
from tests.policy.given import decided

if TYPE_CHECKING:
    from policy.match import PolicySet

POLICIES = """
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: aws}
spec: {provider: aws, aws: {regions: [eu-west-1]}, budget: {callsPerSecond: 20, burst: 40}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: team}
spec:
  namespaces: ["team-*"]
  sources:
    - {account: aws, allow: ["aws-sm:/{namespace}/*"], class: steady}
  classes:
    steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {lastgood.dev/policy: team}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {lastgood.dev/policy: team}}
"""


@pytest.fixture
def policies() -> PolicySet:
    """One policy, one account, two labelled namespaces."""
    return load_texts({"policies.yaml": POLICIES})


def key(namespace: str, reference: str) -> SnapshotKey:
    """A source in a namespace."""
    return SnapshotKey(namespace, SourceKey("aws", "controller", "aws-sm", reference))


@pytest.mark.parametrize("namespace", ["team-a", "other", "unlabelled"])
@pytest.mark.parametrize("reference", ["/team-a/db", "/team-b/db", "no reference"])
def test_it_says_what_policy_says_however_often(
    policies: PolicySet, namespace: str, reference: str
) -> None:
    """Also of a second source of the namespace, for which its policy is known by then."""
    policy_cache = PolicyCache(policies)
    policy_cache.of(key(namespace, "/team-a/first"))
    said = decided(
        policies, namespace=namespace, provider="aws-sm", account="aws", reference=reference
    )
    for _ in range(2):
        assert policy_cache.of(key(namespace, reference)) == said


def test_it_looks_once_and_forgets_what_nobody_wants_any_more(policies: PolicySet) -> None:
    """One tenant's passing sources leave nothing in memory."""
    policy_cache = PolicyCache(policies)
    stays, goes = key("team-a", "/team-a/stays"), key("team-a", "/team-a/goes")
    first, second = policy_cache.of(stays), policy_cache.of(goes)
    policy_cache.keep({stays})
    assert policy_cache.of(stays) is first
    assert policy_cache.of(goes) is not second

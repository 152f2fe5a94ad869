"""The characters of a reference are the same wherever one is judged."""

from __future__ import annotations

import pytest

from contract.reference import ReferenceRejected
from policy.match import Allowed
from providers.references import canonicalise
from tests.api.test_definitions import answer
from tests.e2e.definitions import made
from tests.e2e.mistakes import problem
from tests.policy.given import decided, policy_set, source

MANAGED = {
    "rds!cluster-1fcd41b2-5e8b-4b5a-9d3b-2f1c7b1e0a11": "rds!cluster-*",
    "rds!db-3ce19e76-772e-4b32-b2b1-fc3e6d54c7f6": "rds!*",
    "redshift!analytics-admin": "redshift!analytics-*",
    "events!connection/orders/5b3a0a11-772e-4b32-b2b1-fc3e6d54c7f6": "events!connection/orders/*",
    "appflow!111122223333-salesforce-1700000000000": "appflow!*",
    "databrew!default": "databrew!default",
    "directconnect!prod/directconnect/us-east-1/dxcon-fg31dyv6/1": "directconnect!prod/**",
    "opsworks-cm!starter": "*!starter",
    "sqlworkbench!5b3a0a11-772e-4b32-b2b1-fc3e6d54c7f6": "*",
    "pay!db": "{namespace}!db",
}
"""As AWS services name the secrets that they manage, and a pattern for each."""


@pytest.mark.parametrize(("name", "pattern"), MANAGED.items(), ids=MANAGED)
def test_a_managed_secret_is_allowed_where_policy_allows_it(name: str, pattern: str) -> None:
    """By a pattern with `!`, or by one whose `*` stands for it."""
    policies = policy_set(source(f"aws-sm:{pattern}"))
    found = decided(policies, namespace="pay", provider="aws-sm", account=None, reference=name)
    assert isinstance(found, Allowed)


@pytest.mark.parametrize("code", range(256), ids=lambda code: ascii(chr(code)))
def test_all_that_read_a_reference_take_the_same_characters(code: int) -> None:
    """Webhook and controller by `canonicalise`; a revoked reference and a policy's pattern by the
    model, and by the definition's schema and CEL. `*` alone is a pattern's own.
    """
    name = f"a{chr(code)}b"
    try:
        canonicalise("aws-sm", name)
    except ReferenceRejected:
        taken = False
    else:
        taken = True
    revoked = made("secretaccounts", spec__revoked=[{"reference": name, "version": "1"}])
    allow = made("secretpolicies", spec__sources__0__allow=[f"aws-sm:{name}"])
    for plural, body in (("secretaccounts", revoked), ("secretpolicies", allow)):
        right = taken or (plural == "secretpolicies" and chr(code) == "*")
        assert (problem(plural, body) is None) == right
        assert (answer(plural, body)[1] == []) == right

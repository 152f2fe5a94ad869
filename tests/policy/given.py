"""What the policy's tests share: a policy set from a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from policy.load import load_texts
from policy.match import Matcher, Refused, policy_of
from tests import make

if TYPE_CHECKING:
    from policy.match import Allowed, PolicySet

CLASSES = {"steady": make.STEADY, "critical": {**make.CRITICAL, "propagation": "nudge"}}


def account(name: str = "prod", **spec: object) -> dict[str, Any]:
    """An AWS account."""
    return make.account(name, **spec)


def policy(*sources: dict[str, Any], name: str = "team", **spec: object) -> dict[str, Any]:
    """A policy for the namespaces `pay` and `pay-*`."""
    whole = {"namespaces": ["pay", "pay-*"], "classes": CLASSES}
    return make.policy(*sources, name=name, **{**whole, **spec})


def source(*allow: str, account: str = "prod", rules: str = "steady") -> dict[str, Any]:
    """One line of `sources`."""
    return make.source(account, *allow, rules=rules)


def namespace(name: str, label: str | None = "team") -> dict[str, Any]:
    """A namespace whose label names `label`; None: it has no label."""
    return make.namespace(name, label)


def policy_set(*sources: dict[str, Any]) -> PolicySet:
    """The accounts prod and test, one policy, and the namespaces pay and pay-roll."""
    return load_texts(
        {
            "all.yaml": make.as_file(
                account(),
                account("test"),
                policy(*sources),
                namespace("pay"),
                namespace("pay-roll"),
                namespace("orders"),
            )
        }
    )


def decided(
    policies: PolicySet, *, namespace: str, provider: str, account: str | None, reference: str
) -> Allowed | Refused:
    """Whether `namespace` may have `reference`, as webhook and controller find it."""
    policy = policy_of(policies, namespace)
    if isinstance(policy, Refused):
        return policy
    return Matcher(policies, policy, namespace).decide(provider, account, reference)

"""What the policy's tests share: a policy set from a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from policy.load import load_texts

if TYPE_CHECKING:
    from policy.match import PolicySet

CLASSES = {
    "steady": {"refreshInterval": "15m", "freshnessBudget": "1h", "maxAge": "24h"},
    "critical": {
        "refreshInterval": "1m",
        "freshnessBudget": "5m",
        "maxAge": "15m",
        "onExpired": "refuse",
        "propagation": "nudge",
    },
}


def account(name: str = "prod", **spec: object) -> dict[str, Any]:
    """An AWS account."""
    whole = {
        "provider": "aws",
        "aws": {"regions": ["eu-west-1"]},
        "budget": {"callsPerSecond": 20, "burst": 40},
    }
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretAccount",
        "metadata": {"name": name},
        "spec": {**whole, **spec},
    }


def policy(*sources: dict[str, Any], name: str = "team", **spec: object) -> dict[str, Any]:
    """A policy for the namespaces `pay` and `pay-*`."""
    whole = {"namespaces": ["pay", "pay-*"], "sources": list(sources), "classes": CLASSES}
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretPolicy",
        "metadata": {"name": name},
        "spec": {**whole, **spec},
    }


def source(*allow: str, account: str = "prod", rules: str = "steady") -> dict[str, Any]:
    """One line of `sources`."""
    return {"account": account, "allow": list(allow), "class": rules}


def namespace(name: str, label: str | None = "team") -> dict[str, Any]:
    """A namespace whose label names `label`; None: it has no label."""
    labels = {} if label is None else {"lastgood.dev/policy": label}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def text(*documents: dict[str, Any]) -> str:
    """As one file."""
    return yaml.safe_dump_all(documents)


def policy_set(*sources: dict[str, Any]) -> PolicySet:
    """The accounts prod and test, one policy, and the namespaces pay and pay-roll."""
    return load_texts(
        {
            "all.yaml": text(
                account(),
                account("test"),
                policy(*sources),
                namespace("pay"),
                namespace("pay-roll"),
                namespace("orders"),
            )
        }
    )

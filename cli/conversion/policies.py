"""The SecretAccounts and SecretPolicies of what was imported: for each namespace exactly the
secrets that it used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.conversion.wanted import label
from contract.annotations import POLICY_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.conversion.wanted import Draft, Wanted

CLASS = "imported"
RULES = {"refreshInterval": "15m", "freshnessBudget": "1h", "maxAge": "24h"}
_CALLS, _BURST = 10, 40
_MOST_ALLOW = 64
_USUAL_SECRETS, _MOST_SECRETS = 32, 256
"""Of a policy's limits.secretsPerPod."""
API_VERSION = "lastgood.dev/v1alpha1"


@dataclass(slots=True, kw_only=True)
class UsedSecrets:
    """What one namespace uses."""

    allow: dict[str, dict[str, None]] = field(default_factory=dict)
    """Patterns by account."""
    values: bool = False
    """Whether a pod has a value in a variable."""
    most: int = 0
    """Secrets of one pod."""

    def add(self, values: Iterable[Wanted]) -> None:
        for value in values:
            self.allow.setdefault(value.account.name, {}).setdefault(value.allow)


def account(draft: Draft) -> dict[str, Any]:
    """As the CRD takes it."""
    block = dict(draft.block)
    if draft.provider == "vault":
        mounts = [{"path": path, "version": draft.mounts[path]} for path in sorted(draft.mounts)]
        block = {
            "addresses": block["addresses"],
            **({"namespace": block["namespace"]} if "namespace" in block else {}),
            "mounts": mounts,
            **{name: block[name] for name in ("auth", "tls") if name in block},
        }
    return {
        "apiVersion": API_VERSION,
        "kind": "SecretAccount",
        "metadata": {"name": draft.name},
        "spec": {
            "provider": draft.provider,
            draft.provider: block,
            "budget": {"callsPerSecond": _CALLS, "burst": _BURST},
        },
    }


def policy(namespace: str, used: UsedSecrets) -> dict[str, Any]:
    """As the CRD takes it."""
    sources = [
        {"account": name, "allow": patterns[at : at + _MOST_ALLOW], "class": CLASS}
        for name, found in used.allow.items()
        for patterns in [sorted(found)]
        for at in range(0, len(patterns), _MOST_ALLOW)
    ]
    spec: dict[str, Any] = {"namespaces": [namespace], "sources": sources}
    spec["classes"] = {CLASS: dict(RULES)}
    if used.values:
        spec["allowEnvValue"] = True
    if used.most > _USUAL_SECRETS:
        spec["limits"] = {"secretsPerPod": min(used.most, _MOST_SECRETS)}
    return {
        "apiVersion": API_VERSION,
        "kind": "SecretPolicy",
        "metadata": {"name": label(namespace)},
        "spec": spec,
    }


def namespace_object(namespace: str) -> dict[str, Any]:
    """It selects the policy by its label."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {POLICY_LABEL: label(namespace)}},
    }

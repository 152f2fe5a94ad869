"""What admins write, as plain dictionaries, each a new one: change what you like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.make.manifests import Manifest

STEADY = {"refreshInterval": "15m", "freshnessBudget": "1h", "maxAge": "24h"}
CRITICAL = {
    "refreshInterval": "1m",
    "freshnessBudget": "5m",
    "maxAge": "15m",
    "onExpired": "refuse",
}


def account(name: str = "aws-prod", **spec: object) -> Manifest:
    """A SecretAccount of AWS; `spec` replaces members of its own."""
    whole = {
        "provider": "aws",
        "aws": {"regions": ["eu-west-1"]},
        "budget": {"callsPerSecond": 20, "burst": 40},
    }
    return _object("SecretAccount", name, {**whole, **spec})


def file_account(name: str, root: Path) -> Manifest:
    """A SecretAccount whose provider is a folder."""
    budget = {"callsPerSecond": 100, "burst": 100}
    spec = {"provider": "file", "file": {"root": str(root)}, "budget": budget}
    return _object("SecretAccount", name, spec)


def policy(*sources: Manifest, name: str = "payments", **spec: object) -> Manifest:
    """A SecretPolicy for `payments` and `payments-*`; `spec` replaces members of its own."""
    whole = {
        "namespaces": ["payments", "payments-*"],
        "sources": list(sources),
        "classes": {"steady": dict(STEADY), "critical": dict(CRITICAL)},
    }
    return _object("SecretPolicy", name, {**whole, **spec})


def source(account: str, *allow: str, rules: str = "steady") -> Manifest:
    """One line of a policy's `sources`; `rules` names the class."""
    return {"account": account, "allow": list(allow), "class": rules}


def as_file(*documents: Manifest) -> str:
    """As an admin keeps them."""
    return yaml.safe_dump_all(documents, sort_keys=False)


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }

"""What the platform team of the simulated cluster wrote."""

from __future__ import annotations

from typing import Any

import yaml

TEAMS = ("payments", "orders")
ACCOUNT, POLICY = "main", "teams"
CALLS_PER_SECOND, BURST = 1.0, 5

_TEXT = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: payments, labels: {{lastgood.dev/policy: {POLICY}}}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: orders, labels: {{lastgood.dev/policy: {POLICY}}}}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {{name: {ACCOUNT}}}
spec:
  provider: file
  file: {{root: /simulated}}
  budget: {{callsPerSecond: {CALLS_PER_SECOND:g}, burst: {BURST}}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {{name: {POLICY}}}
spec:
  namespaces: [payments, orders]
  sources:
    - {{account: {ACCOUNT}, allow: ["file:/prod/{{namespace}}/*"], class: steady}}
  classes:
    steady: {{refreshInterval: 1m, freshnessBudget: 5m, maxAge: 30m, onExpired: serve}}
"""


def text() -> str:
    """As the admin keeps it."""
    return _TEXT


def objects() -> list[dict[str, Any]]:
    """The same, parsed."""
    return list(yaml.safe_load_all(_TEXT))

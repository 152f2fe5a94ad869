"""Every object of the chart, as a real API server takes it."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.chart.rendering import of_kind, render
from tests.chart.test_render import CASES
from tests.e2e import needs
from tests.e2e.enforced import as_list

pytestmark = pytest.mark.e2e

FOREIGN = ("cert-manager.io/", "monitoring.coreos.com/", "lastgood.dev/")
"""Groups that this cluster may not have."""


@pytest.mark.parametrize("case", [name for name in CASES if name != "namespaces"])
def test_the_api_server_accepts_every_object(case: str) -> None:
    """By a dry run of its own, with strict field validation: no unknown field, no bad value. Roles
    in namespaces that must exist are tried in tests/e2e/test_some_namespaces.py.
    """
    needs.cluster()
    documents = render(values=CASES[case], namespace="default")
    found = [item for item in documents if not item["apiVersion"].startswith(FOREIGN)]
    assert len(found) >= 30
    for pod in of_kind(found, "Pod"):
        pod["spec"]["serviceAccountName"] = "default"  # its own is made in the same dry run
    done = subprocess.run(
        ["kubectl", "create", "--dry-run=server", "--validate=strict", "-f", "-"],
        input=json.dumps(as_list(found)),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    problems = [line for line in done.stderr.splitlines() if "already exists" not in line]
    assert problems == []

"""What the stand-in API server is given of an installation is what the chart makes."""

from __future__ import annotations

import os

import yaml

from apiserver.install import INSTALLED, KINDS
from cli.checks.enforcement import POLICIES
from tests.chart.rendering import render


def test_the_check_knows_the_charts_policies() -> None:
    """`lastgood check` looks for each."""
    kind = "ValidatingAdmissionPolicy"
    found = [item["metadata"]["name"] for item in render() if item["kind"] == kind]
    assert sorted(found) == sorted(POLICIES)


def test_the_stand_in_has_the_charts_roles_and_webhook() -> None:
    """Each Role, binding, ServiceAccount, Lease and webhook configuration, with the default values.
    The file is written again by `GOLDEN=write pytest`.
    """
    found = [item for item in render() if item["kind"] in KINDS]
    for item in found:
        item["metadata"].pop("labels", None)
    found.sort(key=lambda item: (item["kind"], item["metadata"]["name"]))
    if os.environ.get("GOLDEN") == "write":
        INSTALLED.write_text(yaml.safe_dump_all(found, width=120))
    assert list(yaml.safe_load_all(INSTALLED.read_text())) == found

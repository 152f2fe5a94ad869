"""`lastgood check` on the installed chart."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install.world import TEAM
from tests.make.command import typed

if TYPE_CHECKING:
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]
REPORTED = {"logins", "providers"}
"""Skipped until the controller has reported them."""


def test_a_healthy_installation_is_found_healthy(installed: Provider) -> None:
    """As `lastgood check` says: each line is ok, by a cluster administrator."""
    del installed
    variables = {"KUBECONFIG": os.environ["KUBECONFIG"]}
    done = typed("check", "--wait", "40s", "-n", TEAM.namespace, "-o", "json", variables=variables)
    assert done.returncode == 0, done.stdout
    lines = {it["name"]: it for it in json.loads(done.stdout)["checks"]}
    wrong = {name: it for name, it in lines.items() if it["level"] != "ok"}
    assert {name: it["level"] for name, it in wrong.items() if name not in REPORTED} == {}, wrong
    assert {it["level"] for it in wrong.values()} <= {"skipped"}

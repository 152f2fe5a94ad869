"""What tests ask of the cluster before they begin."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.chart.rendering import helm as path_of_helm
from tests.e2e.enforced import BINDING, kubectl


def cluster() -> None:
    """Skips where there is none to be tested on."""
    if not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None:
        pytest.skip("needs KUBECONFIG and kubectl")


def helm() -> None:
    """Skips without it."""
    if path_of_helm() is None:
        pytest.skip("needs helm: make helm")


def no_chart() -> None:
    """Fails where lastgood is installed: its policies and its controller would be at work too, and
    a run that skips all would look like one that passed.
    """
    cluster()
    if kubectl("get", BINDING, "lastgood-guard-objects", "--ignore-not-found", "-o", "name"):
        pytest.fail("lastgood is installed in this cluster; uninstall it before these tests")

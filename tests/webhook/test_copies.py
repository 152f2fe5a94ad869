"""`kubectl debug POD --copy-to=NAME --keep-annotations`: a copy of an injected pod is admitted."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from contract import layout
from policy.load import load_folder
from tests import make
from webhook.admit import admit
from webhook.injection_settings import Injection

ADMIN = Path(__file__).parents[2] / "examples/payments/admin"
INJECTION = Injection(image="registry.example/agent@sha256:00")
USERS: tuple[dict[str, Any], ...] = ({}, {"fsGroup": 2000}, {"runAsUser": 10001})


@pytest.mark.parametrize("security", USERS, ids=str)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "apart"])
def test_a_copy_with_a_debugging_container_is_injected_once(
    security: dict[str, Any], *, shared: bool
) -> None:
    """What kubectl makes of it: another container, and by default one process namespace."""
    policies = load_folder(ADMIN)
    template = copy.deepcopy(make.deployment()["spec"]["template"])
    template["spec"]["securityContext"] = security
    original = admit(template, "payments", policies, INJECTION)
    copied = copy.deepcopy(original.pod)
    copied["spec"]["containers"].append({"name": "debugger-k7x2p", "image": "busybox"})
    if shared:
        copied["spec"]["shareProcessNamespace"] = True
    found = admit(copied, "payments", policies, INJECTION)
    assert found.allowed, found.message
    spec = found.pod["spec"]
    assert [item["name"] for item in spec["initContainers"]] == [layout.GATE]
    names = [item["name"] for item in spec["containers"]]
    assert sorted(names) == sorted(["app", layout.AGENT, "debugger-k7x2p"])
    (gate,) = spec["initContainers"]
    (agent,) = (item for item in spec["containers"] if item["name"] == layout.AGENT)
    assert gate["args"][2] == agent["args"][2], "one plan"
    assert gate["securityContext"] == agent["securityContext"]

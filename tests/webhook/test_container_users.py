"""Whose user our containers are, and what a restricted namespace takes (docs/design/004)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from api.policy import RUN_AS
from cli import arguments
from contract import annotations as keys
from policy.load import load_texts
from tests import make
from tests.webhook.given import (
    CONFIG,
    CRITICAL,
    DB,
    MOUNT,
    RELOAD,
    admitted,
    agent,
    gate,
    injected,
    named,
    plan_of,
    policies,
    written,
)
from tests.webhook.restricted import violations
from webhook.admit import admit

if TYPE_CHECKING:
    from api.policy import RunAs

ACCESS: dict[str, tuple[dict[str, Any], str, int, bool]] = {
    "fsGroup": ({"securityContext": {"fsGroup": 2000, "runAsUser": 7}}, "group", 65532, False),
    "one UID": ({"securityContext": {"runAsUser": 1000}}, "owner", 1000, False),
    "root": ({"securityContext": {"runAsUser": 0}}, "world", 65532, True),
    "unknown UID": ({}, "world", 65532, True),
    "one UID, shared processes": (
        {"securityContext": {"runAsUser": 65532}, "shareProcessNamespace": True},
        "world",
        65533,
        True,
    ),
}


@pytest.mark.parametrize(("spec", "access", "uid", "warned"), ACCESS.values(), ids=ACCESS)
def test_files_are_readable_by_the_app_and_nobody_more(
    spec: dict[str, Any], access: str, uid: int, *, warned: bool
) -> None:
    """fsGroup, else the app's one UID shared by ours, else everyone in the container: with a
    warning.
    """
    verdict = admitted(make.pod(annotations=DB, **spec))
    for ours in (gate(verdict.pod), agent(verdict.pod)):
        assert plan_of(ours).access == access
        assert ours["securityContext"]["runAsUser"] == uid
    assert bool(verdict.warnings) is warned
    assert all(len(text) <= 256 for text in verdict.warnings)


RANGE = 1000650000
OPENSHIFT: dict[str, Any] = {"securityContext": {"fsGroup": RANGE}}
"""As OpenShift leaves a pod before webhooks: UIDs on containers, the group on the pod."""
ASSIGNED = {"securityContext": {"runAsUser": RANGE}}
USERS: dict[str, tuple[RunAs, dict[str, Any], dict[str, Any], int | None, str]] = {
    "lastgood, on OpenShift": ("lastgood", ASSIGNED, OPENSHIFT, 65532, "group"),
    "pod, on OpenShift": ("pod", ASSIGNED, OPENSHIFT, RANGE, "group"),
    "pod, no group": ("pod", ASSIGNED, {}, RANGE, "owner"),
    "pod, shared processes": ("pod", ASSIGNED, {"shareProcessNamespace": True}, RANGE, "owner"),
    "pod, nothing known": ("pod", {}, {}, None, "world"),
    "pod, of the pod": ("pod", {}, {"securityContext": {"runAsUser": 7}}, 7, "owner"),
    "pod, root": ("pod", {}, {"securityContext": {"runAsUser": 0}}, 65532, "world"),
    "pod, root but for the app": (
        "pod",
        ASSIGNED,
        {"securityContext": {"runAsUser": 0}},
        RANGE,
        "owner",
    ),
    "platform, on OpenShift": ("platform", ASSIGNED, OPENSHIFT, None, "group"),
    "platform, no group": ("platform", ASSIGNED, {}, None, "world"),
    "platform, nothing known": ("platform", {}, {}, None, "world"),
    "platform, of the pod": ("platform", {}, {"securityContext": {"runAsUser": 7}}, None, "owner"),
    "platform, root": ("platform", {}, {"securityContext": {"runAsUser": 0}}, 65532, "world"),
}


@pytest.mark.parametrize("row", USERS.values(), ids=USERS)
@pytest.mark.parametrize("by", ["chart", "policy"])
def test_the_admin_says_whose_user_ours_are(
    by: str, row: tuple[RunAs, dict[str, Any], dict[str, Any], int | None, str]
) -> None:
    """Lastgood's own, the pod's, or the platform's: both containers alike, and never root."""
    run_as, app, spec, uid, access = row
    agents = {"agent": {"runAs": run_as}} if by == "policy" else {}
    policies = load_texts({"policy.yaml": written(**agents)})
    config = replace(CONFIG, run_as="pod" if by == "policy" else run_as)
    pod = make.pod("web-1", make.container(**app), annotations=DB, **spec)
    verdict = admit(pod, "payments", policies, config)
    for ours in (gate(verdict.pod), agent(verdict.pod)):
        assert ours["securityContext"].get("runAsUser") == uid
        assert ours["securityContext"]["runAsNonRoot"] is True
        assert plan_of(ours).access == access
    shares = spec.get("shareProcessNamespace", False)
    assert any("shares its process namespace" in text for text in verdict.warnings) == shares
    assert all(len(text) <= 256 for text in verdict.warnings)
    assert admit(verdict.pod, "payments", policies, config).pod is verdict.pod


def test_the_first_known_user_is_taken_where_they_differ() -> None:
    """It is one of the pod's own, so that what allows the pod allows ours."""
    one, other = ({"runAsUser": uid} for uid in (RANGE, RANGE + 1))
    pod = make.pod(
        "web-1",
        make.container(securityContext=one),
        make.container("b", securityContext=other),
        annotations=DB,
    )
    verdict = admit(pod, "payments", policies(), replace(CONFIG, run_as="pod"))
    assert gate(verdict.pod)["securityContext"]["runAsUser"] == RANGE


@pytest.mark.parametrize("run_as", RUN_AS)
def test_a_signal_needs_the_apps_user_whatever_the_admin_said(run_as: RunAs) -> None:
    """No other user may send it."""
    spec: dict[str, Any] = {"securityContext": {"runAsUser": 1000}, "shareProcessNamespace": True}
    pod = make.pod(annotations=DB | {keys.RELOAD: "signal:HUP"}, **spec)
    verdict = admit(pod, "payments", policies(), replace(CONFIG, run_as=run_as))
    assert agent(verdict.pod)["securityContext"]["runAsUser"] == 1000


def test_the_command_offers_what_a_policy_has() -> None:
    """`lastgood render --run-as`."""
    assert arguments.RUN_AS == RUN_AS


def test_a_signal_is_sent_as_the_apps_user() -> None:
    """The agent then shares UID and process namespace, and the team is told what that means."""
    spec: dict[str, Any] = {
        "securityContext": {"runAsUser": 1000},
        "shareProcessNamespace": True,
    }
    verdict = admitted(make.pod(annotations=DB | {keys.RELOAD: "signal:HUP"}, **spec))
    assert agent(verdict.pod)["securityContext"]["runAsUser"] == 1000
    assert verdict.plan is not None
    assert verdict.plan.access == "owner"
    assert "shares the app's UID" in verdict.warnings[0]


def test_fs_group_owns_what_ours_write() -> None:
    """Gate and agent run with the fsGroup as their group, and the projections are for it."""
    pod = injected(securityContext={"fsGroup": 2000})
    assert gate(pod)["securityContext"]["runAsGroup"] == 2000
    assert named(pod, "lastgood-snapshots")["projected"]["defaultMode"] == 0o440


STRICT: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
OWN = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("asked", [DB, DB | MOUNT | RELOAD, CRITICAL | MOUNT])
@pytest.mark.parametrize("restart", ["Always", "Never"])
def test_p9_restricted_passes_after_if_it_passed_before(
    asked: dict[str, str], restart: str
) -> None:
    """Nothing of ours adds privilege."""
    pod = make.pod("web", make.container(securityContext=OWN), annotations=asked, **STRICT)
    pod["spec"]["restartPolicy"] = restart
    assert violations(pod) == []
    assert violations(admitted(pod).pod) == []

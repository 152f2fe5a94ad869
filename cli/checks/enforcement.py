"""Decisions about the chart's ValidatingAdmissionPolicies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cli.checks.model import failed, named, ok, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.checks.model import Finding

Json = dict[str, Any]
POLICIES = (
    "lastgood-controller-admin",
    "lastgood-controller-configmaps",
    "lastgood-controller-pods",
    "lastgood-controller-secrets",
    "lastgood-guard-admin",
    "lastgood-guard-objects",
    "lastgood-guard-pods",
    "lastgood-guard-status",
    "lastgood-test",
    "lastgood-webhook-configuration",
    "lastgood-webhook-secrets",
)
"""That every installation has."""
OBJECTS, PODS = "lastgood-guard-objects", "lastgood-guard-pods"
_AGAIN = "`helm upgrade` creates them again. Until then lastgood's rights are not bounded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of a dry run."""

    status: int
    """The HTTP status."""
    told: frozenset[str]
    """Which of the texts that were sought were in the answer."""


def refusal(policy: str) -> str:
    """What the API server says when a policy refuses, without the quotes' escapes."""
    return f"ValidatingAdmissionPolicy '{policy}'"


def policies(guards: Mapping[str, Json], bindings: Sequence[Json]) -> Finding:
    """That each is there, is bound, denies and can be evaluated."""
    missing = [name for name in POLICIES if name not in guards]
    if missing:
        return failed(f"missing: {named(missing)}", _AGAIN)
    open_ = [name for name in POLICIES if guards[name]["spec"].get("failurePolicy") == "Ignore"]
    if open_:
        return failed(
            f"failurePolicy Ignore, so errors let everything through: {named(open_)}", _AGAIN
        )
    bound = {it["spec"].get("policyName") for it in bindings if _denies(it)}
    unbound = [name for name in POLICIES if name not in bound]
    if unbound:
        return failed(f"without a binding that denies everywhere: {named(unbound)}", _AGAIN)
    broken = [name for name in POLICIES if _type_warnings(guards[name])]
    if broken:
        return warning(
            f"the API server warns of expressions of {named(broken)}",
            "Look at status.typeChecking of the ValidatingAdmissionPolicy",
        )
    return ok(f"{len(POLICIES)} policies")


def _denies(binding: Json) -> bool:
    spec = binding["spec"]
    resources = spec.get("matchResources") or {}
    narrowed = any(resources.get(key) for key in ("namespaceSelector", "objectSelector"))
    narrowed = narrowed or bool(resources.get("excludeResourceRules"))
    return "Deny" in (spec.get("validationActions") or ()) and not narrowed


def _type_warnings(policy: Json) -> bool:
    checked = (policy.get("status") or {}).get("typeChecking") or {}
    return bool(checked.get("expressionWarnings"))


def objects(forged_secret: Trial) -> Finding:
    """By a Secret that looks like a snapshot."""
    return _refused(forged_secret, OBJECTS, "create a Secret that looks like a snapshot")


def pods(forged_pod: Trial) -> Finding:
    """By a pod with a container of ours that lastgood did not inject."""
    return _refused(forged_pod, PODS, "create a pod with a forged gate")


def _refused(trial: Trial, policy: str, what: str) -> Finding:
    if refusal(policy) in trial.told:
        return ok(f"{policy} refuses it")
    if trial.status in {200, 201}:
        return failed(
            f"the API server lets you {what}",
            f"Look at {policy} and its binding. Users in enforcement.restoreUsers are let through",
        )
    if trial.status == HTTPStatus.FORBIDDEN:
        return skipped(f"you may not {what}, for another reason than {policy}")
    return skipped(unanswered(trial))


def unanswered(trial: Trial) -> str:
    """Why a dry run says nothing."""
    if trial.status == HTTPStatus.NOT_FOUND:
        return "there is no such namespace. Choose one with --namespace"
    return f"the API server answered {trial.status} to the dry run"

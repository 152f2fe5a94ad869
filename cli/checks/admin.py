"""Decisions about accounts, policies, namespaces and snapshots. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.checks.model import failed, named, ok, skipped, warning
from controller.times import seconds
from policy import lint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.checks.model import Finding
    from policy.match import PolicySet

Json = dict[str, Any]
NO_LOGIN = ("Denied", "Throttled", "Unavailable")
"""Of `status.login`: there are no credentials."""
_NEARLY = 0.9
_UNUSED_S = 7 * 86_400.0


def readable(unreadable: Mapping[str, str], accounts: Mapping[str, Json]) -> Finding:
    """`unreadable`: what is wrong, by object."""
    if unreadable:
        name, problem = min(unreadable.items())
        return failed(
            f"this version cannot read {named(unreadable)}. {name}: {problem}",
            "Correct it. Until then it is not known what the admin allows, and nothing is fetched",
        )
    if not accounts:
        return warning("there is no SecretAccount: nothing is fetched", "Create one")
    return ok(f"{len(accounts)} accounts")


def logins(accounts: Mapping[str, Json]) -> Finding:
    """By what the controller reports of each account's own login."""
    states = {name: _status(it).get("login") for name, it in accounts.items()}
    broken = [name for name, state in states.items() if state in NO_LOGIN]
    if broken:
        said = ", ".join(f"{name} ({states[name]})" for name in sorted(broken))
        return failed(
            f"without credentials: {said}",
            "kubectl describe secretaccount NAME shows the provider's error. Values get older",
        )
    failing = [name for name, state in states.items() if state == "RenewalFails"]
    if failing:
        until = [str(_status(accounts[name]).get("loginUntil")) for name in sorted(failing)]
        return warning(
            f"the login cannot be renewed: {named(failing)}, with credentials until {min(until)}",
            "kubectl describe secretaccount NAME shows the provider's error",
        )
    if not any(states.values()):
        return skipped("no account reports its login yet")
    return ok(f"{len(states)} accounts")


def providers(accounts: Mapping[str, Json]) -> Finding:
    """By the circuit breaker of each account."""
    states = {name: _status(it).get("breaker") for name, it in accounts.items()}
    open_ = [name for name, state in states.items() if state == "Open"]
    if open_:
        return warning(
            f"unavailable or throttling: {named(open_)}. Pods start with the last good values",
            "lastgood status -A shows the ages. Look at the provider and at the way to it",
        )
    if not any(states.values()):
        return skipped("no account reports its provider yet")
    return ok()


def budgets(accounts: Mapping[str, Json]) -> Finding:
    """Calls needed and calls allowed."""
    short, tight, small = [], [], []
    for name, account in accounts.items():
        status = _status(account)
        budget = (account.get("spec") or {}).get("budget") or {}
        needed, allowed = status.get("neededCallsPerSecond"), budget.get("callsPerSecond")
        if status.get("reason") == "budget-too-small":
            small.append(
                f"{name} (burst {budget.get('burst')}, needs {status.get('smallestBurst')})"
            )
        elif needed is not None and allowed is not None and needed > allowed:
            short.append(f"{name} (needs {needed:g}/s, may {allowed:g}/s)")
        elif needed is not None and allowed is not None and needed > _NEARLY * allowed:
            tight.append(f"{name} (needs {needed:g}/s, may {allowed:g}/s)")
    if small:
        return failed(
            f"budget.burst is too small for some secrets: {named(small)}", "Raise budget.burst"
        )
    if short:
        return failed(
            f"too few calls allowed, so values get stale: {named(short)}",
            "Raise budget.callsPerSecond, or use longer refresh intervals",
        )
    if tight:
        return warning(
            f"almost all calls are needed: {named(tight)}", "Raise budget.callsPerSecond"
        )
    if not any("neededCallsPerSecond" in _status(it) for it in accounts.values()):
        return ok("no secret is in use yet")
    return ok()


def labelled(policies: PolicySet) -> Finding:
    """Namespaces whose label names no policy that lists them."""
    found = lint.unlisted(policies)
    if found:
        name, refused = min(found.items())
        return failed(
            f"annotated pods are refused in {named(found)}. {name}: {refused.message}",
            "Correct the label, or add the namespace to spec.namespaces of the policy",
        )
    count = sum(label is not None for label in policies.namespaces.values())
    if not count:
        return warning(
            "no namespace has the label lastgood.dev/policy",
            "kubectl label namespace NAMESPACE lastgood.dev/policy=POLICY",
        )
    return ok(f"{count} namespaces")


def applied(policies: PolicySet) -> Finding:
    """Policies that apply to no namespace."""
    found = {
        name: why
        for name, policy in policies.policies.items()
        if (why := lint.without_namespace(policies, policy)) is not None
    }
    if found:
        name, why = min(found.items())
        return warning(
            f"without effect: {named(found)}. {name}: {why}",
            "Label a namespace that the policy lists, or delete the policy",
        )
    return ok(f"{len(policies.policies)} policies")


def rules(policies: PolicySet) -> Finding:
    """What the lint finds, but for what other lines say."""
    others = {lint.LintRule.UNLISTED_NAMESPACE, lint.LintRule.WITHOUT_NAMESPACE}
    found = [it for it in lint.lint(policies) if it.rule not in others]
    if not found:
        return ok()
    first = next((it for it in found if it.error), found[0])
    said = f"{first.object}, {first.field}: {first.message}"
    if len(found) > 1:
        said = f"{len(found)} remarks. {said}"
    hint = "lastgood policy lint shows all"
    return failed(said, hint) if first.error else warning(said, hint)


def unused(snapshots: Sequence[Json], now: float) -> Finding:
    """Declared snapshots that no pod has used for a week."""
    found = []
    for it in snapshots:
        status, notes = it.get("status") or {}, it["metadata"].get("annotations") or {}
        since = seconds(status.get("unusedSince"))
        unused = not status.get("consumers") and since is not None and now - since > _UNUSED_S
        if unused and "lastgood.dev/made-for" not in notes:
            found.append(f"{it['metadata']['namespace']}/{it['metadata']['name']}")
    if found:
        return warning(
            f"declared, and not used for a week: {named(found)}",
            "Delete them if nothing needs them: each costs calls to the provider",
        )
    return ok(f"{len(snapshots)} snapshots")


def leftovers(configurations: Sequence[Json]) -> Finding:
    """Before an installation: that there is none."""
    for it in configurations:
        if it["metadata"]["name"] == "lastgood-webhook":
            notes = it["metadata"].get("annotations") or {}
            name = notes.get("meta.helm.sh/release-name", "unknown")
            where = notes.get("meta.helm.sh/release-namespace", "unknown")
            return failed(
                f"lastgood is installed already: release {name} in namespace {where}",
                f"To change it: helm upgrade {name} --namespace {where}. To check it, omit --pre",
            )
    return ok()


def _status(account: Json) -> Json:
    return account.get("status") or {}

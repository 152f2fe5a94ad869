"""Ways in which an installation is broken: what is done to a healthy one, the line that finds it,
and what that says.
"""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from certs import dev_ca
from kube import api_resources as kinds
from tests import make
from tests.make import kinds as more_kinds
from tests.make.standin import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.installation import Installation

Json = dict[str, Any]
CONTROLLER, WEBHOOK = "lastgood-controller", "lastgood-webhook"
_RBAC = ("rbac.authorization.k8s.io", "v1")
CLUSTER_ROLES = kinds.Resource(*_RBAC, "clusterroles")
CLUSTER_BINDINGS = kinds.Resource(*_RBAC, "clusterrolebindings")
ROLES = kinds.Resource(*_RBAC, "roles")


class Broken(NamedTuple):
    """One way."""

    break_: Callable[[Installation], None]
    line: str
    says: str
    level: str = "failed"


def _field(resource: kinds.Resource, name: str, change: Json) -> Callable[[Installation], None]:
    return lambda it: it.patch(resource, name, change)


def _webhook(change: Json) -> Callable[[Installation], None]:
    def break_(it: Installation) -> None:
        found = it.server.get(kinds.MUTATING_WEBHOOKS, WEBHOOK)
        assert found is not None
        it.patch(kinds.MUTATING_WEBHOOKS, WEBHOOK, {"webhooks": [found["webhooks"][0] | change]})

    return break_


def _without_webhook(it: Installation) -> None:
    it.delete(kinds.MUTATING_WEBHOOKS, WEBHOOK)


def _called_twice(it: Installation) -> None:
    found = it.server.get(kinds.MUTATING_WEBHOOKS, WEBHOOK)
    assert found is not None
    copy = {"metadata": {"name": "lastgood-webhook-old"}, "webhooks": found["webhooks"]}
    it.create(kinds.MUTATING_WEBHOOKS, copy)


def _unguarded(it: Installation) -> None:
    it.delete(kinds.MUTATING_WEBHOOKS, "zz-guards")


def _neither(it: Installation) -> None:
    _without_webhook(it)
    _unguarded(it)


def bundle(folder: Path, ends: dt.datetime) -> str:
    """A caBundle of another CA, which ends a week after it was made."""
    folder.mkdir(exist_ok=True)
    dev_ca.write_pair(folder, ["other"], ends - dt.timedelta(days=7))
    return base64.b64encode((folder / dev_ca.CA_FILE).read_bytes()).decode()


def _bundle(it: Installation, text: str) -> None:
    found = it.server.get(kinds.MUTATING_WEBHOOKS, WEBHOOK)
    assert found is not None
    client = found["webhooks"][0]["clientConfig"] | {"caBundle": text}
    _webhook({"clientConfig": client})(it)


def _other_ca(days: float) -> Callable[[Installation], None]:
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    return lambda it: _bundle(it, bundle(it.server.folder / "other", ends))


def _definition(name: str, change: Callable[[Json], None]) -> Callable[[Installation], None]:
    """Written as an older or newer chart would have it."""

    def break_(it: Installation) -> None:
        path = more_kinds.CUSTOM_RESOURCES.path(name=f"{name}.lastgood.dev")
        found = it.server.client.call("GET", path)
        change(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
        it.server.client.call("PUT", path, found)

    return break_


def _older(spec: Json) -> None:
    del spec["properties"]["properties"]


def _newer(spec: Json) -> None:
    spec["properties"]["region"] = {"type": "string"}


def _other_rules(spec: Json) -> None:
    del spec["x-kubernetes-validations"][0]


def _undefined(it: Installation) -> None:
    path = more_kinds.CUSTOM_RESOURCES.path(name="secretsnapshots.lastgood.dev")
    it.server.client.call("DELETE", path)


def _account(status: Json) -> Callable[[Installation], None]:
    def break_(it: Installation) -> None:
        it.server.take_anything(kinds.SECRET_ACCOUNTS)
        it.status(kinds.SECRET_ACCOUNTS, "prod", status)

    return break_


def _policy(*sources: Json, **spec: Any) -> Callable[[Installation], None]:  # noqa: ANN401 - manifests
    whole = {"namespaces": ["payments"], "classes": {"steady": make.STEADY}}
    wanted = make.policy(*sources, name="payments", **{**whole, **spec})
    return lambda it: it.server.apply(wanted)


def _unreadable(it: Installation) -> None:
    it.server.take_anything(kinds.SECRET_POLICIES)
    it.patch(kinds.SECRET_POLICIES, "payments", {"spec": {"color": "red"}})


def _narrow(it: Installation) -> None:
    """As `controller.namespaces` with a namespace that is not ours."""
    found = it.server.get(CLUSTER_ROLES, CONTROLLER)
    assert found is not None
    rules = [r for r in found["rules"] if not {"secrets", "configmaps"} & set(r["resources"])]
    it.patch(CLUSTER_ROLES, CONTROLLER, {"rules": rules})


def _reader(it: Installation) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}
    it.create(CLUSTER_ROLES, {"metadata": {"name": "reader"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": SYSTEM}
    role = {"apiGroup": _RBAC[0], "kind": "ClusterRole", "name": "reader"}
    body = {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]}
    it.create(CLUSTER_BINDINGS, body)


def _unused(it: Installation) -> None:
    status = {"consumers": 0, "unusedSince": "2026-01-01T00:00:00Z"}
    it.status(kinds.SECRET_SNAPSHOTS, "lg-db", status, "payments")


def _two_leaders(it: Installation) -> None:
    it.second("lastgood-old")
    it.lead("lastgood-old")


def _old_lease(it: Installation) -> None:
    it.server.apply(make.namespace("lastgood-old", None))
    it.lead("lastgood-old", renewed=it.clock.now() - 9999)


def _free(it: Installation) -> None:
    it.patch(kinds.LEASES, CONTROLLER, {"spec": {"holderIdentity": ""}}, SYSTEM)


def _replicas(component: str, available: int) -> Callable[[Installation], None]:
    status = {"availableReplicas": available}
    return lambda it: it.status(kinds.DEPLOYMENTS, f"lastgood-{component}", status, SYSTEM)


def _label(name: str, resource: kinds.Resource) -> Callable[[Installation], None]:
    change = {"metadata": {"labels": {"app.kubernetes.io/version": "0.0.9"}}}
    return lambda it: it.patch(resource, name, change, SYSTEM)


def _older_chart(it: Installation) -> None:
    for name in (WEBHOOK, CONTROLLER):
        _label(name, kinds.DEPLOYMENTS)(it)
        for number in range(2):
            _label(f"{name}-{number}", kinds.PODS)(it)


def _old_agent(it: Installation) -> None:
    notes = {"lastgood.dev/injected": "0.0.9 limits.cpu=100m"}
    it.patch(kinds.PODS, "web-1", {"metadata": {"annotations": notes}}, "payments")


BROKEN = {
    "an old Kubernetes": Broken(
        lambda it: it.version("v1.29.15-eks-4096722"), "kubernetes-version", "v1.29.15-eks-4096722"
    ),
    "a version that nobody tried": Broken(
        lambda it: it.version("v1.99.0"), "kubernetes-version", "newer than 1.37", "warning"
    ),
    "a definition is missing": Broken(
        _undefined, "definitions", "missing: secretsnapshots.lastgood.dev"
    ),
    "a definition of an older version": Broken(
        _definition("secretsnapshots", _older),
        "definition-versions",
        "older than this version: secretsnapshots (no spec.properties)",
    ),
    "a definition of a newer version": Broken(
        _definition("secretsnapshots", _newer),
        "definition-versions",
        "newer than this command: secretsnapshots (has spec.region)",
        "warning",
    ),
    "a definition with other rules": Broken(
        _definition("secretsnapshots", _other_rules),
        "definition-versions",
        "with other rules than this version: secretsnapshots",
        "warning",
    ),
    "the controller's binding is gone": Broken(
        lambda it: it.delete(CLUSTER_BINDINGS, CONTROLLER),
        "controller-rights",
        "it may not create events.events.k8s.io",
    ),
    "the controller may not write its records": Broken(
        lambda it: it.delete(ROLES, CONTROLLER, SYSTEM),
        "controller-rights",
        "create leases.coordination.k8s.io in namespace lastgood-system",
    ),
    "the webhook's role is gone": Broken(
        lambda it: it.delete(CLUSTER_ROLES, WEBHOOK), "webhook-rights", "list namespaces"
    ),
    "the webhook may not keep its CA": Broken(
        lambda it: it.delete(ROLES, WEBHOOK, SYSTEM),
        "webhook-rights",
        "get secrets lastgood-webhook-ca in namespace lastgood-system",
    ),
    "the controller may not write where the team is": Broken(
        _narrow,
        "snapshot-rights",
        "in payments it may not write snapshots, for example create secrets",
    ),
    "the controller may read every Secret": Broken(
        _reader, "foreign-secrets", "it may get secrets, get secrets in namespace kube-system"
    ),
    "an admission policy is missing": Broken(
        lambda it: it.delete(kinds.GUARDS, "lastgood-guard-status"),
        "admission-policies",
        "missing: lastgood-guard-status",
    ),
    "a binding is missing": Broken(
        lambda it: it.delete(kinds.GUARD_BINDINGS, "lastgood-guard-admin"),
        "admission-policies",
        "without a binding that denies everywhere: lastgood-guard-admin",
    ),
    "a binding only warns": Broken(
        _field(
            kinds.GUARD_BINDINGS,
            "lastgood-guard-pods",
            {"spec": {"validationActions": ["Warn", "Audit"]}},
        ),
        "admission-policies",
        "without a binding that denies everywhere: lastgood-guard-pods",
    ),
    "a binding leaves namespaces out": Broken(
        _field(
            kinds.GUARD_BINDINGS,
            "lastgood-guard-pods",
            {"spec": {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}},
        ),
        "admission-policies",
        "without a binding that denies everywhere: lastgood-guard-pods",
    ),
    "a policy lets errors through": Broken(
        _field(kinds.GUARDS, "lastgood-guard-pods", {"spec": {"failurePolicy": "Ignore"}}),
        "admission-policies",
        "failurePolicy Ignore",
    ),
    "anybody may write snapshots": Broken(
        _unguarded, "guarded-snapshots", "lets you create a Secret that looks like a snapshot"
    ),
    "anybody may forge pods": Broken(
        _unguarded, "guarded-pods", "lets you create a pod with a forged gate"
    ),
    "the webhook's configuration is gone": Broken(
        _without_webhook, "webhook-configuration", "there is no MutatingWebhookConfiguration"
    ),
    "and so pods are refused": Broken(
        _without_webhook, "webhook-reached", "the API server did not call it for a trial pod"
    ),
    "pods start without secrets": Broken(
        _neither, "webhook-reached", "admitted without lastgood: it would start without secrets"
    ),
    "two configurations": Broken(
        _called_twice,
        "webhook-configuration",
        "2 configurations call it: lastgood-webhook, lastgood-webhook-old",
    ),
    "the webhook's errors let pods through": Broken(
        _webhook({"failurePolicy": "Ignore"}), "webhook-configuration", "failurePolicy Ignore"
    ),
    "no caBundle": Broken(
        lambda it: _bundle(it, ""), "ca-bundle", "caBundle is empty: annotated pods are refused"
    ),
    "no caBundle, and so no trust": Broken(
        lambda it: _bundle(it, ""), "webhook-reached", "does not trust the certificate"
    ),
    "a caBundle of words": Broken(
        lambda it: _bundle(it, base64.b64encode(b"words").decode()),
        "ca-bundle",
        "no CA certificate that can be read",
    ),
    "a caBundle of another CA": Broken(
        _other_ca(100), "webhook-reached", "does not trust the certificate"
    ),
    "a caBundle that has expired": Broken(
        _other_ca(-1), "ca-bundle", "every CA in caBundle has expired"
    ),
    "the Service is gone": Broken(
        lambda it: it.route(None), "webhook-reached", "the Service lastgood-webhook does not exist"
    ),
    "the webhook is down": Broken(
        lambda it: it.route("127.0.0.1:1"), "webhook-reached", "nothing listens"
    ),
    "a labelled namespace is excluded": Broken(
        lambda it: it.server.apply(make.namespace("kube-system", "payments")),
        "excluded-namespaces",
        "excluded from the webhook: kube-system",
        "warning",
    ),
    "no replica of the webhook": Broken(
        _replicas("webhook", 0), "webhook-replicas", "none of 2 replicas is available"
    ),
    "a webhook that was scaled down": Broken(
        lambda it: it.patch(kinds.DEPLOYMENTS, WEBHOOK, {"spec": {"replicas": 0}}, SYSTEM),
        "webhook-replicas",
        "it is scaled to 0 replicas: annotated pods are refused",
    ),
    "one replica of the webhook": Broken(
        _replicas("webhook", 1), "webhook-replicas", "1 of 2 replicas are available", "warning"
    ),
    "the controller's Deployment is gone": Broken(
        lambda it: it.delete(kinds.DEPLOYMENTS, CONTROLLER, SYSTEM),
        "controller-replicas",
        "there is no Deployment lastgood-controller in lastgood-system",
    ),
    "two releases": Broken(
        lambda it: it.second("lastgood-old"),
        "one-installation",
        "runs in lastgood-system, and in lastgood-old too",
    ),
    "two leaders": Broken(_two_leaders, "leader", "lead in lastgood-old, lastgood-system at once"),
    "the Lease of an old release": Broken(
        _old_lease, "leader", "lastgood-old has a Lease of another installation", "warning"
    ),
    "a stale Lease": Broken(
        lambda it: it.lead(SYSTEM, renewed=it.clock.now() - 3600),
        "leader",
        "controller-of-lastgood-system does not renew the Lease, last renewed 3",
    ),
    "a free Lease": Broken(_free, "leader", "the Lease is free: no controller has taken it"),
    "no Lease": Broken(
        lambda it: it.delete(kinds.LEASES, CONTROLLER, SYSTEM), "leader", "there is no Lease"
    ),
    "a policy that cannot be read": Broken(
        _unreadable, "readable", "this version cannot read SecretPolicy payments"
    ),
    "an account that cannot log in": Broken(
        _account({"login": "Denied"}), "logins", "without credentials: prod (Denied)"
    ),
    "an account whose login is not renewed": Broken(
        _account({"login": "RenewalFails", "loginUntil": "2026-11-26T13:00:00Z"}),
        "logins",
        "prod, with credentials until 2026-11-26T13:00:00Z",
        "warning",
    ),
    "a provider that is down": Broken(
        _account({"login": "LoggedIn", "breaker": "Open"}), "providers", "prod", "warning"
    ),
    "a budget that does not suffice": Broken(
        _account({"neededCallsPerSecond": 99.0}), "budgets", "prod (needs 99/s, may "
    ),
    "a burst that does not suffice": Broken(
        _account({"reason": "budget-too-small", "smallestBurst": 7}), "budgets", "needs 7)"
    ),
    "a label of no policy": Broken(
        lambda it: it.server.apply(make.namespace("payments", "payment")),
        "labelled-namespaces",
        "selects SecretPolicy payment, which does not exist",
    ),
    "a namespace that no policy lists": Broken(
        lambda it: it.server.apply(make.namespace("orders", "payments")),
        "labelled-namespaces",
        "policy payments does not list namespace orders",
    ),
    "a namespace without its label": Broken(
        lambda it: it.server.apply(make.namespace("payments", None)),
        "applied-policies",
        "namespace payments is listed here, but has no label lastgood.dev/policy",
        "warning",
    ),
    "a policy shadowed by another": Broken(
        lambda it: it.server.apply(
            make.policy(
                make.source("prod", "aws-sm:/a", rules="steady"),
                name="other",
                namespaces=["payments"],
                classes={"steady": make.STEADY},
            )
        ),
        "applied-policies",
        "without effect: other. other: namespace payments is listed here, but its label names",
        "warning",
    ),
    "a rule of no account": Broken(
        _policy(make.source("prd", "aws-sm:/a", rules="steady")),
        "policy-rules",
        "there is no SecretAccount prd. Did you mean",
    ),
    "a pattern without effect": Broken(
        _policy(make.source("prod", "aws-sm:/a/**/*", "aws-sm:/a/**", rules="steady")),
        "policy-rules",
        '"aws-sm:/a/**/*" has no effect',
        "warning",
    ),
    "a snapshot that nobody uses": Broken(
        _unused, "unused-snapshots", "not used for a week: payments/lg-db", "warning"
    ),
    "webhook and controller differ": Broken(
        _label(WEBHOOK, kinds.DEPLOYMENTS), "versions", "webhook and controller differ", "warning"
    ),
    "an older chart": Broken(_older_chart, "versions", "the chart is 0.0.9", "warning"),
    "a roll-out that does not end": Broken(
        _label("lastgood-webhook-1", kinds.PODS), "versions", "lastgood-webhook-1", "warning"
    ),
    "an older agent": Broken(
        _old_agent, "agents", "1 of 1 pods were injected by another version", "warning"
    ),
}
"""At least one for each line that can fail."""

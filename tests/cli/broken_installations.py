"""Ways in which an installation is broken: what is done to a healthy one, the line that finds it,
and what that says.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from kube import api_resources as kinds
from tests import make
from tests.cli.breakage import (
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    CONTROLLER,
    ROLES,
    WEBHOOK,
    account_status,
    called_twice,
    change_of,
    definition_change,
    free,
    narrow,
    neither,
    newer,
    old_agent,
    old_lease,
    older,
    older_chart,
    other_ca,
    other_rules,
    other_version,
    policy_of,
    reader,
    replicas_of,
    two_leaders,
    undefined,
    unguarded,
    unreadable,
    unused,
    webhook_change,
    with_bundle,
    without_webhook,
)
from tests.make.standin import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.installation import Installation


class Broken(NamedTuple):
    """One way."""

    break_: Callable[[Installation], None]
    line: str
    says: str
    level: str = "failed"


BROKEN = {
    "an old Kubernetes": Broken(
        lambda it: it.version("v1.29.15-eks-4096722"), "kubernetes-version", "v1.29.15-eks-4096722"
    ),
    "a version that nobody tried": Broken(
        lambda it: it.version("v1.99.0"), "kubernetes-version", "newer than 1.37", "warning"
    ),
    "a definition is missing": Broken(
        undefined, "definitions", "missing: secretsnapshots.lastgood.dev"
    ),
    "a definition of an older version": Broken(
        definition_change("secretsnapshots", older),
        "definition-versions",
        "older than this version: secretsnapshots (no spec.properties)",
    ),
    "a definition of a newer version": Broken(
        definition_change("secretsnapshots", newer),
        "definition-versions",
        "newer than this command: secretsnapshots (has spec.region)",
        "warning",
    ),
    "a definition with other rules": Broken(
        definition_change("secretsnapshots", other_rules),
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
        narrow,
        "snapshot-rights",
        "in payments it may not write snapshots, for example create secrets",
    ),
    "the controller may read every Secret": Broken(
        reader, "foreign-secrets", "it may get secrets, get secrets in namespace kube-system"
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
        change_of(
            kinds.GUARD_BINDINGS,
            "lastgood-guard-pods",
            {"spec": {"validationActions": ["Warn", "Audit"]}},
        ),
        "admission-policies",
        "without a binding that denies everywhere: lastgood-guard-pods",
    ),
    "a binding leaves namespaces out": Broken(
        change_of(
            kinds.GUARD_BINDINGS,
            "lastgood-guard-pods",
            {"spec": {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}},
        ),
        "admission-policies",
        "without a binding that denies everywhere: lastgood-guard-pods",
    ),
    "a policy lets errors through": Broken(
        change_of(kinds.GUARDS, "lastgood-guard-pods", {"spec": {"failurePolicy": "Ignore"}}),
        "admission-policies",
        "failurePolicy Ignore",
    ),
    "anybody may write snapshots": Broken(
        unguarded, "guarded-snapshots", "lets you create a Secret that looks like a snapshot"
    ),
    "anybody may forge pods": Broken(
        unguarded, "guarded-pods", "lets you create a pod with a forged gate"
    ),
    "the webhook's configuration is gone": Broken(
        without_webhook, "webhook-configuration", "there is no MutatingWebhookConfiguration"
    ),
    "and so pods are refused": Broken(
        without_webhook, "webhook-reached", "the API server did not call it for a trial pod"
    ),
    "pods start without secrets": Broken(
        neither, "webhook-reached", "admitted without lastgood: it would start without secrets"
    ),
    "two configurations": Broken(
        called_twice,
        "webhook-configuration",
        "2 configurations call it: lastgood-webhook, lastgood-webhook-old",
    ),
    "the webhook's errors let pods through": Broken(
        webhook_change({"failurePolicy": "Ignore"}), "webhook-configuration", "failurePolicy Ignore"
    ),
    "no caBundle": Broken(
        lambda it: with_bundle(it, ""), "ca-bundle", "caBundle is empty: annotated pods are refused"
    ),
    "no caBundle, and so no trust": Broken(
        lambda it: with_bundle(it, ""), "webhook-reached", "does not trust the certificate"
    ),
    "a caBundle of words": Broken(
        lambda it: with_bundle(it, base64.b64encode(b"words").decode()),
        "ca-bundle",
        "no CA certificate that can be read",
    ),
    "a caBundle of another CA": Broken(
        other_ca(100), "webhook-reached", "does not trust the certificate"
    ),
    "a caBundle that has expired": Broken(
        other_ca(-1), "ca-bundle", "every CA in caBundle has expired"
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
        replicas_of("webhook", 0), "webhook-replicas", "none of 2 replicas is available"
    ),
    "a webhook that was scaled down": Broken(
        lambda it: it.patch(kinds.DEPLOYMENTS, WEBHOOK, {"spec": {"replicas": 0}}, SYSTEM),
        "webhook-replicas",
        "it is scaled to 0 replicas: annotated pods are refused",
    ),
    "one replica of the webhook": Broken(
        replicas_of("webhook", 1), "webhook-replicas", "1 of 2 replicas are available", "warning"
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
    "two leaders": Broken(two_leaders, "leader", "lead in lastgood-old, lastgood-system at once"),
    "the Lease of an old release": Broken(
        old_lease, "leader", "lastgood-old has a Lease of another installation", "warning"
    ),
    "a stale Lease": Broken(
        lambda it: it.lead(SYSTEM, renewed=it.clock.now() - 3600),
        "leader",
        "controller-of-lastgood-system does not renew the Lease, last renewed 3",
    ),
    "a free Lease": Broken(free, "leader", "the Lease is free: no controller has taken it"),
    "no Lease": Broken(
        lambda it: it.delete(kinds.LEASES, CONTROLLER, SYSTEM), "leader", "there is no Lease"
    ),
    "a policy that cannot be read": Broken(
        unreadable, "readable", "this version cannot read SecretPolicy payments"
    ),
    "an account that cannot log in": Broken(
        account_status({"login": "Denied"}), "logins", "without credentials: prod (Denied)"
    ),
    "an account whose login is not renewed": Broken(
        account_status({"login": "RenewalFails", "loginUntil": "2026-11-26T13:00:00Z"}),
        "logins",
        "prod, with credentials until 2026-11-26T13:00:00Z",
        "warning",
    ),
    "a provider that is down": Broken(
        account_status({"login": "LoggedIn", "breaker": "Open"}), "providers", "prod", "warning"
    ),
    "a budget that does not suffice": Broken(
        account_status({"neededCallsPerSecond": 99.0}), "budgets", "prod (needs 99/s, may "
    ),
    "a burst that does not suffice": Broken(
        account_status({"reason": "budget-too-small", "smallestBurst": 7}), "budgets", "needs 7)"
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
        policy_of(make.source("prd", "aws-sm:/a", rules="steady")),
        "policy-rules",
        "there is no SecretAccount prd. Did you mean",
    ),
    "a pattern without effect": Broken(
        policy_of(make.source("prod", "aws-sm:/a/**/*", "aws-sm:/a/**", rules="steady")),
        "policy-rules",
        '"aws-sm:/a/**/*" has no effect',
        "warning",
    ),
    "a snapshot that nobody uses": Broken(
        unused, "unused-snapshots", "not used for a week: payments/lg-db", "warning"
    ),
    "webhook and controller differ": Broken(
        other_version(WEBHOOK, kinds.DEPLOYMENTS),
        "versions",
        "webhook and controller differ",
        "warning",
    ),
    "an older chart": Broken(older_chart, "versions", "the chart is 0.0.9", "warning"),
    "a roll-out that does not end": Broken(
        other_version("lastgood-webhook-1", kinds.PODS), "versions", "lastgood-webhook-1", "warning"
    ),
    "an older agent": Broken(
        old_agent, "agents", "1 of 1 pods were injected by another version", "warning"
    ),
}
"""At least one for each line that can fail."""

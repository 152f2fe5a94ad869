"""Every line of `lastgood check`: the one place where they are listed. Pure."""

from __future__ import annotations

from cli.checks import admin, enforcement, platform, rights, running, webhook
from cli.checks.model import Check

_VERSION = Check(
    "kubernetes", "kubernetes-version", "Kubernetes is 1.30 or newer", platform.version
)
_ADMISSION = Check(
    "kubernetes",
    "admission-api",
    "the API server has ValidatingAdmissionPolicies",
    platform.admission_api,
)
_DEFINITION_VERSIONS = Check(
    "definitions",
    "definition-versions",
    "the definitions are of this version",
    platform.definition_versions,
)

BEFORE = (
    _VERSION,
    _ADMISSION,
    Check("rights", "install-rights", "you may install the chart", rights.installer),
    Check("definitions", "leftovers", "lastgood is not installed yet", admin.leftovers),
    _DEFINITION_VERSIONS,
)
"""With `--pre`."""

AFTER = (
    _VERSION,
    _ADMISSION,
    Check(
        "definitions",
        "definitions",
        "SecretAccount, SecretPolicy and SecretSnapshot are defined",
        platform.definitions,
    ),
    Check("definitions", "definitions-served", "their API is served", platform.served_definitions),
    _DEFINITION_VERSIONS,
    Check("rights", "your-rights", "you may use every verb of this command", rights.caller),
    Check("rights", "webhook-rights", "the webhook has its rights", rights.webhook),
    Check("rights", "controller-rights", "the controller has its rights", rights.controller),
    Check("rights", "snapshot-rights", "the controller may write snapshots", rights.writes),
    Check("rights", "foreign-secrets", "the controller may not read foreign Secrets", rights.reads),
    Check(
        "enforcement",
        "admission-policies",
        "the admission policies are bound",
        enforcement.policies,
    ),
    Check(
        "enforcement", "guarded-snapshots", "nobody else may write snapshots", enforcement.objects
    ),
    Check("enforcement", "guarded-pods", "nobody may forge an injected pod", enforcement.pods),
    Check("webhook", "webhook-replicas", "the webhook runs", running.webhook_replicas),
    Check(
        "webhook",
        "webhook-configuration",
        "the API server calls the webhook for pods",
        webhook.configuration,
    ),
    Check(
        "webhook", "excluded-namespaces", "no namespace with a policy is excluded", webhook.excluded
    ),
    Check("webhook", "ca-bundle", "caBundle has a valid CA", webhook.trusted),
    Check("webhook", "webhook-reached", "the webhook is reached and trusted", webhook.reached),
    Check(
        "webhook", "webhook-certificate", "the served certificates are valid", webhook.certificates
    ),
    Check("controller", "one-installation", "lastgood is installed once", running.one_installation),
    Check("controller", "controller-replicas", "the controller runs", running.controller_replicas),
    Check("controller", "leader", "one controller leads", running.leader),
    Check("accounts", "readable", "accounts and policies can be read", admin.readable),
    Check("accounts", "logins", "accounts can log in", admin.logins),
    Check("accounts", "providers", "providers answer", admin.providers),
    Check("accounts", "budgets", "budgets suffice", admin.budgets),
    Check("policies", "labelled-namespaces", "labelled namespaces have a policy", admin.labelled),
    Check("policies", "applied-policies", "each policy applies to a namespace", admin.applied),
    Check("policies", "policy-rules", "each rule of the policies has an effect", admin.rules),
    Check("policies", "unused-snapshots", "declared snapshots are used", admin.unused),
    Check(
        "versions",
        "versions",
        "chart, processes and this command have one version",
        running.versions,
    ),
    Check("versions", "agents", "pods run agents of this version", running.agents),
)
"""Of an installation."""

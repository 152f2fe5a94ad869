"""Every line of `lastgood check`: the one place where they are listed. Pure."""

from __future__ import annotations

from cli.checks import admin, enforcement, platform, rights, running, webhook
from cli.checks.model import CheckLine

_VERSION = CheckLine(
    "kubernetes", "kubernetes-version", "Kubernetes is 1.30 or newer", platform.version
)
_ADMISSION = CheckLine(
    "kubernetes",
    "admission-api",
    "the API server has ValidatingAdmissionPolicies",
    platform.admission_api,
)
_DEFINITION_VERSIONS = CheckLine(
    "definitions",
    "definition-versions",
    "the definitions are of this version",
    platform.definition_versions,
)

BEFORE = (
    _VERSION,
    _ADMISSION,
    CheckLine("rights", "install-rights", "you may install the chart", rights.installer),
    CheckLine("definitions", "leftovers", "lastgood is not installed yet", admin.leftovers),
    _DEFINITION_VERSIONS,
)
"""With `--pre`."""

AFTER = (
    _VERSION,
    _ADMISSION,
    CheckLine(
        "definitions",
        "definitions",
        "SecretAccount, SecretPolicy and SecretSnapshot are defined",
        platform.definitions,
    ),
    CheckLine(
        "definitions", "definitions-served", "their API is served", platform.served_definitions
    ),
    _DEFINITION_VERSIONS,
    CheckLine("rights", "your-rights", "you may use every verb of this command", rights.caller),
    CheckLine("rights", "webhook-rights", "the webhook has its rights", rights.webhook),
    CheckLine("rights", "controller-rights", "the controller has its rights", rights.controller),
    CheckLine("rights", "snapshot-rights", "the controller may write snapshots", rights.writes),
    CheckLine(
        "rights", "foreign-secrets", "the controller may not read foreign Secrets", rights.reads
    ),
    CheckLine(
        "enforcement",
        "admission-policies",
        "the admission policies are bound",
        enforcement.policies,
    ),
    CheckLine(
        "enforcement", "guarded-snapshots", "nobody else may write snapshots", enforcement.objects
    ),
    CheckLine("enforcement", "guarded-pods", "nobody may forge an injected pod", enforcement.pods),
    CheckLine("webhook", "webhook-replicas", "the webhook runs", running.webhook_replicas),
    CheckLine(
        "webhook",
        "webhook-configuration",
        "the API server calls the webhook for pods",
        webhook.configuration,
    ),
    CheckLine(
        "webhook", "excluded-namespaces", "no namespace with a policy is excluded", webhook.excluded
    ),
    CheckLine("webhook", "ca-bundle", "caBundle has a valid CA", webhook.trusted),
    CheckLine("webhook", "webhook-reached", "the webhook is reached and trusted", webhook.reached),
    CheckLine(
        "webhook", "webhook-certificate", "the served certificates are valid", webhook.certificates
    ),
    CheckLine(
        "controller", "one-installation", "lastgood is installed once", running.one_installation
    ),
    CheckLine(
        "controller", "controller-replicas", "the controller runs", running.controller_replicas
    ),
    CheckLine("controller", "leader", "one controller leads", running.leader),
    CheckLine("accounts", "readable", "accounts and policies can be read", admin.readable),
    CheckLine("accounts", "logins", "accounts can log in", admin.logins),
    CheckLine("accounts", "providers", "providers answer", admin.providers),
    CheckLine("accounts", "budgets", "budgets suffice", admin.budgets),
    CheckLine(
        "policies", "labelled-namespaces", "labelled namespaces have a policy", admin.labelled
    ),
    CheckLine("policies", "applied-policies", "each policy applies to a namespace", admin.applied),
    CheckLine("policies", "policy-rules", "each rule of the policies has an effect", admin.rules),
    CheckLine("policies", "unused-snapshots", "declared snapshots are used", admin.unused),
    CheckLine(
        "versions",
        "versions",
        "chart, processes and this command have one version",
        running.versions,
    ),
    CheckLine("versions", "agents", "pods run agents of this version", running.agents),
)
"""Of an installation."""

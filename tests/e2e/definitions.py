"""Objects of lastgood's kinds that the API server takes, and what is changed in them to break a
rule.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from api.account import of_another
from tests.chart.rendering import CHART
from tests.e2e.definition_messages import (
    ACCOUNT_NAME,
    AZURE_AUTHORITY,
    AZURE_BURST,
    AZURE_HTTPS,
    AZURE_IDENTITY,
    AZURE_LOGIN,
    BLOCK,
    BUDGET,
    BURST,
    CERTIFICATE_PAIR,
    CLASS,
    CLASS_NAME,
    DELIMITED,
    GCP_BURST,
    GCP_GLOBAL,
    GCP_HTTPS,
    GCP_ZONE,
    GROWS,
    IMMUTABLE,
    ITSELF,
    MAX_AGE,
    MOUNT_ONCE,
    MOUNT_PATH,
    NEEDS_HTTPS,
    OF_NAMESPACE,
    ONE_CA,
    ONE_CHECK,
    ONE_LOGIN,
    OWN_NAME,
    PARAMETER,
    PATH,
    PEM,
    POLICY_NAME,
    RESERVED,
    ROLE,
    SECRET,
    SECRET_ID,
    SEGMENT,
    SEGMENTS,
    STARS,
    VAULT_BURST,
    VAULT_NAME,
    ZERO,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
STEADY = {"refreshInterval": "15m", "freshnessBudget": "1h", "maxAge": "24h"}
ACCEPTED: dict[str, Json] = {
    "secretaccounts": {
        "kind": "SecretAccount",
        "spec": {
            "provider": "aws",
            "aws": {"regions": ["eu-west-1"]},
            "budget": {"callsPerSecond": 0.5, "burst": 2},
        },
    },
    "secretpolicies": {
        "kind": "SecretPolicy",
        "spec": {
            "namespaces": ["team-*"],
            "sources": [
                {"account": "prod", "allow": ["aws-sm:/prod/{namespace}/**"], "class": "steady"}
            ],
            "classes": {"steady": STEADY},
        },
    },
    "secretsnapshots": {
        "kind": "SecretSnapshot",
        "spec": {"source": {"account": "prod", "provider": "aws-sm", "reference": "/prod/db"}},
    },
}
"""By plural; the shortest that is taken."""
NAME = "e2e-definitions"


def made(plural: str, name: str = NAME, **changes: object) -> Json:
    """A whole object. A change is by path: `spec__budget__burst`; a number is a list's index."""
    metadata = {"name": name}
    found: Json = {"apiVersion": "lastgood.dev/v1alpha1", "metadata": metadata}
    found |= copy.deepcopy(ACCEPTED[plural])
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = found
        for part in parents:
            place = place[int(part) if part.isdigit() else part]
        place[last] = value
    return found


@dataclass(frozen=True, slots=True)
class Refused:
    """What is not taken."""

    plural: str
    says: str
    """Part of the API server's message."""
    changes: Json = field(default_factory=dict)
    name: str = NAME

    @property
    def body(self) -> Json:
        return made(self.plural, self.name, **self.changes)


VAULT: Json = {
    "provider": "vault",
    "vault": {
        "addresses": ["https://vault.example:8200"],
        "mounts": [{"path": "secret", "version": 2}],
        "auth": {"kubernetes": {"role": "lastgood"}},
    },
    "budget": {"callsPerSecond": 1, "burst": 2},
}
GCP: Json = {
    "provider": "gcp",
    "gcp": {"project": "payments-prod"},
    "budget": {"callsPerSecond": 1, "burst": 8},
}
AZURE: Json = {
    "provider": "azure",
    "azure": {
        "vaultURL": "https://payments.vault.azure.net",
        "tenantID": "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "auth": {"managedIdentity": {}},
    },
    "budget": {"callsPerSecond": 1, "burst": 3},
}
KUBERNETES: Json = {
    "provider": "kubernetes",
    "kubernetes": {},
    "budget": {"callsPerSecond": 10, "burst": 10},
    "revoked": [{"reference": "payments/db", "version": "1"}],
}


def _account(says: str, **changes: object) -> Refused:
    return Refused("secretaccounts", says, changes)


def _revoked(says: str, reference: str, **provider: str) -> Refused:
    return _account(says, spec__revoked=[{"reference": reference, "version": "1", **provider}])


def _vault(says: str, **changes: object) -> Refused:
    return _account(says, spec=VAULT | {"vault": VAULT["vault"] | changes})


def _secret(reference: str) -> Refused:
    revoked = {"revoked": [{"reference": reference, "version": "1"}]}
    return _account(SECRET, spec=KUBERNETES | revoked)


def _gcp(says: str, **changes: object) -> Refused:
    return _account(says, spec=GCP | {"gcp": GCP["gcp"] | changes})


def _azure(says: str, **changes: object) -> Refused:
    return _account(says, spec=AZURE | {"azure": AZURE["azure"] | changes})


def _policy(says: str, **changes: object) -> Refused:
    return Refused("secretpolicies", says, changes)


def _class(says: str, **changes: str) -> Refused:
    return _policy(says, spec__classes={"steady": STEADY | changes})


def _check(**check: object) -> Refused:
    return _policy(ONE_CHECK, spec__sources__0__validate=[check])


def _amount(**amounts: object) -> Refused:
    (name,) = amounts
    says = f"spec.agent.resources.requests.{name}"
    return _policy(says, spec__agent={"resources": {"requests": amounts}})


def _allow(says: str, pattern: str) -> Refused:
    return _policy(says, spec__sources__0__allow=[pattern])


def _snapshot(says: str, **changes: object) -> Refused:
    return Refused("secretsnapshots", says, changes)


RULES = (
    Refused("secretaccounts", ACCOUNT_NAME, name="prod.eu"),
    Refused("secretaccounts", ACCOUNT_NAME, name="p" * 64),
    Refused("secretpolicies", POLICY_NAME, name="p" * 64),
    _account(BLOCK, spec__provider="file"),
    _account(BLOCK, spec__file={"root": "/srv"}),
    _account(ROLE, spec__aws__externalID="lastgood"),
    _account(ROLE, spec__aws__stsEndpoint="https://sts.example"),
    _account(BURST, spec__budget__burst=1),
    _account(BURST, spec__aws__regions=["eu-west-1", "eu-central-1"]),
    _revoked(OWN_NAME, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"),
    _revoked(OWN_NAME, "prod/d b"),
    _revoked(SEGMENT, "prod//db"),
    _revoked(SEGMENT, "prod/../db"),
    _revoked(SEGMENT, "prod/db/"),
    _revoked(ITSELF, "/aws/reference/secretsmanager"),
    _revoked(ITSELF, "AWS/Reference/x"),
    _revoked(of_another(), "/prod/db", provider="file"),
    _revoked(of_another(), "/prod/db", provider="aws"),
    _revoked(PARAMETER, "/prod/a+b", provider="aws-ssm"),
    _revoked(PARAMETER, "prod/db", provider="aws-ssm"),
    _revoked(PARAMETER, "/a" * 16, provider="aws-ssm"),
    _revoked(RESERVED, "/aws/reference/secretsmanager/db", provider="aws-ssm"),
    _revoked(RESERVED, "SSM-x", provider="aws-ssm"),
    _account(
        PATH,
        spec={
            "provider": "file",
            "file": {"root": "/srv"},
            "budget": {"callsPerSecond": 1, "burst": 1},
            "revoked": [{"reference": "db", "version": "1"}],
        },
    ),
    _account(VAULT_BURST, spec=VAULT | {"budget": {"callsPerSecond": 1, "burst": 1}}),
    _vault(VAULT_BURST, addresses=["https://a", "https://b"]),
    _vault(ONE_LOGIN, auth={}),
    _vault(ONE_LOGIN, auth={"kubernetes": {"role": "a"}, "tokenFile": "vault/token"}),
    _vault(ONE_LOGIN, auth={"jwt": {"role": "a"}, "appRole": {"roleID": "a", "secretIDFile": "b"}}),
    _vault(ONE_CA, tls={"caFile": "ca.crt", "caBundle": PEM}),
    _vault(CERTIFICATE_PAIR, tls={"certificateFile": "tls.crt"}),
    _vault(CERTIFICATE_PAIR, tls={"keyFile": "tls.key"}),
    _vault(NEEDS_HTTPS, tls={"caFile": "ca.crt"}, addresses=["http://vault.example:8200"]),
    _vault(MOUNT_ONCE, mounts=[{"path": "secret", "version": 2}, {"path": "secret", "version": 1}]),
    _account(MOUNT_PATH, spec=VAULT | {"revoked": [{"reference": "/secret/db", "version": "1"}]}),
    _account(MOUNT_PATH, spec=VAULT | {"revoked": [{"reference": "db", "version": "1"}]}),
    _secret("db"),
    _secret("payments/DB"),
    _secret("payments/db/x"),
    _secret("payments/lastgood-webhook-ca"),
    _secret("payments/lg-db-" + "0" * 32),
    _secret("payments/" + "a" * 254),
    _account(GCP_BURST, spec=GCP | {"budget": {"callsPerSecond": 1, "burst": 7}}),
    _account(SECRET_ID, spec=GCP | {"revoked": [{"reference": "a.b", "version": "1"}]}),
    _gcp(GCP_GLOBAL, location="global"),
    _gcp(GCP_ZONE, location="europe-west3-a"),
    _account(AZURE_BURST, spec=AZURE | {"budget": {"callsPerSecond": 1, "burst": 2}}),
    _account(VAULT_NAME, spec=AZURE | {"revoked": [{"reference": "Db", "version": "1"}]}),
    _gcp(GCP_HTTPS, endpoint="http://secretmanager-psc.p.googleapis.com"),
    _azure(AZURE_LOGIN, auth={}),
    _azure(AZURE_LOGIN, auth={"managedIdentity": {}, "workloadIdentity": {}}),
    _azure(
        AZURE_IDENTITY,
        auth={
            "managedIdentity": {
                "clientID": "72f988bf-86f1-41af-91ab-2d7cd011db47",
                "resourceID": "/subscriptions/1",
            }
        },
    ),
    _azure(AZURE_HTTPS, vaultURL="http://payments.vault.azure.net"),
    _azure(AZURE_HTTPS, authorityHost="http://login.microsoftonline.com"),
    _azure(AZURE_AUTHORITY, vaultURL="https://payments.vault.azure.net.evil.example"),
    _azure(AZURE_AUTHORITY, vaultURL="https://payments.vault.azure.net:8443"),
    _azure(AZURE_AUTHORITY, vaultURL="https://a.b.vault.azure.net"),
    _azure(AZURE_AUTHORITY, vaultURL="https://vault.azure.net"),
    _policy(CLASS, spec__sources__0__class="stedy"),
    _policy(CLASS, spec__classes={}),
    _check(),
    _check(pem=True, json=True),
    _check(minBytes=1, maxBytes=2),
    _check(requiredKeys=["a"], json=True),
    _class(BUDGET, refreshInterval="15m", freshnessBudget="21m59s"),
    _class(BUDGET, refreshInterval="1s", freshnessBudget="121s"),
    _class(BUDGET, refreshInterval="999999h", freshnessBudget="24h"),
    _class(MAX_AGE, maxAge="59m59s"),
    _class(ZERO, refreshInterval="0s"),
    _class(ZERO, maxAge="0h0m0s"),
    _snapshot(ZERO, spec__retention="0s"),
    _policy(CLASS_NAME, spec__classes={"steady": STEADY, "A_b": STEADY}),
    _policy(CLASS_NAME, spec__classes={"steady": STEADY, "c" * 64: STEADY}),
    _allow(SEGMENTS, "aws-sm:/prod//x"),
    _allow(SEGMENTS, "aws-sm:.."),
    _allow(STARS, "aws-sm:/prod**/x"),
    _allow(DELIMITED, "aws-sm:/prod-{namespace}x"),
    _allow(DELIMITED, "aws-sm:/*{namespace}"),
    _allow(OF_NAMESPACE, "k8s:*"),
    _allow(OF_NAMESPACE, "k8s:payments-*"),
)
"""Every rule in CEL of what is created."""
BOUNDS = (
    _account("spec.provider: Unsupported value", spec__provider="valut"),
    _account("spec.budget: Required value", spec={"provider": "aws", "aws": {"regions": ["a"]}}),
    _account("spec.budget.callsPerSecond", spec__budget__callsPerSecond=0),
    _account("spec.budget.burst", spec__budget__burst=0),
    _account("spec.aws.roleARN", spec__aws__roleARN="arn:aws:iam::1:user/alice"),
    _account("spec.aws.endpoint", spec__aws__endpoint="https://example.com/path"),
    _account("spec.aws.endpoint", spec__aws__endpoint="https://a\u00a0b"),
    _account("spec.aws.endpoint", spec__aws__endpoint="https://example.com:65536"),
    _account("spec.aws.regions: Invalid value: 0", spec__aws__regions=[]),
    _account("spec.aws.regions[0]", spec__aws__regions=["Ireland"]),
    _account("spec.revoked[0].version", spec__revoked=[{"reference": "a", "version": "v" * 513}]),
    _vault("spec.vault.addresses[0]", addresses=["https://vault.example/prefix"]),
    _vault("spec.vault.addresses: Invalid value: 0", addresses=[]),
    _vault("spec.vault.namespace", namespace="/team"),
    _vault("spec.vault.mounts: Invalid value: 0", mounts=[]),
    _vault("spec.vault.mounts[0].path", mounts=[{"path": "secret/", "version": 2}]),
    _vault("spec.vault.mounts[0].version", mounts=[{"path": "secret", "version": 3}]),
    _vault("spec.vault.auth.tokenFile", auth={"tokenFile": "/var/run/secrets/token"}),
    _vault("spec.vault.auth.tokenFile", auth={"tokenFile": "vault/../token"}),
    _vault("spec.vault.auth.kubernetes.role", auth={"kubernetes": {"role": "a b"}}),
    _vault("spec.vault.auth.jwt.audience", auth={"jwt": {"role": "a", "audience": "a b"}}),
    _vault("spec.vault.tls.caBundle", tls={"caBundle": "MIIB"}),
    _vault("spec.vault.tls.serverName", tls={"serverName": "https://vault.example"}),
    _gcp("spec.gcp.project", project="Payments"),
    _gcp("spec.gcp.projectNumber", projectNumber="0123"),
    _gcp("spec.gcp.location", location="europe/west3"),
    _gcp("spec.gcp.credentialsFile", credentialsFile="/etc/gcp.json"),
    _gcp("spec.gcp.impersonate", impersonate="me@example.com"),
    _gcp("spec.gcp.endpoint", endpoint="secretmanager.googleapis.com"),
    _azure("spec.azure.vaultURL", vaultURL="https://payments.vault.azure.net/secrets"),
    _azure("spec.azure.audience", audience="vault.azure.net"),
    _azure("spec.azure.tenantID", tenantID="contoso.onmicrosoft.com"),
    _azure("spec.azure.auth.managedIdentity.clientID", auth={"managedIdentity": {"clientID": "a"}}),
    _azure(
        "spec.azure.auth.managedIdentity.resourceID",
        auth={"managedIdentity": {"resourceID": "lastgood"}},
    ),
    _policy("spec.namespaces: Invalid value: 0", spec__namespaces=[]),
    _policy("spec.namespaces[0]", spec__namespaces=["Team"]),
    _policy("spec.sources[0].allow: Invalid value: 0", spec__sources__0__allow=[]),
    _policy("requiredKeys: Invalid value: 0", spec__sources__0__validate=[{"requiredKeys": []}]),
    _policy("spec.sources[0].class", spec__sources__0__class="A_b"),
    _amount(cpu="lots"),
    _amount(cpu=-1),
    _amount(memory="1 Gi"),
    _amount(memory="1" * 33),
    _policy("spec.sources[0].account", spec__sources__0__account="prod.eu"),
    _allow("spec.sources[0].allow[0]", "valut:/prod/x"),
    _allow("spec.sources[0].allow[0]", "aws-sm:/prod/a b"),
    _allow("spec.sources[0].allow[0]: Too long", "aws-sm:" + "a" * 394),
    _class("spec.classes.steady.refreshInterval", refreshInterval="15 minutes"),
    _class("spec.classes.steady.onExpired", onExpired="stop"),
    _policy("spec.limits.secretsPerPod", spec__limits={"secretsPerPod": 257}),
    _policy("spec.limits.bytesPerSecret", spec__limits={"bytesPerSecret": 786433}),
    _policy("spec.agent.mode", spec__agent={"mode": "sidecar"}),
    _policy("spec.agent.runAs", spec__agent={"runAs": "root"}),
    _snapshot("spec.source: Required value", spec={}),
    _snapshot("spec.source.account", spec__source__account="Prod"),
    _snapshot("spec.retention", spec__retention="a week"),
    _snapshot("spec.revoked", spec__revoked=[""]),
    _snapshot("spec.quarantined: Too many", spec__quarantined=[str(at) for at in range(129)]),
    _snapshot("spec.pin", spec__pin=""),
)
"""Names, patterns and bounds, which have no message of ours: it names the field."""
KEPT: tuple[tuple[str, Json], ...] = (
    (IMMUTABLE, {"source": {"reference": "/prod/other"}}),
    (IMMUTABLE, {"source": {"account": "other"}}),
    (IMMUTABLE, {"source": {"provider": "file"}}),
    (IMMUTABLE, {"source": {"identity": "other"}}),
    (GROWS, {"revoked": ["one"]}),
    (GROWS, {"revoked": ["two", "three"]}),
    (GROWS, {"revoked": []}),
    (GROWS, {"revoked": None}),
)
"""Changes of a SecretSnapshot that has revoked `one` and `two`, refused by what it was."""


def rules() -> Iterator[str]:
    """The message of every rule in the chart's definitions."""
    for file in sorted((CHART / "crds").glob("*.yaml")):
        yield from _messages(yaml.safe_load(file.read_text(encoding="utf-8")))


def _messages(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", []))
        for item in node.values():
            yield from _messages(item)
    if isinstance(node, list):
        for item in node:
            yield from _messages(item)

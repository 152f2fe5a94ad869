"""What an admin may write, and the sentence for what not."""

from __future__ import annotations

from typing import Any

import pytest

from api.account import SecretAccount
from api.policy import SecretPolicy
from policy.load import PolicyError, load_texts
from providers.registry import PROVIDERS, SCHEMES
from tests import make
from tests.policy.given import CLASSES, account, policy, source

X = source("aws-sm:/x/*")


def changed(**fields: str) -> dict[str, Any]:
    """Classes whose steady one has other fields."""
    return {"classes": {**CLASSES, "steady": {**CLASSES["steady"], **fields}}}


def allowing(pattern: str) -> dict[str, Any]:
    """A policy with this pattern."""
    return policy(source(pattern))


PROVIDED = ", ".join(PROVIDERS)
GCP = {"project": "payments-prod"}
GUID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
ROLE = "arn:aws-us-gov:iam::123456789012:role/team/last+good"
DELIMITED = (
    "{namespace} must be followed by / . _ + = @ ! or the end of the pattern, and one of these must"
    " stand between it and a wildcard before it, or it could match other namespaces' secrets"
)
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": (
        policy(X, alowEnvValue=True),
        'spec.alowEnvValue: unknown field. Did you mean "allowEnvValue"?',
    ),
    "unknown field inside": (
        policy(X, limits={"secretPerPod": 1}),
        'spec.limits.secretPerPod: unknown field. Did you mean "secretsPerPod"?',
    ),
    "unknown field of a list": (
        policy({**X, "alow": []}),
        'spec.sources[0].alow: unknown field. Did you mean "allow"?',
    ),
    "wrong type": (
        policy(X, allowEnvValue="yes"),
        "spec.allowEnvValue: must be true or false, without quotes",
    ),
    "a number in quotes": (
        account(budget={"callsPerSecond": "0.5", "burst": 4}),
        "spec.budget.callsPerSecond: must be a number, so leave out the quotes: 0.5",
    ),
    "a number that is text": (
        account(provider="gcp", aws=None, gcp=GCP | {"projectNumber": 123456789012}),
        'spec.gcp.projectNumber: must be a string, so put it in quotes: "123456789012"',
    ),
    "a truth that is text": (
        account(provider="gcp", aws=None, gcp={"project": True}),
        "spec.gcp.project: must be a string, so put it in quotes",
    ),
    "a mapping that is text": (
        account(provider="gcp", aws=None, gcp={"project": {}}),
        "spec.gcp.project: must be a string",
    ),
    "one of a few": (
        policy(X, agent={"mode": "folow"}),
        'spec.agent.mode: "folow" is not valid. Allowed: follow, mount. Did you mean "follow"?',
    ),
    "the provider of a reference": (
        account(provider="azure-kv"),
        f'spec.provider: "azure-kv" is not valid. Allowed: {PROVIDED}. Did you mean "azure"?',
    ),
    "no provider": (
        account(provider="asure"),
        f'spec.provider: "asure" is not valid. Allowed: {PROVIDED}. Did you mean "azure"?',
    ),
    "a location that is none": (
        account(provider="gcp", aws=None, gcp=GCP | {"location": "global"}),
        'spec.gcp.location: a location must not be "global": omit it for global secrets',
    ),
    "a zone": (
        account(provider="gcp", aws=None, gcp=GCP | {"location": "europe-west3-a"}),
        'spec.gcp.location: "europe-west3-a" is a zone. Did you mean "europe-west3"?',
    ),
    "a block without fields": (
        account(provider="kubernetes", aws=None, kubernetes={"namespace": "payments"}),
        "spec.kubernetes.namespace: unknown field. Allowed: no fields. Write {}",
    ),
    "the provider of an account": (
        allowing("kubernetes:{namespace}/*"),
        (
            "spec.sources[0].allow[0]: must be provider:pattern, with provider one of"
            f' {", ".join(SCHEMES)}. Did you mean "k8s"?'
        ),
    ),
    "duration": (
        policy(X, **changed(refreshInterval="15")),
        (
            "spec.classes.steady.refreshInterval: a duration must have hours, minutes or seconds,"
            ' for example "15m", "1h30m" or "90s"'
        ),
    ),
    "a role's ARN": (
        account(aws={"regions": ["eu-west-1"], "roleARN": "arn:aws:iam::123:role/r"}),
        (
            "spec.aws.roleARN: a role ARN must be arn:aws:iam::, 12 digits, :role/, and the role's"
            ' path and name, for example "arn:aws:iam::123456789012:role/lastgood"'
        ),
    ),
    "an external ID": (
        account(aws={"regions": ["eu-west-1"], "roleARN": ROLE, "externalID": "a b"}),
        (
            "spec.aws.externalID: an externalID must be 2 to 1224 characters of"
            " A-Z a-z 0-9 _ + = , . @ : / and -"
        ),
    ),
    "a URL with a path": (
        account(aws={"regions": ["eu-west-1"], "endpoint": "http://localhost:4566/"}),
        (
            'spec.aws.endpoint: "http://localhost:4566/" has a path. Allowed: http:// or https://,'
            ' a host and optionally a port. Did you mean "http://localhost:4566"?'
        ),
    ),
    "a burst that pays for no fetch": (
        account(budget={"callsPerSecond": 1, "burst": 1}),
        (
            "spec: budget.burst must be at least 2 per region in aws.regions: one fetch can need a"
            " change check and a read in each region"
        ),
    ),
    "a burst for one region of two": (
        account(
            aws={"regions": ["eu-west-1", "eu-central-1"]},
            budget={"callsPerSecond": 1, "burst": 3},
        ),
        (
            "spec: budget.burst must be at least 2 per region in aws.regions: one fetch can need a"
            " change check and a read in each region"
        ),
    ),
    "an external ID without a role": (
        account(aws={"regions": ["eu-west-1"], "externalID": "ab"}),
        "spec.aws: externalID and stsEndpoint require roleARN: they configure how it is assumed",
    ),
    "where to assume no role": (
        account(aws={"regions": ["eu-west-1"], "stsEndpoint": "https://sts"}),
        "spec.aws: externalID and stsEndpoint require roleARN: they configure how it is assumed",
    ),
    "budget too small": (
        policy(X, **changed(freshnessBudget="20m")),
        (
            "spec.classes.steady: freshnessBudget must be at least 1320s for this refreshInterval"
            " (4/3 of (refreshInterval + 90s)), or healthy pods would become stale"
        ),
    ),
    "maximum age too small": (
        policy(X, **changed(maxAge="30m")),
        "spec.classes.steady: maxAge must be at least freshnessBudget",
    ),
    "unknown class": (
        policy(source("aws-sm:/x", rules="stedy")),
        (
            'spec: sources[0].class "stedy" is not one of this policy\'s classes.'
            ' Did you mean "steady"?'
        ),
    ),
    "unknown provider": (
        allowing("aws-sn:/x"),
        (
            "spec.sources[0].allow[0]: must be provider:pattern, with provider one of"
            f" {', '.join(SCHEMES)}."
            ' Did you mean "aws-sm"?'
        ),
    ),
    "two stars in a segment": (
        allowing("aws-sm:/a**"),
        "spec.sources[0].allow[0]: ** matches whole segments: it must stand alone between two /",
    ),
    "dots": (
        allowing("aws-sm:/a/../b"),
        (
            'spec.sources[0].allow[0]: a pattern must not have an empty, "." or ".." segment:'
            " no reference has one"
        ),
    ),
    "star after the namespace": (
        allowing("aws-sm:/{namespace}*"),
        f"spec.sources[0].allow[0]: {DELIMITED}",
    ),
    "dash after the namespace": (
        allowing("aws-sm:/{namespace}-*"),
        f"spec.sources[0].allow[0]: {DELIMITED}",
    ),
    "star before the namespace": (
        allowing("aws-sm:/*-{namespace}"),
        f"spec.sources[0].allow[0]: {DELIMITED}",
    ),
    "two validations in one": (
        policy({**X, "validate": [{"pem": True, "json": True}]}),
        (
            "spec.sources[0].validate[0]: each item of validate must set exactly one of pem, json,"
            " requiredKeys, minBytes, maxBytes"
        ),
    ),
    "block of another provider": (
        account(provider="file"),
        "spec: provider file requires the block file and no other",
    ),
    "quantity": (
        policy(X, agent={"resources": {"limits": {"cpu": "much"}}}),
        (
            "spec.agent.resources.limits.cpu: a quantity must be a number with m, k, M, G, Ki, Mi,"
            ' Gi or no suffix, for example "100m"'
        ),
    ),
}

VAULT_URL = "https://payments.vault.azure.net"
OF_A_URL = "Allowed: https://, a host and optionally a port"
WRONG_URLS = {
    f"{VAULT_URL}/": f'"{VAULT_URL}/" has a path. {OF_A_URL}. Did you mean "{VAULT_URL}"?',
    f"{VAULT_URL}/secrets/db": (
        f'"{VAULT_URL}/secrets/db" has a path. {OF_A_URL}. Did you mean "{VAULT_URL}"?'
    ),
    "payments.vault.azure.net": (
        f'"payments.vault.azure.net" has no https://. {OF_A_URL}. Did you mean "{VAULT_URL}"?'
    ),
    "payments": f'"payments" has no https://. {OF_A_URL}, for example "{VAULT_URL}"',
    "https://pay ments": f'"https://pay ments" is not a URL. {OF_A_URL}, for example "{VAULT_URL}"',
    "https://me:word@payments.vault.azure.net/": (
        "a URL must be https://, a host and optionally a port, without a path, for example"
        f' "{VAULT_URL}"'
    ),
}
"""By what was written; one that may hold a password is not quoted."""


@pytest.mark.parametrize(("url", "message"), WRONG_URLS.items(), ids=WRONG_URLS)
def test_a_wrong_url_is_told_the_right_one(url: str, message: str) -> None:
    """Azure prints vaults with a / at the end."""
    given = {"vaultURL": url, "tenantID": GUID, "auth": {"managedIdentity": {}}}
    document = account(provider="azure", azure=given, aws=None)
    with pytest.raises(PolicyError) as caught:
        load_texts({"a.yaml": make.as_file(document)})
    assert str(caught.value) == f"a.yaml, document 1: spec.azure.vaultURL: {message}"


@pytest.mark.parametrize(("document", "message"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_has_its_sentence(document: dict[str, Any], message: str) -> None:
    """Which file, which document, which field, and what is allowed."""
    documents = [document] if document["kind"] == "SecretAccount" else [account(), document]
    with pytest.raises(PolicyError) as caught:
        load_texts({"a.yaml": make.as_file(*documents)})
    assert str(caught.value) == f"a.yaml, document {len(documents)}: {message}"


def test_an_example_is_read() -> None:
    """Durations are seconds, and what is left out has its default."""
    validated = {**X, "validate": [{"pem": True}, {"minBytes": 1}, {"requiredKeys": ["a"]}]}
    read = SecretPolicy.model_validate(policy(validated)).spec
    assert read.classes["steady"].freshness_budget == 3600
    assert (read.limits.secrets_per_pod, read.limits.bytes_per_secret) == (32, 65536)
    assert (read.agent.mode, read.allow_env_value) == ("follow", False)
    checks = [check.as_mapping() for check in read.sources[0].checks]
    assert checks == [{"pem": True}, {"minBytes": 1}, {"requiredKeys": ("a",)}]


def test_accounts_are_frozen() -> None:
    """What was decided by does not change under one's hands."""
    found = SecretAccount.model_validate(account())
    with pytest.raises(ValueError, match="frozen"):
        found.spec.budget.burst = 1

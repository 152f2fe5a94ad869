"""References are accepted as they are or rejected in words; nothing is repaired."""

from __future__ import annotations

import pytest

from contract.reference import ReferenceRejected, SourceRequest
from providers.references import canonicalise, in_namespace, namespace_of, parse_source, written
from providers.registry import SCHEMES

ACCEPTED: dict[str, tuple[str | None, str, str | None, str]] = {
    # annotation: account, reference, property, provider
    "aws-sm:/prod/payments/db#password": (None, "/prod/payments/db", "password", "aws-sm"),
    "aws-sm:db": (None, "db", None, "aws-sm"),
    "aws-sm@prod-eu:a_b+c=d.e@f-g": ("prod-eu", "a_b+c=d.e@f-g", None, "aws-sm"),
    "aws-sm:rds!cluster-1fcd41b2-5e8b-4b5a-9d3b-2f1c7b1e0a11#password": (
        None,
        "rds!cluster-1fcd41b2-5e8b-4b5a-9d3b-2f1c7b1e0a11",
        "password",
        "aws-sm",
    ),
    "aws-sm@prod-eu:events!connection/orders/5b3a0a11": (
        "prod-eu",
        "events!connection/orders/5b3a0a11",
        None,
        "aws-sm",
    ),
    "aws-sm:rds/x#a/b/c": (None, "rds/x", "a/b/c", "aws-sm"),
    "aws-ssm:/prod/payments/db#password": (None, "/prod/payments/db", "password", "aws-ssm"),
    "aws-ssm@prod-eu:db_A.1-x": ("prod-eu", "db_A.1-x", None, "aws-ssm"),
    "aws-ssm:" + "/a" * 15: (None, "/a" * 15, None, "aws-ssm"),
    "aws-ssm:/prod/aws": (None, "/prod/aws", None, "aws-ssm"),
    "file:/ca.pem": (None, "/ca.pem", None, "file"),
    "file@f:/a/...": ("f", "/a/...", None, "file"),
    "aws-sm:db#.dockerconfigjson": (None, "db", ".dockerconfigjson", "aws-sm"),
    "vault@prod:secret/app/db#password": ("prod", "secret/app/db", "password", "vault"),
    "k8s:payments-db-secret#password": (None, "payments-db-secret", "password", "k8s"),
    "k8s@cluster:tls.example.com#tls.crt": ("cluster", "tls.example.com", "tls.crt", "k8s"),
    "vault:legacy/kv/a=b@c+d!e": (None, "legacy/kv/a=b@c+d!e", None, "vault"),
    "gcp-sm@prod:db_Password-1#user": ("prod", "db_Password-1", "user", "gcp-sm"),
    "gcp-sm:" + "x" * 255: (None, "x" * 255, None, "gcp-sm"),
    "azure-kv@prod:db-password-1#user": ("prod", "db-password-1", "user", "azure-kv"),
    "azure-kv:" + "x" * 127: (None, "x" * 127, None, "azure-kv"),
    "aws-sm:" + "x" * 512: (None, "x" * 512, None, "aws-sm"),
}


@pytest.mark.parametrize(("raw", "parts"), ACCEPTED.items(), ids=[raw[:40] for raw in ACCEPTED])
def test_a_source_is_taken_apart(raw: str, parts: tuple[str | None, str, str | None, str]) -> None:
    """Each part is what was written."""
    account, reference, name, provider = parts
    assert parse_source(raw) == SourceRequest(
        scheme=provider, account=account, reference=reference, property=name
    )


SM = (
    "is not a valid name in Secrets Manager. Allowed: 1 to 512 characters of"
    " A-Z a-z 0-9 / _ + = . @ ! -"
)
PATH = "is not a valid path. Allowed: / and then 1 to 511 characters of A-Z a-z 0-9 / _ + = . @ ! -"
KV = "is not a valid path in Vault. Allowed: 1 to 512 characters of A-Z a-z 0-9 / _ + = . @ ! -"
SLASH = "starts with /. Write the mount, / and the path"
SEGMENT = 'has an empty, "." or ".." segment. Remove it from the path'
PROPERTY = (
    "is not a valid property. Allowed: up to 16 names with / between them, each 1 to 128 characters"
    " of A-Z a-z 0-9 _ . -, without .. and without a dot next to a /, at most 251 characters in"
    " total, where each / counts as two"
)
ACCOUNT = (
    "is not a valid account name. Allowed: 1 to 63 characters of a-z, 0-9 and -, with a letter or"
    " digit at both ends"
)
ARN = "an ARN is not allowed here: the SecretAccount decides the AWS account"
ARN_OF = "aws-sm:arn:aws:secretsmanager:eu-west-1:111122223333:secret:"
PARAMETER_ARN = "aws-ssm:arn:aws:ssm:eu-west-1:111122223333:parameter"
OTHER_STORE = "refers to another store. Use the name of the secret itself"

SECRET = (
    "is not a valid name of a Secret. Allowed: 1 to 253 characters of a-z, 0-9, - and ., with a"
    " letter or digit at both ends and next to each ."
)
OWN_NAMESPACE = (
    "contains a /. A reference names a Secret of the pod's own namespace, without the namespace"
)
OURS = "is reserved for lastgood. Use another Secret"
KNOWN = ", ".join(SCHEMES)
SSM = (
    "is not a valid name in Parameter Store. Allowed: 1 to 512 characters, 1 to 15 levels, each /"
    " and characters of A-Z a-z 0-9 _ . -, or one name without /"
)
SELECTS = (
    "selects a version or a label. Use the name alone, and spec.pin of the SecretSnapshot for a"
    " version"
)
RESERVED = "starts with aws or ssm, which AWS reserves for parameters of its own"

SECRET_ID = (
    "is not a valid secret ID in Google Secret Manager. Allowed: 1 to 255 characters of A-Z a-z 0-9"
    " _ -"
)
VAULT_NAME = (
    "is not a valid secret name in Azure Key Vault. Allowed: 1 to 127 characters of a-z 0-9 -"
)

REJECTED = {
    "": '"" has no provider. Allowed: provider[@account]:reference[#property]',
    "db": '"db" has no provider. Allowed: provider[@account]:reference[#property]',
    ":db": f'"" is not a valid provider. Allowed: {KNOWN}',
    "aws-ms:db": f'"aws-ms" is not a valid provider. Allowed: {KNOWN}. Did you mean "aws-sm"?',
    "AWS-SM:db": f'"AWS-SM" is not a valid provider. Allowed: {KNOWN}. Did you mean "aws-sm"?',
    "files:/a": f'"files" is not a valid provider. Allowed: {KNOWN}. Did you mean "file"?',
    "valut:a/b": f'"valut" is not a valid provider. Allowed: {KNOWN}. Did you mean "vault"?',
    "kubernetes:db": f'"kubernetes" is not a valid provider. Allowed: {KNOWN}. Did you mean "k8s"?',
    "azure:db": f'"azure" is not a valid provider. Allowed: {KNOWN}. Did you mean "azure-kv"?',
    "GCP@prod:db": f'"GCP" is not a valid provider. Allowed: {KNOWN}. Did you mean "gcp-sm"?',
    "aws:db": (
        f'"aws" is not a valid provider. Allowed: {KNOWN}. Did you mean "aws-sm" or "aws-ssm"?'
    ),
    "arn:aws:x": f'"arn" is not a valid provider. Allowed: {KNOWN}',
    "\x1b[31m:x": f'"\\x1b[31m" is not a valid provider. Allowed: {KNOWN}',
    "aws-sm@:db": f'"" {ACCOUNT}',
    "aws-sm@Prod:db": f'"Prod" {ACCOUNT}',
    "aws-sm@-a:db": f'"-a" {ACCOUNT}',
    "aws-sm@a@b:db": f'"a@b" {ACCOUNT}',
    "aws-sm@" + "a" * 64 + ":db": f'"{"a" * 64}" {ACCOUNT}',
    "aws-sm:": f'"" {SM}',
    "aws-sm:a b": f'"a b" {SM}',
    "aws-sm:a%2fb": f'"a%2fb" {SM}',
    "aws-sm:a?x": f'"a?x" {SM}',
    "aws-sm:a\\b": f'"a\\b" {SM}',
    "aws-sm:a\n": f'"a\\n" {SM}',
    "aws-sm:a\x7f": f'"a\\x7f" {SM}',
    "aws-sm:\u0430": f'"\\u0430" {SM}',
    "aws-sm:\ud800": f'"\\ud800" {SM}',
    "aws-sm:a:b": f'"a:b" {SM}',
    "aws-sm:" + "x" * 513: f'"{"x" * 77}..." {SM}',
    "aws-sm:/": f'"/" {SEGMENT}',
    "aws-sm://a": f'"//a" {SEGMENT}',
    "aws-sm:a/": f'"a/" {SEGMENT}',
    "aws-sm:a//b": f'"a//b" {SEGMENT}',
    "aws-sm:./a": f'"./a" {SEGMENT}',
    "aws-sm:a/../b": f'"a/../b" {SEGMENT}',
    "aws-sm:..": f'".." {SEGMENT}',
    "aws-sm:/aws/reference/secretsmanager/db": f'"/aws/reference/secretsmanager/db" {OTHER_STORE}',
    "aws-sm:AWS/Reference/x": f'"AWS/Reference/x" {OTHER_STORE}',
    f"{ARN_OF}/prod/db-a1B2c3": f'{ARN}. Did you mean "/prod/db"?',
    f"{ARN_OF}rds!db-3ce19e76-a1B2c3#password": f'{ARN}. Did you mean "rds!db-3ce19e76"?',
    f"{ARN_OF}db#password": f'{ARN}. Did you mean "db"?',
    f"{ARN_OF}\x1b[31m": ARN,
    "aws-ssm:": f'"" {SSM}',
    "aws-ssm:/a b": f'"/a b" {SSM}',
    "aws-ssm:/a+b": f'"/a+b" {SSM}',
    "aws-ssm:/a:b:c d": f'"/a:b:c d" {SELECTS}. Did you mean "/a"?',
    "aws-ssm:/prod/db:3": f'"/prod/db:3" {SELECTS}. Did you mean "/prod/db"?',
    "aws-ssm:db:blue#password": f'"db:blue" {SELECTS}. Did you mean "db"?',
    "aws-ssm:a/b": '"a/b" has levels, so it must start with /. Did you mean "/a/b"?',
    "aws-ssm:" + "/a" * 16: f'"{"/a" * 16}" has too many levels. Parameter Store allows 15',
    "aws-ssm:/" + "x" * 512: f'"/{"x" * 76}..." {SSM}',
    "aws-ssm://a": f'"//a" {SEGMENT}',
    "aws-ssm:/a/": f'"/a/" {SEGMENT}',
    "aws-ssm:/a/../b": f'"/a/../b" {SEGMENT}',
    "aws-ssm:/AWS/x": f'"/AWS/x" {RESERVED}',
    "aws-ssm:ssm-x": f'"ssm-x" {RESERVED}',
    "aws-ssm:/aws/reference/secretsmanager/prod/db": (
        f'"/aws/reference/secretsmanager/prod/db" {RESERVED}. Did you mean "aws-sm:prod/db"?'
    ),
    f"{PARAMETER_ARN}/prod/db": f'{ARN}. Did you mean "/prod/db"?',
    f"{PARAMETER_ARN}/db": f'{ARN}. Did you mean "db"?',
    f"{PARAMETER_ARN}/\x1b[31m": ARN,
    f"aws-ssm:{ARN_OF.removeprefix('aws-sm:')}db": ARN,
    "file:": f'"" {PATH}',
    "file:a": f'"a" {PATH}',
    "file:/": f'"/" {PATH}',
    "file:/a/../../etc/shadow": f'"/a/../../etc/shadow" {SEGMENT}',
    "file:/a\0": f'"/a\\x00" {PATH}',
    "vault:": f'"" {KV}',
    "vault:secret/a b": f'"secret/a b" {KV}',
    "vault:secret/a%2fb": f'"secret/a%2fb" {KV}',
    "vault:secret/a?version=1": f'"secret/a?version=1" {KV}',
    "vault:" + "s/" + "x" * 511: f'"{"s/" + "x" * 75}..." {KV}',
    "vault:secret": (
        '"secret" has no path. Write the mount, / and the path, for example "secret/app/db"'
    ),
    "vault:/secret/db": f'"/secret/db" {SLASH}. Did you mean "secret/db"?',
    "vault:/secret": f'"/secret" {SLASH}',
    "vault:secret/": f'"secret/" {SEGMENT}',
    "vault:secret/db/": f'"secret/db/" {SEGMENT}',
    "vault:secret/../sys/mounts": f'"secret/../sys/mounts" {SEGMENT}',
    "vault:secret//db": f'"secret//db" {SEGMENT}',
    "k8s:": f'"" {SECRET}',
    "k8s:DB": f'"DB" {SECRET}. Did you mean "k8s:db"?',
    "k8s:db_1": f'"db_1" {SECRET}. Did you mean "k8s:db-1"?',
    "k8s:Payments_DB#p": f'"Payments_DB" {SECRET}. Did you mean "k8s:payments-db"?',
    "k8s:payments-db:password": (
        f'"payments-db:password" {SECRET}. Did you mean "k8s:payments-db#password"?'
    ),
    "k8s:db:": f'"db:" {SECRET}',
    "k8s:LG-DB-" + "0" * 32: f'"LG-DB-{"0" * 32}" {SECRET}',
    "k8s:-db": f'"-db" {SECRET}',
    "k8s:a..b": f'"a..b" {SECRET}',
    "k8s:..": f'".." {SECRET}',
    "k8s:db\n": f'"db\\n" {SECRET}',
    "k8s:" + "a" * 254: f'"{"a" * 77}..." {SECRET}',
    "k8s:payments-db/password": (
        f'"payments-db/password" {OWN_NAMESPACE}. Write "k8s:password" for the Secret password of'
        ' this namespace, or "k8s:payments-db#password" for a key'
    ),
    "k8s:payments-db/DB_PASSWORD": (
        f'"payments-db/DB_PASSWORD" {OWN_NAMESPACE}. Did you mean "k8s:payments-db#DB_PASSWORD"?'
    ),
    "k8s:../orders/db": f'"../orders/db" {OWN_NAMESPACE}. Write "k8s:db"',
    "k8s:/db": f'"/db" {OWN_NAMESPACE}. Write "k8s:db"',
    "k8s:orders/": f'"orders/" {OWN_NAMESPACE}',
    "k8s:lg-db-" + "0" * 32: f'"lg-db-{"0" * 32}" {OURS}',
    "k8s:lgr-" + "0" * 32: f'"lgr-{"0" * 32}" {OURS}',
    "k8s:lastgood-webhook-ca": f'"lastgood-webhook-ca" {OURS}',
    "gcp-sm:": f'"" {SECRET_ID}',
    "gcp-sm:a/b": f'"a/b" {SECRET_ID}',
    "gcp-sm:..": f'".." {SECRET_ID}',
    "gcp-sm:" + "x" * 256: f'"{"x" * 77}..." {SECRET_ID}',
    "gcp-sm:projects/p/secrets/db/versions/latest": (
        f'"projects/p/secrets/db/versions/latest" {SECRET_ID}. Did you mean "db"? The project is'
        " set in the SecretAccount"
    ),
    "azure-kv:": f'"" {VAULT_NAME}',
    "gcp-sm:projects/123456789012/locations/europe-west3/secrets/db/versions/3": (
        f'"projects/123456789012/locations/europe-west3/secrets/db/versions/3" {SECRET_ID}.'
        ' Did you mean "db"? The project is set in the SecretAccount. A version is pinned with'
        " lastgood pin"
    ),
    "gcp-sm://secretmanager.googleapis.com/projects/p/secrets/db": (
        f'"//secretmanager.googleapis.com/projects/p/secrets/db" {SECRET_ID}. Did you mean "db"?'
        " The project is set in the SecretAccount"
    ),
    "gcp-sm:secrets/payments_db": f'"secrets/payments_db" {SECRET_ID}. Did you mean "payments_db"?',
    "gcp-sm:payments_db/versions/3": (
        f'"payments_db/versions/3" {SECRET_ID}. Did you mean "payments_db"? A version is pinned'
        " with lastgood pin"
    ),
    "gcp-sm:payments_db:latest": (f'"payments_db:latest" {SECRET_ID}. Did you mean "payments_db"?'),
    "gcp-sm:payments_db:password": (
        f'"payments_db:password" {SECRET_ID}. Did you mean "payments_db#password"?'
    ),
    "gcp-sm:secrets/d b": f'"secrets/d b" {SECRET_ID}',
    "azure-kv:a_b": f'"a_b" {VAULT_NAME}. Did you mean "a-b"?',
    "azure-kv:/payments-db": f'"/payments-db" {VAULT_NAME}. Did you mean "payments-db"?',
    "azure-kv:secrets/db": (
        f'"secrets/db" {VAULT_NAME}. Did you mean "db"? The vault is set in the SecretAccount'
    ),
    "azure-kv:payments-db:password": (
        f'"payments-db:password" {VAULT_NAME}. Did you mean "payments-db#password"?'
    ),
    "azure-kv:db/" + "0" * 32: (
        f'"db/{"0" * 32}" {VAULT_NAME}. Did you mean "db"? A version is pinned with lastgood pin'
    ),
    "azure-kv:https://payments.vault.azure.net/secrets/Payments-DB": (
        f'"https://payments.vault.azure.net/secrets/Payments-DB" {VAULT_NAME}. Did you mean'
        ' "payments-db"? The vault is set in the SecretAccount'
    ),
    "azure-kv:https://p.vault.azure.net/secrets/db/" + "a" * 32: (
        f'"https://p.vault.azure.net/secrets/db/{"a" * 32}" {VAULT_NAME}. Did you mean "db"? The'
        " vault is set in the SecretAccount. A version is pinned with lastgood pin"
    ),
    "azure-kv:a b": f'"a b" {VAULT_NAME}',
    "azure-kv:a/0123": f'"a/0123" {VAULT_NAME}',
    "azure-kv:Db-Password": f'"Db-Password" {VAULT_NAME}. Did you mean "db-password"?',
    "azure-kv:" + "x" * 128: f'"{"x" * 77}..." {VAULT_NAME}',
    "aws-sm:db#": f'"" {PROPERTY}',
    "aws-sm:db#a#b": f'"a#b" {PROPERTY}',
    "aws-sm:db#/a": f'"/a" {PROPERTY}',
    "aws-sm:db#a//b": f'"a//b" {PROPERTY}',
    "aws-sm:db#a..b": f'"a..b" {PROPERTY}',
    "aws-sm:db#a./b": f'"a./b" {PROPERTY}',
    "aws-sm:db#a/.b": f'"a/.b" {PROPERTY}',
    "aws-sm:db#a b": f'"a b" {PROPERTY}',
    "aws-sm:db#" + "/".join("a" * 17): f'"{"/".join("a" * 17)}" {PROPERTY}',
    "aws-sm:db#" + "/".join(["a" * 125] * 2) + "b": f'"{"a" * 77}..." {PROPERTY}',
}


def _id(raw: str) -> str:
    return ascii(raw[:50])


@pytest.mark.parametrize(("raw", "message"), REJECTED.items(), ids=map(_id, REJECTED))
def test_a_wrong_source_is_rejected_in_words(raw: str, message: str) -> None:
    """What is wrong, what is allowed and the nearest right spelling, quoted safely and cut."""
    with pytest.raises(ReferenceRejected) as rejected:
        parse_source(raw)
    assert str(rejected.value) == message


def test_the_pods_namespace_is_put_in_by_us_and_nowhere_else() -> None:
    """The canonical form has it; what a canonical reference is of is read from that."""
    asked = in_namespace(parse_source("k8s:db#password"), "payments")
    assert (asked.reference, asked.property) == ("payments/db", "password")
    assert canonicalise("k8s", asked.reference) == "payments/db"
    assert namespace_of("k8s", "payments/db") == "payments"
    assert written("k8s", "payments/db") == "db"
    for wrong in ("db", "/db", "payments/", "a/b/c", "Pay/db", "payments/lastgood-x", "a.b/db"):
        with pytest.raises(ReferenceRejected):
            canonicalise("k8s", wrong)
    for wrong in ("payments/DB", "payments/db/password"):
        with pytest.raises(ReferenceRejected) as rejected:
            canonicalise("k8s", wrong)
        assert "k8s:" not in str(rejected.value), "that is an annotation"
    other = parse_source("vault:secret/db")
    assert in_namespace(other, "payments") is other
    assert namespace_of("vault", "secret/db") is None
    assert written("vault", "secret/db") == "secret/db"

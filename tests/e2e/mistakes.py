"""Every field of lastgood's kinds with every value that somebody may write there by mistake, and
what lies beside each bound.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from api.crd import DEFINITIONS
from policy.watched import parsed
from tests.e2e.definitions import KUBERNETES, STEADY, Json, made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark import ParameterSet

Path = tuple[str | int, ...]
ROLE = "arn:aws:iam::123456789012:role/lastgood"
_AMOUNTS = {"cpu": "100m", "memory": "32Mi"}
_AWS = {
    "regions": ["eu-west-1", "eu-central-1"],
    "roleARN": ROLE,
    "externalID": "lastgood",
    "endpoint": "https://example.com:8443",
    "ssmEndpoint": "https://example.com:8444",
    "parametersMirrored": True,
    "stsEndpoint": "http://[fd00::1]:80",
}
_VAULT = {
    "addresses": ["https://vault-0.example:8200", "https://vault-1.example:8200"],
    "namespace": "team/a",
    "mounts": [{"path": "secret", "version": 2}, {"path": "legacy/kv", "version": 1}],
}
_LOGIN = {"role": "lastgood", "mount": "k8s/prod", "tokenFile": "vault/token", "audience": "vault"}
_APP_ROLE = {"roleID": "a-role", "secretIDFile": "vault/secret-id", "mount": "approle"}
_PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
_GCP = {
    "project": "payments-prod",
    "projectNumber": "123456789012",
    "location": "europe-west3",
    "credentialsFile": "gcp/credentials.json",
    "impersonate": "lastgood@payments-prod.iam.gserviceaccount.com",
    "endpoint": "https://secretmanager-psc.p.googleapis.com",
    "caFile": "gcp/ca.crt",
}
_GUID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
_IDENTITY = (
    "/subscriptions/1/resourcegroups/rg/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/lastgood"
)
_AZURE = {
    "vaultURL": "https://payments.vault.azure.net",
    "tenantID": _GUID,
    "authorityHost": "https://login.microsoftonline.com",
    "audience": "https://vault.stack.example/72f988bf",
    "caFile": "azure/ca.crt",
}
WHOLE: dict[str, tuple[Json, ...]] = {
    "secretaccounts": (
        made(
            "secretaccounts",
            "e2e-mistakes",
            spec__aws=_AWS,
            spec__budget__burst=4,
            spec__revoked=[
                {"reference": "rds!cluster-1fcd41b2", "version": "one"},
                {"provider": "aws-ssm", "reference": "/prod/db", "version": "3"},
            ],
        ),
        made(
            "secretaccounts",
            "e2e-mistakes",
            spec={
                "provider": "file",
                "file": {"root": "/srv"},
                "budget": {"callsPerSecond": 1, "burst": 1},
                "revoked": [{"reference": "/prod/db", "version": "one"}],
            },
        ),
        *(
            made(
                "secretaccounts",
                "e2e-mistakes",
                spec={
                    "provider": "vault",
                    "vault": _VAULT | {"auth": auth, "tls": tls},
                    "budget": {"callsPerSecond": 1, "burst": 3},
                    "revoked": [{"reference": "secret/db", "version": "one"}],
                },
            )
            for auth, tls in (
                ({"kubernetes": _LOGIN}, {"caFile": "vault/ca.crt", "serverName": "vault.example"}),
                ({"jwt": _LOGIN}, {"caBundle": _PEM}),
                ({"appRole": _APP_ROLE}, {"certificateFile": "tls.crt", "keyFile": "tls.key"}),
                ({"tokenFile": "vault/token"}, {}),
            )
        ),
        made("secretaccounts", "e2e-mistakes", spec=KUBERNETES),
        made(
            "secretaccounts",
            "e2e-mistakes",
            spec={
                "provider": "gcp",
                "gcp": _GCP,
                "budget": {"callsPerSecond": 1, "burst": 8},
                "revoked": [{"reference": "db_Password-1", "version": "3"}],
            },
        ),
        *(
            made(
                "secretaccounts",
                "e2e-mistakes",
                spec={
                    "provider": "azure",
                    "azure": _AZURE | {"auth": auth},
                    "budget": {"callsPerSecond": 1, "burst": 3},
                    "revoked": [{"reference": "db-password", "version": "0" * 32}],
                },
            )
            for auth in (
                {"workloadIdentity": {"clientID": _GUID, "tokenFile": "azure/token"}},
                {"managedIdentity": {"clientID": _GUID}},
                {"managedIdentity": {"resourceID": _IDENTITY}},
                {"clientCertificate": {"clientID": _GUID, "certificateFile": "azure/app.pem"}},
                {"clientSecret": {"clientID": _GUID, "secretFile": "azure/secret"}},
            )
        ),
    ),
    "secretpolicies": (
        made(
            "secretpolicies",
            "e2e-mistakes",
            spec__sources__0__allow=[
                "aws-sm:rds!cluster-*",
                "aws-sm:events!connection/{namespace}!/*",
            ],
            spec__sources__0__validate=[
                {"pem": True},
                {"json": True},
                {"requiredKeys": ["user"]},
                {"minBytes": 1},
                {"maxBytes": 9},
            ],
            spec__classes={
                "steady": STEADY
                | {"onExpired": "refuse", "propagation": "nudge", "holdLostMember": "0s"}
            },
            spec__allowEnvValue=True,
            spec__limits={"secretsPerPod": 1, "bytesPerSecret": 1, "snapshotsPerNamespace": 1},
            spec__agent={
                "mode": "mount",
                "runAs": "platform",
                "resources": {"requests": _AMOUNTS, "limits": _AMOUNTS},
            },
        ),
    ),
    "secretsnapshots": (
        made(
            "secretsnapshots",
            "e2e-mistakes",
            spec__source__identity="controller",
            spec__pin="one",
            spec__quarantined=["two"],
            spec__revoked=["three"],
            spec__retention="168h",
            spec__properties=["db/password"],
        ),
    ),
}
"""By plural; objects that are taken, and have every field of their spec between them."""

_WORDS = [
    *("", " ", "a", "A_b", "a b", "a-", "-a", "a.b", "é", "1", "a\nb", "a\n", "\u00a0", "steady"),
    *("0s", "0m", "0h0m0s", "1s", "1h", "90", "1m1h", "90 s", "-1s", "1.5h", "1d", "0000001h"),
    *("2m", "2m1s", "2m2s", "999999h", "999999h999999m999999s", "1000000h", "0h1s"),
    *("lots", "100m", "1.5", "1.", ".5", ".", "-1", "+1", "1e3", "1E-3", "1e999", "1Mi", "1mi"),
    *("1n", "1u", "1Mi ", "0"),
    *("aws", "file", "vault", "valut", "serve", "kubelet", "follow", "true", "controller"),
    *("/", "//", "/a", "a/", "/a/", "a//b", ".", "..", "/..", "a/./b", "a/../b", "/srv", "a#b"),
    *("aws/reference/a", "/aws/Reference/a", "aws/reference", "/prod/aws/reference/a"),
    *(
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf",
        ROLE,
        ROLE + "/",
        ROLE[:-8],
    ),
    *("*", "team-*", "**", "{namespace}", "aws-sm", "aws-sm:", "file:/", "valut:/a", "file:a"),
    *("aws-sm:*", "aws-sm:/**", "aws-sm:/a**", "aws-sm:/***", "aws-sm:/a/**/b", "aws-sm:/a/"),
    *("aws-sm:.", "aws-sm:/..", "aws-sm:/a/./b", "aws-sm:/{namespace}", "aws-sm:/{namespace}.b"),
    *("aws-sm:/*{namespace}", "aws-sm:/{namespace}*", "aws-sm:/{namespace}-b", "aws-sm:/a{b}"),
    *("aws-sm:/{namespace}{namespace}", "aws-sm:/b-{namespace}/c", "aws-sm:/*-{namespace}"),
    *("http://", "https://a", "https://a/", "https://a/b", "https://a.b:443", "https://a:0"),
    *("https://a?b", "https://u@a", "ftp://a", "https://[::1]", "https://a\u00a0b", "https://a b"),
    *("https://a..b", "https://-a", "https://a_b"),
    *(
        "a" * length
        for length in (32, 33, 63, 64, 128, 129, 253, 254, 270, 512, 513, 640, 1224, 1225)
    ),
    *('a"b', "a\\b", "a[b]^c", "a b", "a\tb", "a\x7fb", "v\u00fc"),
    *("1" * 32, "1" * 33, "aws-sm:" + "a" * 393, "aws-sm:" + "a" * 394),
    *("/" + "a" * 511, "/" + "a" * 512, "https://a" + ".a" * 130, "https://a" + ".a" * 131),
]
_NUMBERS = [-1, 0, 1, 0.1, 1.5, 256, 257, 10_000, 10_000.5, 10_001, 786_432, 786_433]
_NUMBERS += [2**31 - 1, 2**31, 2**63 - 1]
_VALUES: list[Any] = [*_WORDS, *_NUMBERS, True, False, [], [""], ["a"], {}]
_LENGTHS = (16, 17, 64, 65, 128, 129, 256, 257)


def problem(plural: str, body: Json) -> str | None:
    """What the model finds wrong, as the controller and the webhook read it; None: nothing."""
    (kind,) = (definition.kind for definition in DEFINITIONS if definition.plural == plural)
    content = body
    if plural == "secretsnapshots":
        content = body | {"metadata": {"namespace": "team", **body["metadata"]}}
    found = parsed(kind, content)
    return found if isinstance(found, str) else None


def places(plural: str) -> Iterator[tuple[str, int, Path]]:
    """Where something may be written: a name for the test, which whole object, and the path."""
    for number, whole in enumerate(WHOLE[plural]):
        for path in _paths(whole["spec"], ("spec",)):
            name = ".".join(str(step) for step in path)
            yield f"{plural}.{number}.{name}", number, path


def mistakes(plural: str, number: int, path: Path) -> Iterator[tuple[str, Json]]:
    """Objects with something else at one place, each with what is there. Most are mistakes."""
    whole = WHOLE[plural][number]
    for value in _VALUES:
        yield repr(value)[:60], _with(whole, path, value)
    without = copy.deepcopy(whole)
    del _at(without, path[:-1])[path[-1]]
    yield "left out", without
    before = _at(whole, path)
    if isinstance(before, list):
        for length in _LENGTHS:
            yield f"{length} items", _with(whole, path, before[:1] * length)
    if path[-1] == "classes":
        steady = before["steady"]
        for word in dict.fromkeys(_WORDS):
            yield f"named {word[:60]!r}", _with(whole, path, before | {word: steady})
        for length in _LENGTHS:
            more = {f"c{at}": steady for at in range(length - 1)}
            yield f"{length} names", _with(whole, path, before | more)


def _paths(value: object, path: Path) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _paths(item, (*path, name))
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _paths(item, (*path, at))


def _at(whole: Json, path: Path) -> dict[Any, Any]:
    """What is there; a list too, or a text."""
    found: dict[Any, Any] = whole
    for step in path:
        found = found[step]
    return found


def _with(whole: Json, path: Path, value: object) -> Json:
    found = copy.deepcopy(whole)
    _at(found, path[:-1])[path[-1]] = value
    return found


def _parameters() -> Iterator[ParameterSet]:
    """Places of every kind. A field that an earlier example has is `long`: only what stands around
    it differs.
    """
    seen = set()
    for plural in WHOLE:
        for name, number, path in places(plural):
            field = plural, tuple("*" if isinstance(step, int) else step for step in path)
            marks = [pytest.mark.long] if field in seen else []
            seen.add(field)
            yield pytest.param(plural, number, path, id=name, marks=marks)


PLACES = list(_parameters())
"""Of every kind, as parameters of a test."""

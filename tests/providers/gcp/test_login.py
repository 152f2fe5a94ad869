"""Every way to log in to Google Cloud, by google-auth over our own client."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from contract.reasons import FetchFailure
from providers import library_login
from providers.extra_ca import ExtraCa
from providers.gcp.account import CALLS_OF_A_LOGIN
from providers.protocol import Failed, Material
from tests.providers.cloud import Reply
from tests.providers.gcp.fake import AWS_TOKEN, BETWEEN, NODE, OTHER
from tests.providers.gcp.given import IMPERSONATION, Given, account, federated, impersonation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.gcp.fake import Google

METADATA = "google.auth.compute_engine._metadata._GCE_METADATA_HOST"
STS = "sts.googleapis.com/v1/token"


def service_account_key() -> dict[str, Any]:
    """As `gcloud iam service-accounts keys create` writes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "payments-prod",
        "private_key_id": "3f1d",
        "private_key": pem.decode(),
        "client_email": NODE,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }


def read(given: Given) -> str:
    """Who the source read as, for a secret that everybody may read."""
    given.google.put("db", b"one")
    assert isinstance(given.ask("db"), Material), given.calls
    return given.google.tokens[given.google.cloud.asked[-1].bearer]


def refused(given: Given) -> Failed:
    """The failure of a login that is refused. The secret was not asked for."""
    given.google.put("db", b"one")
    result = given.ask("db")
    assert isinstance(result, Failed), result
    assert result.code.startswith("Login:")
    assert not any("/secrets/" in asked.path for asked in given.google.cloud.asked)
    assert len(given.troubles) == 1
    assert result.code.removeprefix("Login:") in given.troubles[0]
    return result


def test_workload_identity_federation(given: Given) -> None:
    """The token in the file is exchanged, and read again at each login."""
    assert read(given) == "principal://of-the-pool"
    given.google.subject_tokens = {"header.the-next-token.signature"}
    (given.folder / "token").write_text("header.the-next-token.signature")
    given.clock.now += 3000
    assert isinstance(given.ask("db"), Material)
    assert [call for call in given.calls if call[0] == "login"] == [("login", "ok")] * 2


def test_federation_with_an_impersonation(google: Google, tmp_path: Path) -> None:
    """As create-cred-config writes it with --service-account."""
    given = Given(google, tmp_path, configuration=federated(tmp_path, **IMPERSONATION))
    assert read(given) == OTHER
    assert given.calls == [("login", "ok"), ("login", "ok"), ("access", "ok")]


def test_federation_with_an_identity_of_aws(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As create-cred-config writes it with --aws; a signed request, without AWS being asked."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-5f1d3c")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    source = {
        "environment_id": "aws1",
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com"
        "?Action=GetCallerIdentity&Version=2011-06-15",
    }
    configuration = federated(tmp_path, credential_source=source, subject_token_type=AWS_TOKEN)
    assert read(Given(google, tmp_path, configuration=configuration)) == "principal://of-the-pool"
    assert b"canary" not in b"".join(asked.body for asked in google.cloud.asked)


@pytest.mark.parametrize("principals", [[], [BETWEEN], [BETWEEN, OTHER]])
def test_federation_with_the_metadata_server_of_aws(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, principals: list[str]
) -> None:
    """As create-cred-config writes it with --aws --enable-imdsv2: a session, the zone, another
    session, the role, its keys, and the exchange. With an impersonation by the configuration and
    one by the account it is the dearest login.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    configuration = federated(tmp_path, **of_aws(google.cloud.port))
    configuration |= impersonation(principals[0]) if principals else {}
    own = account(impersonate=principals[1] if principals[1:] else None)
    given = Given(google, tmp_path, own, configuration=configuration)
    assert read(given) == ["principal://of-the-pool", *principals][-1]
    logins = [call for call in given.calls if call[0] == "login"]
    assert logins == [("login", "ok")] * (6 + len(principals))
    assert len(logins) <= CALLS_OF_A_LOGIN
    assert b"canary" not in b"".join(asked.body for asked in google.cloud.asked)


def of_aws(port: int) -> dict[str, Any]:
    """What is of AWS in a configuration, with its metadata server on loopback."""
    imds = f"http://127.0.0.1:{port}/latest"
    source = {
        "environment_id": "aws1",
        "region_url": f"{imds}/meta-data/placement/availability-zone",
        "url": f"{imds}/meta-data/iam/security-credentials",
        "imdsv2_session_token_url": f"{imds}/api/token",
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com"
        "?Action=GetCallerIdentity&Version=2011-06-15",
    }
    return {"credential_source": source, "subject_token_type": AWS_TOKEN}


def test_an_accounts_own_impersonation(google: Google, tmp_path: Path) -> None:
    """The field `impersonate`, after whatever login."""
    assert read(Given(google, tmp_path, account(impersonate=OTHER))) == OTHER


def test_a_configuration_of_an_impersonation(google: Google, tmp_path: Path) -> None:
    """As `gcloud auth application-default login --impersonate-service-account` writes it."""
    configuration = {
        "type": "impersonated_service_account",
        "source_credentials": federated(tmp_path),
        **IMPERSONATION,
    }
    assert read(Given(google, tmp_path, configuration=configuration)) == OTHER


def test_a_service_account_key(google: Google, tmp_path: Path) -> None:
    """A signed assertion, of which the key itself is no part."""
    key = service_account_key()
    assert read(Given(google, tmp_path, configuration=key)) == NODE
    sent = b"".join(asked.body for asked in google.cloud.asked)
    assert key["private_key"].encode()[40:80] not in sent


def test_the_metadata_server(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file, as on GKE; never through a proxy, which would see the token."""
    monkeypatch.setattr(METADATA, f"127.0.0.1:{google.cloud.port}")
    given = Given(google, tmp_path, account(credentialsFile=None))
    assert read(given) == NODE
    metadata = [it for it in google.cloud.asked if it.path.startswith("/computeMetadata/")]
    assert len(metadata) == 2
    assert all(it.headers["metadata-flavor"] == "Google" and not it.secure for it in metadata)


def test_a_metadata_server_without_an_identity_is_denied(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once: google-auth alone would try five times, with sleeps between."""
    monkeypatch.setattr(METADATA, f"127.0.0.1:{google.cloud.port}")
    google.cloud.faults["127.0.0.1/"] = Reply(
        b"<!DOCTYPE html>", 404, {"Metadata-Flavor": "Google"}
    )
    failed = refused(Given(google, tmp_path, account(credentialsFile=None)))
    assert (failed.reason, failed.code) == (FetchFailure.DENIED, "Login:Metadata404")
    assert len(google.cloud.asked) == 1


@pytest.mark.parametrize(
    ("reply", "reason", "code"),
    [
        (
            Reply({"error": "invalid_grant", "error_description": "canary-5f1d3c"}, 400),
            FetchFailure.DENIED,
            "invalid_grant",
        ),
        (Reply({"error": "invalid_target"}, 400), FetchFailure.DENIED, "invalid_target"),
        (Reply({"error": "canary-5f1d3c"}, 401), FetchFailure.DENIED, "Http401"),
        (Reply({}, 429, {"Retry-After": "7"}), FetchFailure.THROTTLED, "Http429"),
        (Reply({"error": "internal_failure"}, 500), FetchFailure.UNAVAILABLE, "Http500"),
        (Reply(b"<html>", 503), FetchFailure.UNAVAILABLE, "Http503"),
        (Reply(b"<html>canary-5f1d3c", 403), FetchFailure.UNAVAILABLE, "ForeignAnswer"),
        (Reply(b"<html>canary-5f1d3c", 401), FetchFailure.UNAVAILABLE, "ForeignAnswer"),
        (
            Reply(b"", 302, {"Location": "https://login.evil.example/"}),
            FetchFailure.UNAVAILABLE,
            "Http3xx",
        ),
        (Reply({"token_type": "Bearer"}), FetchFailure.UNAVAILABLE, "UnreadableAnswer"),
        (Reply(b"<html>canary-5f1d3c"), FetchFailure.UNAVAILABLE, "UnreadableAnswer"),
        (None, FetchFailure.UNAVAILABLE, "ProxyError"),
    ],
)
def test_a_login_that_fails_says_why_in_one_call(
    given: Given, reply: Reply | None, reason: FetchFailure, code: str
) -> None:
    """No try more, and no word of the answer."""
    given.google.cloud.faults[STS] = reply
    failed = refused(given)
    assert (failed.reason, failed.code) == (reason, f"Login:{code}")
    assert len(given.google.cloud.asked) == 1
    assert failed.delay_s == (7.0 if reason is FetchFailure.THROTTLED else None)
    assert "canary" not in repr((failed, given.troubles, given.calls))


def test_an_impersonation_that_is_not_granted(google: Google, tmp_path: Path) -> None:
    """IAM answers as all of Google's APIs."""
    someone = "nobody@payments-prod.iam.gserviceaccount.com"
    failed = refused(Given(google, tmp_path, account(impersonate=someone)))
    assert (failed.reason, failed.code) == (FetchFailure.DENIED, "Login:PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({"type": "authorized_user", "refresh_token": "x"}, "CredentialsType"),
        ({"no": "type"}, "CredentialsType"),
        ({"type": "service_account"}, "MalformedError"),
        (
            {
                "type": "external_account",
                "credential_source": {"executable": {"command": "/bin/sh -c id"}},
            },
            "ExecutableSource",
        ),
        ({"type": "impersonated_service_account"}, "NotACredentialsFile"),
    ],
)
def test_p7_a_configuration_that_is_none_is_denied(
    google: Google, tmp_path: Path, configuration: dict[str, Any], code: str
) -> None:
    """Above all one that starts a program."""
    failed = refused(Given(google, tmp_path, configuration=configuration))
    assert (failed.reason, failed.code) == (FetchFailure.DENIED, f"Login:{code}")
    assert google.cloud.asked == []


@pytest.mark.parametrize(
    ("content", "reason", "code"),
    [
        (None, FetchFailure.UNAVAILABLE, "NoCredentialsFile"),
        (b"", FetchFailure.DENIED, "NotACredentialsFile"),
        (b"[]", FetchFailure.DENIED, "NotACredentialsFile"),
        (b'{"a":' * 20000, FetchFailure.DENIED, "NotACredentialsFile"),
        (b" " * (1 << 20), FetchFailure.DENIED, "NotACredentialsFile"),
    ],
)
def test_a_file_that_is_no_configuration(
    given: Given, content: bytes | None, reason: FetchFailure, code: str
) -> None:
    """It is read again at the next try."""
    path = given.folder / "gcp.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    failed = refused(given)
    assert (failed.reason, failed.code) == (reason, f"Login:{code}")
    path.write_text(json.dumps(federated(given.folder)))
    given.clock.now += 60
    assert isinstance(given.ask("db"), Material)


def test_a_missing_subject_token_is_told(given: Given) -> None:
    """The file of accountFiles that is not mounted."""
    (given.folder / "token").unlink()
    failed = refused(given)
    assert (failed.reason, failed.code) == (FetchFailure.UNAVAILABLE, "Login:NoTokenFile")
    assert given.google.cloud.asked == []


def test_a_token_that_google_calls_ended_is_replaced(given: Given) -> None:
    """One that was accepted before; the secret is asked for again."""
    read(given)
    given.google.tokens.clear()
    assert isinstance(given.ask("db"), Material)
    assert given.calls[2:] == [
        ("access", "UNAUTHENTICATED:ACCESS_TOKEN_EXPIRED"),
        ("login", "ok"),
        ("access", "ok"),
    ]


def test_a_login_that_hangs_is_ended(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch goes on after the limit. No second login starts while the first hangs, and what it
    comes to is used, for as long as it is not given up.
    """
    monkeypatch.setattr(library_login, "GIVEN_UP", 1e6)
    google.put("db", b"one")
    gate, hanging = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        hanging.set()
        gate.wait(60)

    given = Given(google, tmp_path, limit_s=0.05)
    google.cloud.before = hang
    result = given.once("db")
    assert result == Failed(reason=FetchFailure.UNAVAILABLE, code="Login:TimedOut")
    assert hanging.wait(60)
    given.clock.now += 10
    assert isinstance(given.once("db"), Failed)
    assert len(google.cloud.asked) == 1
    gate.set()
    for _ in range(100):
        given.clock.now += 10
        result = given.ask("db")
        if isinstance(result, Material):
            break
    assert isinstance(result, Material)
    assert given.calls == [("login", "ok"), ("access", "ok")]


def test_an_extra_ca_is_trusted_by_login_and_reads(google: Google, tmp_path: Path) -> None:
    """Where the account names no CA of its own."""
    extra_ca = ExtraCa(google.cloud.ca_file, pytest.fail)
    google.cloud.at_end.append(extra_ca.close)
    assert read(Given(google, tmp_path, account(caFile=None), extra_ca=extra_ca))
    without = Given(google, tmp_path, account(caFile=None))
    assert without.ask("db") == Failed(reason=FetchFailure.UNAVAILABLE, code="Login:SSLError")

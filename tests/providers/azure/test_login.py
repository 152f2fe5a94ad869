"""Every way to log in to Azure, by azure-identity over our own client."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from contract.reasons import FetchFailure
from providers.extra_ca import ExtraCa
from providers.protocol import Failed, Material
from tests.providers.azure.fake import CHINA, CLIENT, ENTRA, GOVERNMENT, TENANT, VAULT, aadsts
from tests.providers.azure.given import Given, account
from tests.providers.cloud import Reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.azure.fake import AzureCloud

TOKEN = f"{ENTRA}/{TENANT}/oauth2/v2.0/token"
IDENTITY = "AZURE_POD_IDENTITY_AUTHORITY_HOST"


def read(given: Given) -> list[str]:
    """The hosts that were asked for a secret that everybody may read."""
    given.azure.put("db", "one")
    given.azure.cloud.asked.clear()
    result = given.ask("db")
    assert isinstance(result, Material), (result, given.calls, given.azure.cloud.asked)
    return given.azure.cloud.hosts()


def refused(given: Given) -> Failed:
    """The failure of a login that is refused. The secret was not asked for."""
    given.azure.put("db", "one")
    result = given.ask("db")
    assert isinstance(result, Failed), result
    assert result.code.startswith("Login:")
    assert not any("/secrets/" in asked.path for asked in given.azure.cloud.asked)
    assert len(given.troubles) == 1
    assert result.code.removeprefix("Login:") in given.troubles[0]
    return result


def certificate() -> bytes:
    """A certificate with its key, as `az ad sp create-for-rbac --create-cert` writes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lastgood")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem + made.public_bytes(serialization.Encoding.PEM)


def test_workload_identity(given: Given) -> None:
    """By the token in the file, which is read again at each login; of one tenant only."""
    assert read(given) == [ENTRA, VAULT]
    assert given.calls == [("login", "ok"), ("get", "ok")]
    given.azure.assertions = {"header.the-next-token.signature"}
    (given.folder / "token").write_text("header.the-next-token.signature")
    given.clock.now += 3000
    assert isinstance(given.ask("db"), Material)


def test_the_variables_of_the_webhook(
    azure: AzureCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure Workload Identity's own, where the account names neither client nor file."""
    given = Given(azure, tmp_path, account(auth={"workloadIdentity": {}}))
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000000")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.evil.example/")
    assert read(given) == [ENTRA, VAULT]


@pytest.mark.parametrize("identity", [{}, {"clientID": CLIENT}])
def test_a_managed_identity(
    azure: AzureCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: dict[str, str]
) -> None:
    """By the node's metadata service; never through a proxy, which would see the token. The
    variables of a workload identity do not choose for the account.
    """
    monkeypatch.setenv(IDENTITY, f"http://127.0.0.1:{azure.cloud.port}")
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    given = Given(azure, tmp_path, account(auth={"managedIdentity": identity}))
    assert read(given) == ["127.0.0.1", VAULT]
    assert given.calls == [("login", "ok"), ("get", "ok")]


def test_a_managed_identity_that_is_not_the_nodes(
    azure: AzureCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once: azure-identity alone would try six times, for a minute."""
    monkeypatch.setenv(IDENTITY, f"http://127.0.0.1:{azure.cloud.port}")
    identity = {"clientID": TENANT}
    failed = refused(Given(azure, tmp_path, account(auth={"managedIdentity": identity})))
    assert (failed.reason, failed.code) == (FetchFailure.DENIED, "Login:invalid_request")
    assert len(azure.cloud.asked) == 1


@pytest.mark.parametrize(("status", "code"), [(404, "Http404"), (410, "Http410"), (500, "Http500")])
def test_a_metadata_service_that_is_not_there_yet_is_asked_once(
    azure: AzureCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    """The library would wait for more than a minute."""
    monkeypatch.setenv(IDENTITY, f"http://127.0.0.1:{azure.cloud.port}")
    azure.cloud.faults["127.0.0.1/"] = Reply(b"", status)
    failed = refused(Given(azure, tmp_path, account(auth={"managedIdentity": {}})))
    assert (failed.reason, failed.code) == (FetchFailure.UNAVAILABLE, f"Login:{code}")
    assert len(azure.cloud.asked) == 1


def test_a_client_secret(azure: AzureCloud, tmp_path: Path) -> None:
    """In a file; the line's end is no part of it."""
    auth = {"clientSecret": {"clientID": CLIENT, "secretFile": "secret"}}
    assert read(Given(azure, tmp_path, account(auth=auth))) == [ENTRA, VAULT]


def test_a_client_certificate(azure: AzureCloud, tmp_path: Path) -> None:
    """Signs an assertion; the key stays here."""
    pem = certificate()
    (tmp_path / "app.pem").write_bytes(pem)
    auth = {"clientCertificate": {"clientID": CLIENT, "certificateFile": "app.pem"}}
    given = Given(azure, tmp_path, account(auth=auth))
    given.azure.put("db", "one")
    assert isinstance(given.ask("db"), Material)
    sent = b"".join(asked.body for asked in azure.cloud.asked)
    assert pem[40:80] not in sent


@pytest.mark.parametrize(
    ("vault", "entra"),
    [(CHINA, "login.chinacloudapi.cn"), (GOVERNMENT, "login.microsoftonline.us")],
)
def test_other_clouds_have_their_own_logins(
    azure: AzureCloud, tmp_path: Path, vault: str, entra: str
) -> None:
    """By the suffix of the vault, whose audience the token has."""
    assert read(Given(azure, tmp_path, account(vaultURL=f"https://{vault}"))) == [entra, vault]


def test_a_cloud_that_lastgood_does_not_know(azure: AzureCloud, tmp_path: Path) -> None:
    """Names its authority itself. Nobody else is asked whether that may be trusted."""
    here = f"https://localhost:{azure.cloud.port}"
    assert read(Given(azure, tmp_path, account(vaultURL=here, authorityHost=here))) == ["localhost"]


@pytest.mark.parametrize(
    ("block", "audience"),
    [
        ({}, "https://vault.azure.net"),
        ({"vaultURL": f"https://{CHINA}"}, "https://vault.azure.cn"),
        ({"audience": "https://vault.stack.example/72f9"}, "https://vault.stack.example/72f9"),
    ],
)
def test_a_token_is_for_the_vaults_of_its_cloud(
    azure: AzureCloud, tmp_path: Path, block: dict[str, str], audience: str
) -> None:
    """secrets-store-csi-driver-provider-azure#2044: Azure Stack Hub has another audience."""
    given = Given(azure, tmp_path, account(**block))
    given.azure.put("db", "one")
    assert isinstance(given.ask("db"), Material)
    (scope,) = [asked.form["scope"] for asked in azure.cloud.asked if asked.method == "POST"]
    assert scope.split() == [f"{audience}/.default"]


@pytest.mark.parametrize(
    ("reply", "reason", "code"),
    [
        (aadsts(401, "invalid_client", 70021, "No match."), FetchFailure.DENIED, "AADSTS70021"),
        (aadsts(400, "invalid_request", 1, "New."), FetchFailure.DENIED, "invalid_request"),
        (Reply({"error": "canary-5f1d3c"}, 400), FetchFailure.DENIED, "Http400"),
        (Reply({}, 429, {"Retry-After": "7"}), FetchFailure.THROTTLED, "Http429"),
        (
            Reply({"error": "temporarily_unavailable"}, 503),
            FetchFailure.UNAVAILABLE,
            "Http503",
        ),
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
    given.azure.cloud.faults[TOKEN] = reply
    failed = refused(given)
    assert (failed.reason, failed.code) == (reason, f"Login:{code}")
    assert [asked.path for asked in given.azure.cloud.asked].count(TOKEN.removeprefix(ENTRA)) <= 1
    assert failed.delay_s == (7.0 if reason is FetchFailure.THROTTLED else None)
    assert "canary" not in repr((failed, given.troubles, given.calls))


@pytest.mark.parametrize(
    ("auth", "reason", "code"),
    [
        (
            {"workloadIdentity": {"clientID": CLIENT, "tokenFile": "none"}},
            FetchFailure.UNAVAILABLE,
            "NoTokenFile",
        ),
        ({"workloadIdentity": {}}, FetchFailure.DENIED, "ValueError"),
        (
            {"clientSecret": {"clientID": CLIENT, "secretFile": "none"}},
            FetchFailure.UNAVAILABLE,
            "NoCredentialsFile",
        ),
        (
            {"clientCertificate": {"clientID": CLIENT, "certificateFile": "token"}},
            FetchFailure.DENIED,
            "ValueError",
        ),
    ],
)
def test_files_that_are_none(
    azure: AzureCloud, tmp_path: Path, auth: dict[str, Any], reason: FetchFailure, code: str
) -> None:
    """Nobody is asked."""
    failed = refused(Given(azure, tmp_path, account(auth=auth)))
    assert (failed.reason, failed.code) == (reason, f"Login:{code}")
    assert azure.cloud.asked == []


def test_p7_a_token_of_another_tenant_is_not_sent(given: Given) -> None:
    """A managed identity may be of another than the account's."""
    given.azure.token_tenant = CLIENT
    failed = refused(given)
    assert (failed.reason, failed.code) == (FetchFailure.DENIED, "Login:OtherTenant")


def test_p7_a_challenge_is_never_followed(azure: AzureCloud, tmp_path: Path) -> None:
    """A vault's name can be taken by another tenant after a purge: it gets no second token, and
    its login page is not asked.
    """
    given = Given(azure, tmp_path)
    read(given)
    azure.vault_tenant = CLIENT
    azure.tokens.clear()
    assert given.ask("db") == Failed(reason=FetchFailure.DENIED, code="OtherTenant")
    assert azure.cloud.hosts() == [VAULT]


def test_a_token_that_the_vault_refuses_is_replaced(given: Given) -> None:
    """One that was accepted before; the secret is asked for again."""
    read(given)
    given.azure.tokens.clear()
    assert isinstance(given.ask("db"), Material)
    assert given.calls[-3:] == [("get", "Unauthorized"), ("login", "ok"), ("get", "ok")]


def test_a_new_token_that_is_refused_is_a_denial(given: Given) -> None:
    """A second login would get the same."""
    given.azure.put("db", "one")
    given.azure.cloud.before = lambda asked: (
        given.azure.tokens.clear() if "/secrets/" in asked.path else None
    )
    assert given.ask("db") == Failed(reason=FetchFailure.DENIED, code="Unauthorized")


def test_an_extra_ca_is_trusted_by_login_and_reads(azure: AzureCloud, tmp_path: Path) -> None:
    """Where the account names no CA of its own."""
    extra_ca = ExtraCa(azure.cloud.ca_file, pytest.fail)
    azure.cloud.at_end.append(extra_ca.close)
    assert read(Given(azure, tmp_path, account(caFile=None), extra_ca=extra_ca))
    without = Given(azure, tmp_path, account(caFile=None))
    assert without.ask("db") == Failed(reason=FetchFailure.UNAVAILABLE, code="Login:SSLError")

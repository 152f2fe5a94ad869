"""What a credential configuration may name: files of accounts, and no host that is asked in the
clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from providers.gcp.source.configuration import refused
from providers.protocol import Failed, Material
from tests.providers.gcp.given import Given, federated

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.gcp.fake import Google

ANY = "/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken"
OWN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FILES: list[object] = ["/proc/self/environ", OWN, "../canary", "link", 3, ["token"], "\0"]
AWS = {
    "environment_id": "aws1",
    "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity",
}


def login(google: Google, folder: Path, configuration: dict[str, Any]) -> tuple[Failed, str]:
    """How a login is refused, and what the admin is told. Nobody was asked, and no snapshot is told
    anything else than that the login failed.
    """
    given = Given(google, folder, configuration=configuration)
    google.put("db", b"one")
    result = given.ask("db")
    assert isinstance(result, Failed), result
    assert (result.reason, result.what_to_do) == (FetchFailure.DENIED, None)
    assert google.cloud.asked == []
    (told,) = given.troubles
    assert "canary" not in repr((result, told))
    return result, told


@pytest.mark.parametrize("nested", [False, True], ids=["alone", "impersonating"])
@pytest.mark.parametrize(
    "path", ["/proc/self/environ", OWN, "../canary", "link", 3, ["token"], "\0"]
)
def test_p7_a_token_is_read_from_a_file_of_accounts_only(
    google: Google, tmp_path: Path, path: object, *, nested: bool
) -> None:
    """Neither the controller's environment, nor its own token, nor a descriptor is sent."""
    folder = tmp_path / "accounts"
    folder.mkdir()
    (tmp_path / "canary").write_text("canary-5f1d3c")
    (folder / "link").symlink_to(tmp_path / "canary")
    named = str(folder / str(path)) if path in ("link", "../canary") else path
    configuration = federated(folder, credential_source={"file": named})
    if nested:
        url = f"https://iamcredentials.googleapis.com{ANY}"
        configuration = {
            "type": "impersonated_service_account",
            "source_credentials": configuration,
            "service_account_impersonation_url": url,
        }
    failed, told = login(google, folder, configuration)
    assert failed.code == "Login:FileNotAllowed"
    assert "credential_source.file" in told


@pytest.mark.parametrize("name", ["token", "..data/token"])
def test_a_token_of_a_projected_volume_is_read(google: Google, tmp_path: Path, name: str) -> None:
    """As the kubelet lays it out, in a folder that is a link itself, as /var/run is."""
    (tmp_path / "run" / "..2026_11_26").mkdir(parents=True)
    (tmp_path / "run" / "..data").symlink_to("..2026_11_26")
    for file in ("token", "gcp.json", "ca.crt"):
        (tmp_path / "run" / file).symlink_to(f"..data/{file}")
    (tmp_path / "var").symlink_to("run")
    folder = tmp_path / "var"
    configuration = federated(folder, credential_source={"file": str(folder / name)})
    given = Given(google, folder, configuration=configuration)
    google.put("db", b"one")
    assert isinstance(given.ask("db"), Material), given.troubles


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token_url": "http://evil.example/token"}, "token_url"),
        ({"token_url": "http://169.254.169.254/token"}, "token_url"),
        ({"token_url": ["https://sts.googleapis.com"]}, "token_url"),
        ({"service_account_impersonation_url": f"http://evil.example{ANY}"}, "impersonation"),
        ({"type": "service_account", "token_uri": "http://evil.example/"}, "token_uri"),
        ({"credential_source": {"url": "http://evil.example/token"}}, "credential_source"),
        ({"credential_source": AWS | {"url": "http://evil.example/"}}, "credential_source"),
        ({"credential_source": AWS | {"region_url": "http://10.0.0.1/"}}, "credential_source"),
        (
            {"credential_source": AWS | {"imdsv2_session_token_url": "ftp://127.0.0.1/"}},
            "credential_source",
        ),
    ],
)
def test_p7_no_token_goes_over_http(
    google: Google, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    """Anything on the way would have it."""
    failed, told = login(google, tmp_path, federated(tmp_path, **changes))
    assert failed.code == "Login:UrlNotAllowed"
    assert field in told


def test_a_certificate_as_a_source_is_not_supported(google: Google, tmp_path: Path) -> None:
    """It names files by another file, and the client would not show it."""
    source = {"certificate": {"certificate_config_location": "/proc/self/environ"}}
    failed, _ = login(google, tmp_path, federated(tmp_path, credential_source=source))
    assert failed.code == "Login:CredentialsType"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/metadata/identity/oauth2/token?resource=api%3A%2F%2Fa",
        "http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials",
        "http://[fe80::1]:80/",
        "http://metadata.google.internal/computeMetadata/v1/instance",
        "http://localhost:5000/token",
        "http://127.0.0.1:5000",
        "https://issuer.example/token",
    ],
)
def test_a_subject_token_comes_from_the_node_or_over_tls(tmp_path: Path, url: str) -> None:
    """As Google's own documents name them: addresses of the node, of the pod, and https."""
    assert refused(federated(tmp_path, credential_source={"url": url}), tmp_path) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254.evil.example/",
        "http://169.254.169.254@evil.example/",
        "http://evil.example\\@169.254.169.254/",
        "http://evil.example#@169.254.169.254/",
        "http://metadata.google.internal.evil.example/",
        "http://10.0.0.1/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://[fd00::1]/",
        "http://evil.example",
        "http:/169.254.169.254/",
        "//169.254.169.254/",
        " https://issuer.example/",
        "https://",
        "file:///proc/self/environ",
        "",
        7,
    ],
)
def test_p7_other_addresses_over_http_are_refused(tmp_path: Path, url: object) -> None:
    """However they are written."""
    failed = refused(federated(tmp_path, credential_source={"url": url}), tmp_path)
    assert failed is not None
    assert failed.code == "UrlNotAllowed"


def test_a_file_below_the_folder_may_be_named_from_it(google: Google, tmp_path: Path) -> None:
    """Not from where the controller happens to run."""
    given = Given(
        google, tmp_path, configuration=federated(tmp_path, credential_source={"file": "token"})
    )
    google.put("db", b"one")
    assert isinstance(given.ask("db"), Material), given.troubles

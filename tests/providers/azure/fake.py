"""Azure as its docs and the bodies in public issues have it: Key Vault, Entra ID's token endpoint
and the metadata service. The official client reads from it in test_official.py.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.providers.cloud import Asked, Cloud, Reply

if TYPE_CHECKING:
    from pathlib import Path

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CLIENT = "f969f52b-c6a6-41c7-b6ef-949c1f227b1d"
VAULT = "payments.vault.azure.net"
CHINA = "payments.vault.azure.cn"
GOVERNMENT = "payments.vault.usgovcloudapi.net"
ENTRA = "login.microsoftonline.com"
HOSTS = [
    VAULT,
    CHINA,
    GOVERNMENT,
    ENTRA,
    "login.chinacloudapi.cn",
    "login.microsoftonline.us",
    "login.evil.example",
]
SECRET = "the-client-secret"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PATH = re.compile("/secrets/([^/]+)(?:/([^/]*))?/?")


@dataclass
class Version:
    """Of a secret."""

    value: str
    created: int
    enabled: bool = True
    expires: int | None = None
    not_before: int | None = None
    name: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass
class AzureCloud:
    """One tenant with one vault, under the name of each cloud."""

    folder: Path
    secrets: dict[str, list[Version]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    denied: dict[str, str] = field(default_factory=dict)
    """Inner code by secret."""
    assertions: set[str] = field(default_factory=lambda: {"header.token-of-the-pod.signature"})
    lasts_s: int = 3599
    lagging: bool = False
    """Whether a replica answers that lacks the newest versions."""
    vault_tenant: str = TENANT
    token_tenant: str = TENANT
    cloud: Cloud = field(init=False)

    def __post_init__(self) -> None:
        self.cloud = Cloud(self.folder, HOSTS, self.answer)

    def put(self, secret: str, value: str, **given: Any) -> Version:  # noqa: ANN401 - of Version
        """Add a version."""
        versions = self.secrets.setdefault(secret, [])
        version = Version(value, 1_790_000_000 + 10 * len(versions), **given)
        versions.append(version)
        return version

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/metadata/identity/oauth2/token":
            return self._metadata(asked)
        if not asked.secure:
            return Reply(b"", 400)
        if asked.host.startswith("login.") or "/oauth2/" in asked.path:
            return self._entra(asked)
        if asked.path.endswith("/.well-known/openid-configuration"):
            return self._entra(asked)
        return self._vault(asked)

    def given(self) -> dict[str, Any]:
        """A new token of OAuth."""
        claims = {"tid": self.token_tenant, "aud": "https://vault.azure.net", "n": len(self.tokens)}
        middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        token = f"eyJ0.{middle}.canary-5f1d3c"
        self.tokens.add(token)
        return {"access_token": token, "expires_in": self.lasts_s, "token_type": "Bearer"}

    def _metadata(self, asked: Asked) -> Reply:
        """https://learn.microsoft.com/entra/identity/managed-identities-azure-resources."""
        if asked.headers.get("metadata") != "true":
            return Reply({"error": "bad_request_102"}, 400)
        if asked.query.get("client_id", CLIENT) != CLIENT:
            found = {"error": "invalid_request", "error_description": "Identity not found"}
            return Reply(found, 400)
        resource = asked.query["resource"]
        found = self.given() | {"resource": resource}
        return Reply({name: str(value) for name, value in found.items()})

    def _entra(self, asked: Asked) -> Reply:
        tenant, _, what = asked.path.removeprefix("/").partition("/")
        base = f"https://{asked.headers['host']}/{tenant}"
        if what == "v2.0/.well-known/openid-configuration":
            found = {
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "issuer": f"{base}/v2.0",
            }
            return Reply(found)
        form = asked.form
        if tenant != TENANT:
            return aadsts(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("client_id") != CLIENT:
            return aadsts(400, "unauthorized_client", 700016, "Application was not found.")
        if form.get("client_assertion_type") == ASSERTION:
            if not self._trusts(form["client_assertion"]):
                what = "No matching federated identity record found for presented assertion."
                return aadsts(401, "invalid_client", 70021, what)
        elif form.get("client_secret") != SECRET:
            return aadsts(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if not form["scope"].startswith("https://") or "/.default" not in form["scope"]:
            return aadsts(400, "invalid_scope", 70011, "The provided scope is not valid.")
        return Reply(self.given())

    def _trusts(self, assertion: str) -> bool:
        """A known token, or one that was signed with a certificate (it has its thumbprint)."""
        if assertion in self.assertions:
            return True
        try:
            head = json.loads(base64.urlsafe_b64decode(assertion.split(".", maxsplit=1)[0] + "=="))
        except ValueError:
            return False
        return bool({"x5t", "x5t#S256"} & head.keys())

    def _vault(self, asked: Asked) -> Reply:
        if asked.bearer not in self.tokens:
            return self._challenge(asked)
        path = _PATH.fullmatch(asked.path)
        if path is None or "api-version" not in asked.query:
            return error(400, "BadParameter", "The request URI contains an invalid name.")
        name, version = path[1].lower(), path[2] or ""
        if name in self.denied:
            what = "Caller is not authorized to perform action on resource.\r\ncanary-5f1d3c"
            return error(403, "Forbidden", what, self.denied[name])
        versions = self.secrets.get(name, [])
        if self.lagging:
            versions = versions[:-1]
        fit = [item for item in versions if version in {"", item.name}]
        if not fit:
            what = f"A secret with (name/id) {name}/{version} was not found in this key vault."
            return error(404, "SecretNotFound", what)
        return _secret(asked, name, fit[-1])

    def _challenge(self, asked: Asked) -> Reply:
        suffix = asked.host.partition(".")[2]
        authority = f"https://{ENTRA}/{self.vault_tenant}"
        headers = {
            "WWW-Authenticate": f'Bearer authorization="{authority}", resource="https://{suffix}"'
        }
        what = "AKV10000: Request is missing a Bearer or PoP token."
        return error(401, "Unauthorized", what, headers=headers)

    def stop(self) -> None:
        self.cloud.stop()


def _secret(asked: Asked, name: str, found: Version) -> Reply:
    if not found.enabled:
        what = "Operation get is not allowed on a disabled secret."
        return error(403, "Forbidden", what, "SecretDisabled")
    attributes = {
        "enabled": True,
        "created": found.created,
        "updated": found.created,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }
    window = {"exp": found.expires, "nbf": found.not_before}
    attributes |= {key: value for key, value in window.items() if value is not None}
    full = f"https://{asked.headers['host'].removesuffix(':443')}/secrets/{name}/{found.name}"
    return Reply({"value": found.value, "id": full, "attributes": attributes, "tags": {}})


def error(
    status: int,
    code: str,
    message: str,
    inner: str | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Of Key Vault."""
    found: dict[str, Any] = {"code": code, "message": message}
    if inner is not None:
        found["innererror"] = {"code": inner}
    return Reply({"error": found}, status, headers or {})


def aadsts(status: int, code: str, number: int, message: str) -> Reply:
    """Of Entra ID, as external-secrets#2783 shows it whole."""
    found = {
        "error": code,
        "error_description": f"AADSTS{number}: {message}\r\nTrace ID: canary-5f1d3c",
        "error_codes": [number],
        "timestamp": "2023-10-13 19:07:11Z",
        "error_uri": f"https://{ENTRA}/error?code={number}",
    }
    return Reply(found, status)

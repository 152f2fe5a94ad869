"""The block `azure` of a SecretAccount. As `api.policy` says: a field's docstring is what `kubectl
explain` says.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from contract.quoted import shown
from providers.definition import Block
from schema.constraints import Text
from schema.fields import File, endpoint
from schema.strict_model import Model, rules

CALLS_OF_A_LOGIN = 3
"""What the library asks before the token: the authority's endpoints, or a challenge."""
BURST = (
    f"budget.burst must be at least {CALLS_OF_A_LOGIN} with provider azure: one login can need that"
    " many calls"
)
BURST_RULE = f"!has(self.azure) || self.budget.burst >= {CALLS_OF_A_LOGIN}"
AUTHORITIES = {
    "vault.azure.net": "https://login.microsoftonline.com",
    "vault.azure.cn": "https://login.chinacloudapi.cn",
    "vault.usgovcloudapi.net": "https://login.microsoftonline.us",
}
"""Microsoft Entra ID of each cloud, by the suffix of its vaults."""
_LOGINS = ("workloadIdentity", "managedIdentity", "clientCertificate", "clientSecret")
_ONE_LOGIN = f"auth must have exactly one of {', '.join(_LOGINS)}"
_ONE_IDENTITY = "managedIdentity must not have both clientID and resourceID"
_HTTPS = "vaultURL and authorityHost must start with https://"
_NEEDS_AUTHORITY = (
    "authorityHost is required unless vaultURL ends with one of .vault.azure.net, .vault.azure.cn,"
    " .vault.usgovcloudapi.net"
)
_KNOWN = (
    "^https://[A-Za-z0-9-]+[.]vault[.](azure[.]net|azure[.]cn|usgovcloudapi[.]net)(:443)?(/.*)?$"
)
"""A path is refused by the field's own sentence, and this one would be false then."""

_GUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
Tenant = Annotated[
    str,
    Text(
        pattern=_GUID,
        says=(
            "a tenantID must be the ID of a Microsoft Entra tenant, for example"
            ' "72f988bf-86f1-41af-91ab-2d7cd011db47"'
        ),
        most=36,
        least=36,
    ),
]
Client = Annotated[
    str,
    Text(
        pattern=_GUID,
        says=(
            "a clientID must be the ID of an application or a managed identity, for example"
            ' "f969f52b-c6a6-41c7-b6ef-949c1f227b1d"'
        ),
        most=36,
        least=36,
    ),
]
Resource = Annotated[
    str,
    Text(
        pattern="/subscriptions/[A-Za-z0-9_./()-]+",
        says="a resourceID must be the resource ID of a managed identity, from /subscriptions/ on",
        most=512,
    ),
]

Audience = Annotated[
    str,
    Text(
        pattern="https://[A-Za-z0-9.-]+(/[A-Za-z0-9.-]+)*",
        says=(
            'an audience must be a URL that starts with https://, for example "https://vault.azure.net"'
        ),
        most=253,
    ),
]
_Vault = Annotated[str, endpoint(https=True, example="https://payments.vault.azure.net")]
_Authority = Annotated[str, endpoint(https=True, example="https://login.microsoftonline.com")]


class WorkloadIdentity(Model):
    """Login with a token of the controller's service account (Microsoft Entra Workload ID)."""

    client_id: Annotated[Client | None, Field(alias="clientID")] = None
    """Client ID of the application or managed identity that trusts the service account. Default:
    AZURE_CLIENT_ID, as the webhook of Azure Workload Identity sets it."""
    token_file: File | None = None
    """File with the token, relative to /var/run/secrets/lastgood, where the chart mounts
    controller.accountFiles. It is read at each login. Default: AZURE_FEDERATED_TOKEN_FILE, as the
    webhook of Azure Workload Identity sets it."""


class ManagedIdentity(Model):
    """Login with a managed identity of the node."""

    model_config = rules({_ONE_IDENTITY: "!(has(self.clientID) && has(self.resourceID))"})

    client_id: Annotated[Client | None, Field(alias="clientID")] = None
    """Client ID of a user-assigned identity. Default: the system-assigned identity."""
    resource_id: Annotated[Resource | None, Field(alias="resourceID")] = None
    """Resource ID of a user-assigned identity, instead of clientID."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.client_id is not None and self.resource_id is not None:
            raise ValueError(_ONE_IDENTITY)
        return self


class ClientCertificate(Model):
    """Login as an application with a certificate."""

    client_id: Annotated[Client, Field(alias="clientID")]
    """Client ID of the application."""
    certificate_file: File
    """File with the certificate and its key, in PEM, not encrypted, relative to
    /var/run/secrets/lastgood, where the chart mounts controller.accountFiles. It is read at each
    login."""


class ClientSecret(Model):
    """Login as an application with a client secret."""

    client_id: Annotated[Client, Field(alias="clientID")]
    """Client ID of the application."""
    secret_file: File
    """File with the client secret, relative to /var/run/secrets/lastgood, where the chart mounts
    controller.accountFiles. It is read at each login."""


class AzureAuth(Model):
    """How the controller logs in. Exactly one must be set."""

    model_config = rules(
        {_ONE_LOGIN: " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in _LOGINS) + " == 1"}
    )

    workload_identity: WorkloadIdentity | None = None
    """Log in with a token of the controller's service account."""
    managed_identity: ManagedIdentity | None = None
    """Log in with a managed identity of the node."""
    client_certificate: ClientCertificate | None = None
    """Log in as an application with a certificate."""
    client_secret: ClientSecret | None = None
    """Log in as an application with a client secret."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (
            self.workload_identity,
            self.managed_identity,
            self.client_certificate,
            self.client_secret,
        )
        if sum(item is not None for item in given) != 1:
            raise ValueError(_ONE_LOGIN)
        return self


class Azure(Block):
    """Azure settings. Identities are configured only here. A pod cannot choose one."""

    model_config = rules(
        {
            _HTTPS: (
                "self.vaultURL.startsWith('https://') && (!has(self.authorityHost) ||"
                " self.authorityHost.startsWith('https://'))"
            ),
            _NEEDS_AUTHORITY: (
                "has(self.authorityHost) || !self.vaultURL.startsWith('https://') ||"
                f" self.vaultURL.matches('{_KNOWN}')"
            ),
        }
    )

    vault_url: Annotated[_Vault, Field(alias="vaultURL")]
    """URL of the vault, for example "https://payments.vault.azure.net"."""
    tenant_id: Annotated[Tenant, Field(alias="tenantID")]
    """Microsoft Entra tenant of the vault. No token of another tenant is sent, and no other tenant
    is asked for one."""
    authority_host: _Authority | None = None
    """URL of Microsoft Entra ID, without a path. Required for clouds that lastgood does not know by
    the suffix of vaultURL. Default: that of the vault's cloud."""
    audience: Audience | None = None
    """Audience of the tokens, as on Azure Stack Hub, where it is not the suffix of the vault.
    Default: https:// and the suffix of vaultURL, for example "https://vault.azure.net"."""
    auth: AzureAuth
    """How the controller logs in. Exactly one must be set."""
    ca_file: File | None = None
    """File with the certificates to trust, in PEM, relative to /var/run/secrets/lastgood. Default:
    the CAs of the controller's image."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        urls = [it for it in (self.vault_url, self.authority_host) if it is not None]
        for url in urls:
            if not url.startswith("https://"):
                hint = f'. Did you mean "https://{shown(url.removeprefix("http://"))}"?'
                raise ValueError(_HTTPS + hint)
        if self.authority_host is None and not re.search(_KNOWN, self.vault_url):
            raise ValueError(_NEEDS_AUTHORITY)
        return self

    @property
    def host(self) -> str:
        """Of the vault, with its port unless that is 443, in lower case."""
        return self.vault_url.removeprefix("https://").lower().removesuffix(":443")

    @property
    def suffix(self) -> str:
        """What vaults of its cloud end with: a token for one of them is good for all."""
        name = self.host.rpartition(":")[0] or self.host
        return name.partition(".")[2] or name

    @property
    def authority(self) -> str:
        """URL of Microsoft Entra ID."""
        return self.authority_host or AUTHORITIES[self.suffix]

    @property
    def scope(self) -> str:
        """Of the tokens, for OAuth 2.0."""
        return f"{self.audience or f'https://{self.suffix}'}/.default"

    def smallest_burst(self) -> int:
        return CALLS_OF_A_LOGIN

"""The block `vault` of a SecretAccount. As `api.policy` says: a field's docstring is what `kubectl
explain` says.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from providers.definition import Block
from schema.constraints import Text
from schema.fields import Endpoint, File
from schema.strict_model import LIST, SOME, Model, rules

BURST = (
    "budget.burst must be at least the number of vault.addresses plus 1: one fetch can need a read"
    " at each address and a check"
)
BURST_RULE = "!has(self.vault) || self.budget.burst >= self.vault.addresses.size() + 1"
_ONE_LOGIN = "auth must have exactly one of kubernetes, jwt, appRole, tokenFile"
_ONE_CA = "tls must not have both caFile and caBundle"
_PAIR = "tls must have certificateFile and keyFile, or neither"
_NEEDS_HTTPS = "tls requires that all addresses start with https://"
_MOUNT_ONCE = "each mount must be listed once"

_SEGMENT = "[A-Za-z0-9_+=@!-][A-Za-z0-9_+=.@!-]*"
Path = Annotated[
    str,
    Text(
        pattern=f"{_SEGMENT}(/{_SEGMENT})*",
        says=(
            "a path in Vault must be 1 to 256 characters of A-Z a-z 0-9 _ + = . @ ! and -, with /"
            ' between its parts and not at either end, for example "secret"'
        ),
        most=256,
    ),
]
Role = Annotated[
    str,
    Text(
        pattern="[A-Za-z0-9_.@-]+",
        says="a role must be 1 to 256 characters of A-Z a-z 0-9 _ . @ and -",
        most=256,
    ),
]
Audience = Annotated[
    str,
    Text(
        pattern="[!#-~]+",
        says=(
            "an audience must be 1 to 256 printable ASCII characters without a space, for example"
            ' "vault"'
        ),
        most=256,
    ),
]
CaBundle = Annotated[
    str,
    Text(
        pattern=(
            "([\\n\\r ]*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\n\\r ]+"
            "-----END CERTIFICATE-----[\\n\\r ]*)+"
        ),
        says="a caBundle must be certificates in PEM, at most 65536 characters",
        most=65_536,
    ),
]
ServerName = Annotated[
    str,
    Text(
        pattern="[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?",
        says='a serverName must be the name of a host, for example "vault.example.com"',
        most=253,
    ),
]


class Mount(Model):
    """A KV secrets engine, by where it is mounted."""

    path: Path
    """Path where the KV secrets engine is mounted, for example "secret"."""
    version: Annotated[int, Field(ge=1, le=2)]
    """Version of the KV secrets engine, 1 or 2. The controller compares it with what the
    server says."""


class KubernetesAuth(Model):
    """Login by Vault's kubernetes auth method, with a service account token."""

    role: Role
    """Role of the auth method."""
    mount: Path = "kubernetes"
    """Path where the auth method is mounted."""
    token_file: File = "vault/token"
    """File with the service account token, relative to /var/run/secrets/lastgood, where the chart
    mounts controller.accountFiles. It is read at each login."""
    audience: Audience | None = None
    """Audience that the token must have. A token with another audience is not sent. Default: not
    checked."""


class JwtAuth(Model):
    """Login by Vault's JWT/OIDC auth method, with a service account token."""

    role: Role
    """Role of the auth method."""
    mount: Path = "jwt"
    """Path where the auth method is mounted."""
    token_file: File = "vault/token"
    """File with the token, relative to /var/run/secrets/lastgood, where the chart mounts
    controller.accountFiles. It is read at each login."""
    audience: Audience | None = None
    """Audience that the token must have. A token with another audience is not sent. Default: not
    checked."""


class AppRoleAuth(Model):
    """Login by Vault's AppRole auth method."""

    role_id: Annotated[Role, Field(alias="roleID")]
    """RoleID of the AppRole. It is not a secret."""
    secret_id_file: Annotated[File, Field(alias="secretIDFile")]
    """File with the SecretID, relative to /var/run/secrets/lastgood, where the chart mounts
    controller.accountFiles. It is read at each login."""
    mount: Path = "approle"
    """Path where the auth method is mounted."""


class VaultAuth(Model):
    """How the controller logs in. Exactly one must be set."""

    model_config = rules(
        {
            _ONE_LOGIN: " + ".join(
                f"(has(self.{name}) ? 1 : 0)"
                for name in ("kubernetes", "jwt", "appRole", "tokenFile")
            )
            + " == 1"
        }
    )

    kubernetes: KubernetesAuth | None = None
    """Log in with the kubernetes auth method."""
    jwt: JwtAuth | None = None
    """Log in with the JWT/OIDC auth method."""
    app_role: AppRoleAuth | None = None
    """Log in with the AppRole auth method."""
    token_file: File | None = None
    """File with a Vault token, as a Vault Agent writes it, relative to /var/run/secrets/lastgood,
    where the chart mounts controller.accountFiles. It is read again before the token expires."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (self.kubernetes, self.jwt, self.app_role, self.token_file)
        if sum(item is not None for item in given) != 1:
            raise ValueError(_ONE_LOGIN)
        return self


class Tls(Model):
    """TLS: trusted CAs, server name, and the controller's client certificate."""

    model_config = rules(
        {
            _ONE_CA: "!(has(self.caFile) && has(self.caBundle))",
            _PAIR: "has(self.certificateFile) == has(self.keyFile)",
        }
    )

    ca_file: File | None = None
    """File with the certificates to trust, in PEM, relative to /var/run/secrets/lastgood.
    Default: the CAs of the controller's image."""
    ca_bundle: CaBundle | None = None
    """Certificates to trust, in PEM, instead of caFile."""
    server_name: ServerName | None = None
    """Name that the server's certificate must have, also sent as SNI. Default: the host of the
    address."""
    certificate_file: File | None = None
    """File with the controller's client certificate, in PEM, relative to
    /var/run/secrets/lastgood."""
    key_file: File | None = None
    """File with the key of certificateFile, in PEM, not encrypted."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.ca_file is not None and self.ca_bundle is not None:
            raise ValueError(_ONE_CA)
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError(_PAIR)
        return self


class Vault(Block):
    """Vault settings. Identities are configured only here. A pod cannot choose one."""

    model_config = rules(
        {
            _NEEDS_HTTPS: "!has(self.tls) || self.addresses.all(it, it.startsWith('https://'))",
            _MOUNT_ONCE: (
                "self.mounts.all(it, self.mounts.exists_one(other, other.path == it.path))"
            ),
        }
    )

    addresses: Annotated[tuple[Endpoint, ...], LIST, Field(max_length=8), SOME]
    """Addresses of the server, without a path, in order of preference. The next one is asked only
    when those before are unavailable."""
    namespace: Path | None = None
    """Namespace of Vault Enterprise or OpenBao, for the login and for secrets. Default: the root
    namespace."""
    mounts: Annotated[tuple[Mount, ...], LIST, Field(max_length=32), SOME]
    """KV secrets engines whose secrets this account can read."""
    auth: VaultAuth
    """How the controller logs in. Exactly one must be set."""
    tls: Tls | None = None
    """TLS: trusted CAs, server name, and the controller's client certificate. Default: the CAs of
    the controller's image."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tls is not None and not all(it.startswith("https://") for it in self.addresses):
            raise ValueError(_NEEDS_HTTPS)
        if len({mount.path for mount in self.mounts}) < len(self.mounts):
            raise ValueError(_MOUNT_ONCE)
        return self

    def smallest_burst(self) -> int:
        return len(self.addresses) + 1

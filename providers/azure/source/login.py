"""How an account logs in to Azure: by azure-identity. Importing this imports that library."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from contract.reasons import FetchFailure
from providers.library_login import NO_FILE, BearerToken, document_of, silenced
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from azure.core.credentials import AccessTokenInfo
    from azure.core.rest import HttpRequest

    from providers.azure.account import Azure, WorkloadIdentity
    from providers.http import Answer
    from providers.library_login import Wire

TROUBLE = "it cannot log in to Azure"
ADVICE = {
    FetchFailure.DENIED: "The application or managed identity must be of the tenant, and must trust"
    " the controller's service account (docs/providers/azure-kv.md)",
    FetchFailure.THROTTLED: "Microsoft Entra ID limits the request rate. The call is retried",
    FetchFailure.UNAVAILABLE: "Microsoft Entra ID or the node's metadata service does not respond,"
    " or a file that the account names cannot be read. The call is retried",
}
LIMIT_BYTES = 64 << 10

NO_TOKEN_FILE = Failed(reason=FetchFailure.UNAVAILABLE, code="NoTokenFile")
OTHER_TENANT = Failed(reason=FetchFailure.DENIED, code="OtherTenant")
"""The token is of another tenant than the account's. It is not sent."""
OAUTH = frozenset(
    {
        "access_denied",
        "identity_not_found",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_resource",
        "invalid_scope",
        "invalid_tenant",
        "unauthorized_client",
    }
)
"""Codes of OAuth 2.0 (RFC 6749 5.2), of Entra ID and of the metadata service."""
AADSTS = frozenset(
    {
        70021,  # no federated credential fits the token
        90002,  # no such tenant
        700016,  # no such application in the tenant
        700024,  # the token has ended, or is not valid yet
        700027,  # the certificate is not the application's
        700211,  # no federated credential has the token's issuer
        700212,  # no federated credential has the token's audience
        700213,  # no federated credential has the token's subject
        7000112,  # the application is disabled
        7000215,  # a wrong client secret
        7000222,  # the client secret has ended
    }
)
"""Codes of Entra ID that tell the admin what to do
(https://learn.microsoft.com/entra/identity-platform/reference-error-codes)."""


class _AzureResponse:
    """An answer, as azure-core's policies and msal read it."""

    def __init__(self, request: HttpRequest, answer: Answer) -> None:
        self.request = request
        self.status_code = answer.status
        self.headers = dict(answer.headers)
        self.content_type = answer.headers.get("content-type", "application/json")
        self.reason = ""
        self.content = answer.body

    def text(self, encoding: str | None = None) -> str:
        return self.content.decode(encoding or "utf-8")

    def body(self) -> bytes:
        return self.content

    def read(self) -> bytes:
        return self.content


class _Transport:
    """Our client as a transport of azure-core. Time-outs are ours."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def send(self, request: HttpRequest, **_: object) -> _AzureResponse:
        body: Any = request.content
        if isinstance(body, dict):  # a form, which azure-core leaves to the transport
            body = urlencode(body)
        raw = body.encode() if isinstance(body, str) else body
        headers = dict(request.headers)
        return _AzureResponse(request, self._wire.send(request.method, request.url, headers, raw))

    def open(self) -> None: ...
    def close(self) -> None: ...
    def sleep(self, _: float) -> None:
        """Nothing waits: there is no second try."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None: ...


class _Credential(Protocol):
    """Of azure-identity."""

    def get_token_info(self, *scopes: str) -> AccessTokenInfo: ...


def token_of(block: Azure, folder: Path) -> Callable[[Wire], BearerToken | Failed]:
    """Logs in from the start each time, so that files are read again."""
    silenced("azure", "msal")

    def token(wire: Wire) -> BearerToken | Failed:
        credential = _credential(block, folder, _Transport(wire))
        if isinstance(credential, Failed):
            return credential
        text = credential.get_token_info(block.scope).token
        return OTHER_TENANT if _is_of_another(text, block.tenant_id) else BearerToken(text)

    return token


def _credential(block: Azure, folder: Path, transport: _Transport) -> _Credential | Failed:
    auth = block.auth
    given: dict[str, Any] = {"transport": transport, "retry_total": 0}
    if auth.managed_identity is not None:
        identity = auth.managed_identity
        if identity.resource_id is not None:
            given["identity_config"] = {"resource_id": identity.resource_id}
        # Else the variables of the webhook of Azure Workload Identity would choose for the account.
        given["_exclude_workload_identity_credential"] = True
        return ManagedIdentityCredential(client_id=identity.client_id, **given)
    # No discovery: it would ask the public cloud whether the account's authority may be trusted.
    given |= {"authority": block.authority, "disable_instance_discovery": True}
    if auth.workload_identity is not None:
        return _of_workload(auth.workload_identity, folder, block.tenant_id, given)
    if auth.client_secret is not None:
        raw = _read(folder / auth.client_secret.secret_file)
        if isinstance(raw, Failed):
            return raw
        secret, client = raw.decode().strip(), auth.client_secret.client_id
        return ClientSecretCredential(block.tenant_id, client, secret, **given)
    if auth.client_certificate is None:
        raise AssertionError("unreachable")
    raw = _read(folder / auth.client_certificate.certificate_file)
    if isinstance(raw, Failed):
        return raw
    client = auth.client_certificate.client_id
    return CertificateCredential(block.tenant_id, client, certificate_data=raw, **given)


def _of_workload(
    identity: WorkloadIdentity, folder: Path, tenant: str, given: dict[str, Any]
) -> _Credential | Failed:
    """What the account does not name is of the webhook's variables, which the library reads."""
    path = None if identity.token_file is None else folder / identity.token_file
    if path is not None and not path.is_file():
        return NO_TOKEN_FILE
    return WorkloadIdentityCredential(
        tenant_id=tenant,
        client_id=identity.client_id,
        token_file_path=None if path is None else str(path),
        **given,
    )


def _read(path: Path) -> bytes | Failed:
    try:
        with path.open("rb") as file:
            return file.read(LIMIT_BYTES)
    except OSError:
        return NO_FILE


def _is_of_another(token: str, tenant: str) -> bool:
    """By the claim `tid`; a token that can't be read is Key Vault's to judge."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        return str(claims["tid"]).lower() != tenant.lower()
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return False


def refused(answer: Answer) -> Failed:
    """What an answer of a login means that is no success: of Entra ID, or of the node's metadata
    service.
    """
    document = document_of(answer)
    said = document.get("error")
    if answer.status == 429:  # noqa: PLR2004 - RFC 6585
        return Failed(reason=FetchFailure.THROTTLED, code="Http429", delay_s=answer.delay_s)
    if answer.status in {400, 401, 403, 404} and isinstance(said, str):
        return Failed(reason=FetchFailure.DENIED, code=_code(document, said, answer.status))
    code = "Http3xx" if answer.status // 100 == 3 else f"Http{answer.status}"  # noqa: PLR2004 - redirects
    known = {"Http3xx", "Http404", "Http410", "Http500", "Http502", "Http503", "Http504"}
    code = code if code in known else "ForeignAnswer"
    return Failed(reason=FetchFailure.UNAVAILABLE, code=code, delay_s=answer.delay_s)


def _code(document: Mapping[str, Any], said: str, status: int) -> str:
    """Entra ID's own number, if it is one of AADSTS, or the code of OAuth 2.0."""
    numbers = document.get("error_codes")
    for number in numbers if isinstance(numbers, list) else ():
        if number in AADSTS:
            return f"AADSTS{number}"
    return said if said in OAUTH else f"Http{status}"

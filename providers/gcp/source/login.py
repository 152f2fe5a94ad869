"""How an account logs in to Google Cloud: by google-auth, with a credential configuration or by the
metadata server. Importing this imports that library.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from google.auth import aws, identity_pool, impersonated_credentials
from google.auth.compute_engine import Credentials as OfMetadataServer
from google.oauth2 import service_account

from contract.reasons import FetchFailure
from providers.gcp.source import answers, configuration
from providers.library_login import NO_FILE, BearerToken, document_of, silenced
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from providers.gcp.account import Gcp
    from providers.http import Answer
    from providers.library_login import Wire

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TROUBLE = "it cannot log in to Google Cloud"
ADVICE = {
    FetchFailure.DENIED: "The service account or the workload identity pool must accept the"
    " controller (docs/providers/gcp-sm.md)",
    FetchFailure.THROTTLED: "Google limits the request rate. The call is retried",
    FetchFailure.UNAVAILABLE: "Google or the metadata server does not respond, or a file that the"
    " account names cannot be read. The call is retried",
}
LIMIT_BYTES = 64 << 10

NOT_A_CONFIGURATION = Failed(reason=FetchFailure.DENIED, code="NotACredentialsFile")
NO_TOKEN_FILE = Failed(reason=FetchFailure.UNAVAILABLE, code="NoTokenFile")
"""The file that a credential configuration names."""

OAUTH = {
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "unsupported_grant_type",
}
"""Codes of OAuth 2.0 (RFC 6749 5.2) and of the token exchange (RFC 8693 2.2.2)."""


class _Credentials(Protocol):
    """Of google-auth, whose types say nothing."""

    token: str | None

    def refresh(self, request: _GoogleRequest) -> None: ...


class _GoogleResponse:
    """A `google.auth.transport.Response`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    @property
    def data(self) -> bytes:
        return self._answer.body


class _GoogleRequest:
    """Our client as a `google.auth.transport.Request`. Time-outs are ours."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _GoogleResponse:
        del timeout
        raw = body.encode() if isinstance(body, str) else body
        return _GoogleResponse(self._wire.send(method, url, headers or {}, raw))


def token_of(block: Gcp, folder: Path) -> Callable[[Wire], BearerToken | Failed]:
    """Logs in from the start each time, so that files are read again."""
    silenced("google.auth", "google.oauth2")

    def token(wire: Wire) -> BearerToken | Failed:
        found = _credentials(block, folder)
        if isinstance(found, Failed):
            return found
        if block.impersonate is not None:
            found = impersonated_credentials.Credentials(
                source_credentials=found,
                target_principal=block.impersonate,
                target_scopes=[SCOPE],
            )
        found.refresh(_GoogleRequest(wire))
        return BearerToken(str(found.token))

    return token


def _credentials(block: Gcp, folder: Path) -> _Credentials | Failed:
    if block.credentials_file is None:
        given: _Credentials = OfMetadataServer(scopes=[SCOPE], universe_domain="googleapis.com")
        return given
    try:
        with (folder / block.credentials_file).open("rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
    except OSError:
        return NO_FILE
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return NOT_A_CONFIGURATION
    if not isinstance(found, dict) or len(raw) > LIMIT_BYTES:
        return NOT_A_CONFIGURATION
    return _of_configuration(found, folder)


def _of_configuration(found: dict[str, Any], folder: Path) -> _Credentials | Failed:
    """By its `type`, as https://google.aip.dev/auth/4110 has them."""
    made: _Credentials
    wrong = configuration.refused(found, folder)
    if wrong is not None:
        return wrong
    kind = found.get("type")
    if kind == "service_account":
        made = service_account.Credentials.from_service_account_info(found, scopes=[SCOPE])
        return made
    if kind == "impersonated_service_account":
        return _impersonating(found, folder)
    if kind != "external_account":
        return configuration.KIND_NOT_SUPPORTED
    source = found.get("credential_source")
    source = source if isinstance(source, dict) else {}
    file = configuration.token_file(source, folder)
    if file is not None:
        if not file.is_file():
            return NO_TOKEN_FILE
        found = found | {"credential_source": source | {"file": str(file)}}
    is_aws = str(source.get("environment_id", "")).startswith("aws")
    library = aws if is_aws else identity_pool
    made = library.Credentials.from_info(found, scopes=[SCOPE])
    return made


def _impersonating(found: dict[str, Any], folder: Path) -> _Credentials | Failed:
    """The source of an impersonation may be any configuration but another impersonation."""
    source = found.get("source_credentials")
    if not isinstance(source, dict) or source.get("type") == "impersonated_service_account":
        return NOT_A_CONFIGURATION
    base = _of_configuration(source, folder)
    if isinstance(base, Failed):
        return base
    url = str(found.get("service_account_impersonation_url", ""))
    principal = url.rpartition("/")[2].removesuffix(":generateAccessToken")
    made: _Credentials = impersonated_credentials.Credentials(
        source_credentials=base,
        target_principal=principal,
        target_scopes=[SCOPE],
        delegates=found.get("delegates", []),
    )
    return made


def refused(answer: Answer) -> Failed:
    """What an answer of a login means that is no success: of OAuth, of Google's APIs, or of the
    metadata server, which writes plain text.
    """
    document = document_of(answer)
    said = document.get("error")
    if answer.status == 429 or said == "rate_limit_exceeded":  # noqa: PLR2004 - RFC 6585
        return Failed(reason=FetchFailure.THROTTLED, code="Http429", delay_s=answer.delay_s)
    if answer.status in {400, 401, 403, 404}:
        if isinstance(said, str):
            code = said if said in OAUTH else f"Http{answer.status}"
            return Failed(reason=FetchFailure.DENIED, code=code)
        if not document and answer.headers.get("metadata-flavor") == "Google":
            return Failed(reason=FetchFailure.DENIED, code=f"Metadata{answer.status}")
    if answer.status in {500, 502, 503, 504}:
        code = f"Http{answer.status}"
        return Failed(reason=FetchFailure.UNAVAILABLE, code=code, delay_s=answer.delay_s)
    return answers.of_error(answer)

"""What each answer of Google Cloud means: by `error.status`, a google.rpc.Code, never by message
text (https://cloud.google.com/apis/design/errors).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.gcp.source.crc32c import crc32c
from providers.http import UNREADABLE
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.http import Answer

NOT_FOUND = Failed(reason=FetchFailure.INVALID, code="VersionNotFound")
NOT_ENABLED = Failed(
    reason=FetchFailure.INVALID,
    code="VersionNotEnabled",
    what_to_do="The newest version in Google Secret Manager is disabled or destroyed. Older ones"
    " are not read instead: use `lastgood rollback`, or add or enable a version",
)
"""The version is disabled or destroyed."""
MISMATCH = Failed(reason=FetchFailure.UNAVAILABLE, code="ChecksumMismatch")
NO_DATA = Failed(reason=FetchFailure.EMPTY, code="NoData")
FOREIGN = Failed(reason=FetchFailure.UNAVAILABLE, code="ForeignAnswer")
"""An error page that is not Google's: of a proxy, or of another service."""
UNAUTHENTICATED = "UNAUTHENTICATED"

STATUSES = {
    "CANCELLED": FetchFailure.UNAVAILABLE,
    "UNKNOWN": FetchFailure.UNAVAILABLE,
    "INVALID_ARGUMENT": FetchFailure.INVALID,
    "DEADLINE_EXCEEDED": FetchFailure.UNAVAILABLE,
    "NOT_FOUND": FetchFailure.ABSENT,
    "ALREADY_EXISTS": FetchFailure.INVALID,
    "PERMISSION_DENIED": FetchFailure.DENIED,
    UNAUTHENTICATED: FetchFailure.DENIED,
    "RESOURCE_EXHAUSTED": FetchFailure.THROTTLED,
    "FAILED_PRECONDITION": FetchFailure.INVALID,
    "ABORTED": FetchFailure.UNAVAILABLE,
    "OUT_OF_RANGE": FetchFailure.INVALID,
    "UNIMPLEMENTED": FetchFailure.INVALID,
    "INTERNAL": FetchFailure.UNAVAILABLE,
    "UNAVAILABLE": FetchFailure.UNAVAILABLE,
    "DATA_LOSS": FetchFailure.UNAVAILABLE,
}
"""Every google.rpc.Code but OK."""
REASONS = frozenset(
    {
        "ACCESS_TOKEN_EXPIRED",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "ACCOUNT_STATE_INVALID",
        "BILLING_DISABLED",
        "CONSUMER_INVALID",
        "CONSUMER_SUSPENDED",
        "SECURITY_POLICY_VIOLATED",
        "SERVICE_DISABLED",
        "USER_PROJECT_DENIED",
    }
)
"""Of google.api.ErrorReason: those that tell the admin more than the status. The service adds one
to its answer as google.rpc.ErrorInfo."""
_NAME = re.compile(
    "projects/([^/]{1,100})(?:/locations/([^/]{1,64}))?/secrets/([^/]{1,255})/versions/([1-9][0-9]{0,18})"
)
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What `access` gave."""

    project: str
    """Its number."""
    location: str | None
    """None: it is of a global secret."""
    secret: str
    number: str
    value: SecretBytes


def of_access(answer: Answer) -> Version | Failed:
    """Of `GET …/versions/…:access`."""
    if answer.status != _OK:
        return of_error(answer)
    try:
        found = json.loads(answer.body)
        named = _NAME.fullmatch(found["name"])
        payload = found.get("payload", {})
        data = base64.b64decode(payload.get("data", ""), validate=True)
        if named is None:
            return UNREADABLE
        if not data:
            return NO_DATA
        if int(payload["dataCrc32c"]) != crc32c(data):
            return MISMATCH
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return UNREADABLE
    return Version(
        project=named[1],
        location=named[2],
        secret=named[3],
        number=named[4],
        value=SecretBytes(data),
    )


def of_error(answer: Answer) -> Failed:
    """Of an answer that is no success, of Secret Manager and of IAM Credentials alike."""
    error = _error(answer)
    status = error.get("status")
    reason = STATUSES.get(status) if isinstance(status, str) else None
    if reason is None:
        return _of_status(answer)
    if status == "FAILED_PRECONDITION":
        return NOT_ENABLED
    why = _why(error)
    code = f"{status}:{why}" if why else str(status)
    return Failed(reason=reason, code=code, delay_s=answer.delay_s)


def _of_status(answer: Answer) -> Failed:
    """Of one that is not in Google's shape: it proves nothing but that it failed."""
    if answer.status == 429:  # noqa: PLR2004 - RFC 6585
        return Failed(reason=FetchFailure.THROTTLED, code="Http429", delay_s=answer.delay_s)
    if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
        return Failed(reason=FetchFailure.UNAVAILABLE, code="Http3xx")
    return Failed(reason=FetchFailure.UNAVAILABLE, code=FOREIGN.code, delay_s=answer.delay_s)


def _error(answer: Answer) -> Mapping[str, Any]:
    try:
        error = json.loads(answer.body)["error"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _why(error: Mapping[str, Any]) -> str | None:
    """The reason of its ErrorInfo, if it is one of REASONS."""
    details = error.get("details")
    for item in details if isinstance(details, list) else ():
        found = item.get("reason") if isinstance(item, dict) else None
        if isinstance(found, str) and found in REASONS:
            return found
    return None

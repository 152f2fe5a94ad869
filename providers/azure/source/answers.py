"""What each answer of Key Vault means: by `error.code` and the code of its inner error, never by
message text (https://learn.microsoft.com/rest/api/keyvault/secrets).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.http import UNREADABLE
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.http import Answer


def _denied(code: str) -> Failed:
    return Failed(reason=FetchFailure.DENIED, code=code)


ABSENT = Failed(reason=FetchFailure.ABSENT, code="SecretNotFound")
NOT_FOUND = Failed(reason=FetchFailure.INVALID, code="VersionNotFound")
DISABLED = Failed(
    reason=FetchFailure.INVALID,
    code="SecretDisabled",
    what_to_do="The newest version in Azure Key Vault is disabled. Older ones are not read instead:"
    " use `lastgood rollback`, or enable it or set another value",
)
NO_VALUE = Failed(reason=FetchFailure.EMPTY, code="NoValue")
FOREIGN = Failed(reason=FetchFailure.UNAVAILABLE, code="ForeignAnswer")
"""An error page that is not Key Vault's: of a proxy, or of another service."""
UNAUTHORIZED = _denied("Unauthorized")
OTHER_TENANT = _denied("OtherTenant")
"""The vault trusts another tenant than the account's. Its challenge is not followed."""

EXPIRED, NOT_YET_VALID = "expired", "not-yet-valid"
INNER = frozenset(
    {
        "AccessDenied",
        "ForbiddenByConnection",
        "ForbiddenByFirewall",
        "ForbiddenByPolicy",
        "ForbiddenByRbac",
    }
)
"""Inner codes that tell the admin what denies."""
_TOLD = frozenset({500, 502, 503, 504})
_BEARER = re.compile("(?i:(^|,) *bearer( |,|$))")
_AUTHORITY = re.compile('authorization(?:_uri)?="?https://[^/" ]+/([^/", ]+)')
_ID = re.compile("https://([^/]+)/secrets/([^/]+)/([0-9a-f]{32})")
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVersion:
    """A version with its value."""

    host: str
    """Of the vault, in lower case."""
    name: str
    """In lower case."""
    version: str
    value: SecretBytes
    created: int
    """Seconds since the epoch; 0: it does not say."""
    warning: str | None
    """EXPIRED or NOT_YET_VALID, by the answer's own Date: Key Vault gives the value all the same.
    None: it is neither.
    """


def of_get(answer: Answer, tenant: str) -> SecretVersion | Failed:
    """Of `GET /secrets/<name>` or `GET /secrets/<name>/<version>`."""
    if answer.status != _OK:
        return of_error(answer, tenant)
    try:
        found = json.loads(answer.body)
        named = _ID.fullmatch(found["id"])
        attributes = found.get("attributes") or {}
        value = found.get("value", "")
        if named is None:
            return UNREADABLE
        if not value:
            return NO_VALUE
        return SecretVersion(
            host=named[1].lower().removesuffix(":443"),
            name=named[2].lower(),
            version=named[3],
            value=SecretBytes(value.encode()),
            created=_moment(attributes.get("created")) or 0,
            warning=_warning(attributes, answer),
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return UNREADABLE


def of_error(answer: Answer, tenant: str) -> Failed:
    """Of an answer that is no success, for an account of that tenant."""
    if answer.status == 429:  # noqa: PLR2004 - RFC 6585; real ones have no Retry-After
        return Failed(reason=FetchFailure.THROTTLED, code="Throttled", delay_s=answer.delay_s)
    error = _error(answer)
    code, inner = error.get("code"), _inner(error)
    if answer.status == 401 and _is_challenge(answer, code):  # noqa: PLR2004 - RFC 9110
        return OTHER_TENANT if _asks_for_another(answer, tenant) else UNAUTHORIZED
    if answer.status == 403 and code == "Forbidden":  # noqa: PLR2004 - RFC 9110
        if inner == DISABLED.code:
            return DISABLED
        return _denied(f"Forbidden:{inner}" if inner in INNER else "Forbidden")
    if answer.status == 404 and code == ABSENT.code:  # noqa: PLR2004 - RFC 9110
        return ABSENT
    if answer.status == 400 and code == "BadParameter":  # noqa: PLR2004 - RFC 9110
        return Failed(reason=FetchFailure.INVALID, code="BadParameter")
    if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
        return Failed(reason=FetchFailure.UNAVAILABLE, code="Http3xx")
    code = f"Http{answer.status}" if answer.status in _TOLD else FOREIGN.code
    return Failed(reason=FetchFailure.UNAVAILABLE, code=code, delay_s=answer.delay_s)


def _is_challenge(answer: Answer, code: object) -> bool:
    """Whether a 401 is Key Vault's, and not of a proxy that asks for a login of its own."""
    return code == UNAUTHORIZED.code or bool(
        _BEARER.search(answer.headers.get("www-authenticate", ""))
    )


def _asks_for_another(answer: Answer, tenant: str) -> bool:
    named = _AUTHORITY.search(answer.headers.get("www-authenticate", ""))
    return named is not None and named[1].lower() != tenant.lower()


def _error(answer: Answer) -> Mapping[str, Any]:
    try:
        error = json.loads(answer.body)["error"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _inner(error: Mapping[str, Any]) -> str | None:
    """Its code. Key Vault writes `innererror`, and some gateways before it `innerError`."""
    inner = error.get("innererror") or error.get("innerError")
    code = inner.get("code") if isinstance(inner, dict) else None
    return code if isinstance(code, str) else None


def _warning(attributes: Mapping[str, object], answer: Answer) -> str | None:
    """Of `exp` and `nbf`, which are for information only."""
    try:
        now = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    ends, starts = _moment(attributes.get("exp")), _moment(attributes.get("nbf"))
    if ends is not None and ends <= now:
        return EXPIRED
    return NOT_YET_VALID if starts is not None and starts > now else None


def _moment(said: object) -> int | None:
    return said if isinstance(said, int) and not isinstance(said, bool) else None

"""What each answer of Vault means, by status and by the shape of its body; never by message text.

404 is six things. Only `{"errors": []}` is Vault's own word for a secret that is not there, and
only below a mount of the expected kind.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from providers.http import UNREADABLE
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.http import Answer


def _invalid(code: str) -> Failed:
    return Failed(reason=FetchFailure.INVALID, code=code)


ABSENT = Failed(reason=FetchFailure.ABSENT, code="NotFound")
NO_DATA = Failed(reason=FetchFailure.EMPTY, code="NoData")
DELETED = _invalid("VersionDeleted")
"""The version can be undeleted, so that is no absence."""
DESTROYED = _invalid("VersionDestroyed")
NOT_FOUND = _invalid("VersionNotFound")
WRAPPED = _invalid("WrappedAnswer")
DYNAMIC = _invalid("DynamicSecret")
MISMATCH = _invalid("MountMismatch")
NO_MOUNT = _invalid("NoSuchMount")
FOREIGN = Failed(reason=FetchFailure.UNAVAILABLE, code="ForeignAnswer")
"""An error page that is not Vault's: of a load balancer, or of another service."""

_STATUSES = {
    401: FetchFailure.DENIED,
    403: FetchFailure.DENIED,
    408: FetchFailure.UNAVAILABLE,
    # Vault Enterprise: this node has not yet what the token was made with.
    412: FetchFailure.UNAVAILABLE,
    429: FetchFailure.THROTTLED,
    # Standbys that serve nothing.
    472: FetchFailure.UNAVAILABLE,
    473: FetchFailure.UNAVAILABLE,
}
_OWN = frozenset({400, 401, 403, 404, 405})
"""Statuses that only Vault's own body makes a verdict."""
_TOLD = frozenset({400, 401, 403, 404, 405, 408, 412, 413, 429, 472, 473, 500, 501, 502, 503, 504})
"""Statuses that are a code by themselves."""
_OK = 200
_MISSING = 404
_CREATED = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.]([0-9]{1,9}))?Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KvValue:
    """A secret's members."""

    members: Mapping[str, Any] = field(repr=False)
    number: int = 0
    """Of KV version 2; 0: of version 1, which has none."""
    created: str = ""
    """When KV version 2 wrote it, as it says so."""


class JsonNumber(str):
    """A JSON number, as it is spelled."""

    __slots__ = ()


def of_version_2(answer: Answer, *, pinned: bool) -> KvValue | Failed:
    """Of `GET <mount>/data/<path>`."""
    if answer.status != _OK:
        return _no_value(answer, pinned=pinned)
    data = _data(answer)
    if isinstance(data, Failed):
        return data
    members, metadata = data.get("data"), _mapping(data.get("metadata"))
    number, created = metadata.get("version"), metadata.get("created_time")
    if not isinstance(number, JsonNumber) or not number.isdigit() or not isinstance(created, str):
        return MISMATCH
    if not _CREATED.fullmatch(created):
        return UNREADABLE
    if not isinstance(members, dict):
        return _gone(metadata) or NO_DATA
    if not members:
        return NO_DATA
    return KvValue(members=members, number=int(number), created=created)


def of_version_1(answer: Answer) -> KvValue | Failed:
    """Of `GET <mount>/<path>`."""
    if answer.status != _OK:
        return _no_value(answer, pinned=False)
    members = _data(answer)
    if isinstance(members, Failed):
        return members
    return KvValue(members=members) if members else NO_DATA


def moment(created: str) -> tuple[str, str]:
    """What orders two times of creation; Vault writes their fractions without the last zeros."""
    found = _CREATED.fullmatch(created)
    if found is None:
        return "", ""
    return found[1], (found[2] or "").ljust(9, "0")


def of_mount(answer: Answer, mount: str, version: int) -> bool | Failed:
    """Of `GET sys/internal/ui/mounts/<mount>/<path>`: True, or what is wrong with the mount."""
    if answer.status != _OK:
        return refusal(answer)
    data = _data(answer)
    if isinstance(data, Failed):
        return data
    said = _mapping(data.get("options")).get("version", "1")
    own = data.get("path") == f"{mount}/" and data.get("type") in {"kv", "generic"}
    return True if own and said == str(version) else MISMATCH


def of_login(answer: Answer) -> tuple[str, float] | Failed:
    """Of a login: the token, and the seconds it lasts; 0: it does not end."""
    if answer.status != _OK:
        return refusal(answer)
    document = _document(answer)
    if isinstance(document, Failed):
        return document
    auth = _mapping(document.get("auth"))
    token, lasts = auth.get("client_token"), auth.get("lease_duration")
    if document.get("wrap_info") is not None:
        return WRAPPED
    if auth.get("mfa_requirement") is not None:
        return Failed(reason=FetchFailure.DENIED, code="MfaRequired")
    if not isinstance(token, str) or not re.fullmatch("[!-~]+", token):
        return UNREADABLE
    return token, _seconds(lasts)


def of_look_up(answer: Answer) -> float | Failed:
    """Of `GET auth/token/lookup-self`: the seconds that the token lasts; 0: it does not end."""
    if answer.status != _OK:
        return refusal(answer)
    data = _data(answer)
    return data if isinstance(data, Failed) else _seconds(data.get("ttl"))


def is_enterprise(answer: Answer) -> bool | Failed:
    """Of `GET sys/health`, whose statuses tell of standbys too."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return FOREIGN
    return isinstance(document, dict) and document.get("enterprise") is True


def refusal(answer: Answer) -> Failed:
    """Of an answer that is not 200, and is no 404 of a secret."""
    status = answer.status
    if status in _OWN and not _is_own_error(answer):
        return FOREIGN
    other = FetchFailure.INVALID if 400 <= status < 500 else FetchFailure.UNAVAILABLE  # noqa: PLR2004 - HTTP
    code = f"Http{status}" if status in _TOLD else f"Http{status // 100}xx"
    return Failed(reason=_STATUSES.get(status, other), code=code, delay_s=answer.delay_s)


def _no_value(answer: Answer, *, pinned: bool) -> Failed:
    if answer.status != _MISSING:
        return refusal(answer)
    document = _document(answer)
    if isinstance(document, Failed):
        return FOREIGN
    metadata = _mapping(_mapping(document.get("data")).get("metadata"))
    gone = _gone(metadata)
    if gone is not None:
        return gone
    if document.get("warnings"):
        return MISMATCH
    errors = document.get("errors")
    if not _are_texts(errors):
        return FOREIGN
    if errors:
        return NO_MOUNT
    if pinned:
        return NOT_FOUND
    return ABSENT if set(document) == {"errors"} else FOREIGN


def _gone(metadata: Mapping[str, Any]) -> Failed | None:
    """Of a version that was deleted, or destroyed for good; None: it is neither."""
    if metadata.get("destroyed") is True:
        return DESTROYED
    return DELETED if metadata.get("deletion_time") else None


def _data(answer: Answer) -> dict[str, Any] | Failed:
    """The member `data` of Vault's envelope; an empty one where it is null."""
    document = _document(answer)
    if isinstance(document, Failed):
        return document
    if document.get("wrap_info") is not None:
        return WRAPPED
    if document.get("lease_id"):
        return DYNAMIC
    if "data" not in document:
        return UNREADABLE
    data = document["data"]
    if data is None:
        return {}
    return data if isinstance(data, dict) else UNREADABLE


def _document(answer: Answer) -> dict[str, Any] | Failed:
    try:
        document = json.loads(
            answer.body, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return UNREADABLE
    return document if isinstance(document, dict) else UNREADABLE


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _is_own_error(answer: Answer) -> bool:
    document = _document(answer)
    return not isinstance(document, Failed) and _are_texts(document.get("errors"))


def _are_texts(errors: object) -> bool:
    """As Vault has them. Container registries and Artifactory have objects there."""
    return isinstance(errors, list) and all(isinstance(it, str) for it in errors)


def _seconds(given: object) -> float:
    return (
        float(given) if isinstance(given, JsonNumber) and re.fullmatch("[0-9]{1,9}", given) else 0.0
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def canonical(value: object) -> str:
    """JSON with sorted members and no spaces; numbers as they were spelled."""
    if isinstance(value, JsonNumber):
        return str(value)
    if isinstance(value, dict):
        members = (f"{canonical(name)}:{canonical(value[name])}" for name in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)

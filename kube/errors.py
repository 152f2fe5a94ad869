"""What the API server refused, by HTTP status.

    ApiError
    ├── lasting: the same request will be refused again
    │   ├── NotFoundError       404
    │   ├── ForbiddenError      401, 403
    │   ├── InvalidError        400, 405, 406, 413, 415, 422 and every other 4xx
    │   ├── AlreadyExistsError  409, reason AlreadyExists
    │   ├── ConflictError       409: read again, decide again
    │   └── GoneError           410: list again
    └── temporary: later it may be granted
        ├── ThrottledError      429
        └── UnavailableError    5xx, no connection, no answer in time
            └── MalformedError  an answer that is no JSON object

    FencedError                 not the server's: a writer whose time is over; nothing was sent

A message holds status, reason, method and path, and never a byte of an object: an object may be a
Secret, and the server's own messages quote objects. Pure.
"""

from __future__ import annotations

import re
from http import HTTPStatus

_WORD = re.compile(r"[A-Za-z]{1,64}")
_ALREADY_EXISTS = "AlreadyExists"


class ApiError(Exception):
    """A request that was not granted."""

    def __init__(
        self, *, status: int, reason: str, method: str, path: str, delay_s: float | None = None
    ) -> None:
        self.status = status
        """The HTTP status; 0: there was no answer."""
        self.reason = reason if _WORD.fullmatch(reason) else "Unknown"
        """One word: the `reason` of the server's Status, or what kept us from an answer."""
        self.method = method
        self.path = path
        """Without the query."""
        self.delay_s = delay_s
        """The server's Retry-After, in seconds. None: it sent none."""
        answer = f"{status} {self.reason}" if status else self.reason
        super().__init__(f"{answer}: {method} {path}")


class NotFoundError(ApiError):
    """No such object, or no such resource."""


class ForbiddenError(ApiError):
    """Not by this identity (403), or not known who we are (401)."""


class InvalidError(ApiError):
    """Refused as it is: schema, CEL rule or admission."""


class ConflictError(ApiError):
    """Somebody else wrote first, or a precondition does not hold."""


class AlreadyExistsError(ConflictError):
    """An object of this name is there."""


class GoneError(ApiError):
    """The resource version or the continue token is too old."""


class TemporaryError(ApiError):
    """Try again later."""


class ThrottledError(TemporaryError):
    """Too many requests; `delay_s` is always set."""


class UnavailableError(TemporaryError):
    """The server, or the way to it. Whether a write was done is not known."""


class MalformedError(UnavailableError):
    """An answer that is no JSON object, or no event of a watch."""


class TooLargeError(UnavailableError):
    """An answer of more bytes than fit into our memory: ask for less."""


class FencedError(Exception):
    """The time in which we may write is over. Nothing was sent."""

    delay_s: float | None = None
    """As in ApiError: nobody asked for a delay."""


_BY_STATUS: dict[int, type[ApiError]] = {
    HTTPStatus.UNAUTHORIZED: ForbiddenError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: GoneError,
    HTTPStatus.TOO_MANY_REQUESTS: ThrottledError,
}
_SERVER_ERROR = 500
_CLIENT_ERROR = 400


def of_status(
    status: int, *, reason: str, method: str, path: str, delay_s: float | None = None
) -> ApiError:
    """The error of an answer. `reason` is that of the Status object, "" when it has none."""
    kind = _BY_STATUS.get(status)
    if kind is ConflictError and reason == _ALREADY_EXISTS:
        kind = AlreadyExistsError
    if kind is None:
        refused = _CLIENT_ERROR <= status < _SERVER_ERROR
        kind = InvalidError if refused else UnavailableError
    if kind is ThrottledError and delay_s is None:
        delay_s = 1.0
    return kind(status=status, reason=reason, method=method, path=path, delay_s=delay_s)


ERRORS = tuple(
    error.__name__
    for error in (
        ApiError,
        NotFoundError,
        ForbiddenError,
        InvalidError,
        ConflictError,
        AlreadyExistsError,
        GoneError,
        TemporaryError,
        ThrottledError,
        UnavailableError,
        MalformedError,
        TooLargeError,
        FencedError,
    )
)
"""Their names, for counters that begin at 0."""

"""What a request is refused with: a `Status` object.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Refusal(Exception):  # noqa: N818 - a refusal is an answer
    """Caught by the server, which answers with `status()`."""

    def __init__(self, code: int, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or _REASONS.get(code, "Unknown")

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


def not_found(plural: str, name: str) -> Refusal:
    """No such object."""
    return Refusal(HTTPStatus.NOT_FOUND, f'{plural} "{name}" not found')


def invalid(what: str, *why: str) -> Refusal:
    """The object breaks a rule."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{what} is invalid: {'; '.join(why)}")


def conflict(plural: str, name: str, why: str) -> Refusal:
    """Somebody wrote since, or a precondition does not hold."""
    text = f'Operation cannot be fulfilled on {plural} "{name}": {why}'
    return Refusal(HTTPStatus.CONFLICT, text)

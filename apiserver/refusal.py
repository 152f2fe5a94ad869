"""What a request is refused with: a `Status` object.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

_REASONS = {410: "Expired", 422: "Invalid", 500: "InternalError", 504: "Timeout"}
"""Where they are not the words of HTTP."""
Json = dict[str, Any]
STATUS: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}}


class Refusal(Exception):  # noqa: N818 - a refusal is an answer
    """Caught by the server, which answers with `status()`."""

    def __init__(self, code: int, message: str, *, reason: str | None = None) -> None:
        """`reason` None: that of the code; "": none."""
        super().__init__(message)
        self.code = code
        self.message = message
        words = _REASONS.get(code) or HTTPStatus(code).phrase.replace(" ", "")
        self.reason = words if reason is None else reason

    def status(self) -> Json:
        """The body of the answer."""
        found = {"status": "Failure", "message": self.message, "code": self.code}
        return {**STATUS, **found, **({"reason": self.reason} if self.reason else {})}


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

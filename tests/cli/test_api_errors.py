"""What the API server refuses, as operators read it."""

from __future__ import annotations

import pytest

from cli.api_errors import EDIT, refused
from cli.exit_codes import UnreachableError
from kube.errors import ApiError, of_status

WHERE = "the API server https://10.0.0.1 (prod)"
PATH = "/apis/lastgood.dev/v1alpha1/secretsnapshots"


def _error(status: int, reason: str, method: str = "GET") -> ApiError:
    return of_status(status, reason=reason, method=method, path=PATH)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (_error(401, "Unauthorized"), "rejected your credentials (401)"),
        (_error(403, "Forbidden"), "you may not patch snapshots (403 from the API server"),
        (_error(404, "NotFound"), "Is lastgood installed there?"),
        (_error(422, "Invalid"), "refused to patch snapshots: 422 Invalid"),
        (_error(429, "TooManyRequests"), "answered 429 TooManyRequests"),
        (_error(503, "ServiceUnavailable"), "cannot patch snapshots now: "),
        (_error(0, "ClientConnectorError"), "cannot be reached: the connection was refused"),
        (_error(0, "ClientConnectorCertificateError"), "its certificate does not match the CA"),
        (_error(0, "TimedOut"), "cannot be reached: the request timed out"),
        (_error(0, "Whatever"), "cannot be reached: the connection failed (Whatever)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_refusal_is_one_sentence_that_names_server_and_act(
    error: ApiError, message: str
) -> None:
    """Reads leave nothing in doubt."""
    text = str(refused(error, "patch snapshots", WHERE, EDIT))
    assert message in text
    assert WHERE in text
    assert "\n" not in text
    assert "may or may not" not in text


def test_a_refusal_names_the_role_that_has_the_right() -> None:
    """An admin can bind it."""
    assert "The ClusterRole lastgood-edit" in str(
        refused(_error(403, "Forbidden"), "patch snapshots", WHERE, EDIT)
    )


@pytest.mark.parametrize("status", [0, 500, 504])
def test_a_write_without_an_answer_may_have_been_done(status: int) -> None:
    """So the user is told, and that asking again does no harm."""
    error = refused(_error(status, "TimedOut", "PATCH"), "patch snapshots", WHERE)
    assert isinstance(error, UnreachableError)
    assert "The change may or may not have been saved. It is safe to try again" in str(error)

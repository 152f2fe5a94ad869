"""What the API server refused, as a sentence. Pure; never the server's own message, which may quote
an object.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from cli.errors import CommandError, UnreachableError
from kube.errors import ForbiddenError, NotFoundError, TemporaryError

if TYPE_CHECKING:
    from kube.errors import ApiError

VIEW, EDIT, POLICIES = "lastgood-view", "lastgood-edit", "lastgood-view-policies"
"""ClusterRoles of the chart: what looks at snapshots, what changes them, what reads policies."""

_TROUBLE = {
    "TimedOut": "it does not answer",
    "ClientConnectorDNSError": "its name has no address",
    "ClientConnectorCertificateError": (
        "its certificate is not of the authority and name that the kubeconfig says"
    ),
    "ClientConnectorSSLError": "it speaks no TLS that we can follow",
    "SSLError": "the certificates that the kubeconfig names can't be used",
    "NoCredentialsError": "the token's file can't be read",
    "DisconnectedError": "it ended the connection",
    "ClientOSError": "it ended the connection",
    "ClientConnectorError": "nothing listens there, or the way to it is blocked",
    "Malformed": "what answers there is no API server",
}


def refused(error: ApiError, what: str, where: str, role: str = VIEW) -> CommandError:
    """`what` we tried, as in "you may not …"; `where` names server and context; `role` is the
    ClusterRole that has the right to it.
    """
    if isinstance(error, TemporaryError):
        return UnreachableError(_unreachable(error, what, where) + _doubt(error))
    if error.status == HTTPStatus.UNAUTHORIZED:
        message = f"{where} does not know who you are (401): credentials are wrong or have expired"
    elif isinstance(error, ForbiddenError):
        message = (
            f"you may not {what} (403 from {where}); the ClusterRole {role} of lastgood's chart has"
            " that right"
        )
    elif isinstance(error, NotFoundError):
        message = f"{where} knows nothing of the kind (404): lastgood is not installed there"
    else:
        message = f"{where} refused to {what}: {error.status} {error.reason}"
    return CommandError(message)


def _unreachable(error: ApiError, what: str, where: str) -> str:
    if error.status:
        return f"{where} can't {what} now: {error.status} {error.reason}"
    why = _TROUBLE.get(error.reason, f"there is no connection ({error.reason})")
    return f"{where} can't be reached: {why}"


def _doubt(error: ApiError) -> str:
    """A write without an answer may have been done."""
    if error.method == "GET":
        return ""
    return "; whether the wish is recorded is not known, and asking again does no harm"

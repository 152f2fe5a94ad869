"""What the API server refused, as a sentence. Pure; never the server's own message, which may quote
an object.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from cli.exit_codes import CommandError, UnreachableError
from kube.errors import ForbiddenError, NotFoundError, TemporaryError

if TYPE_CHECKING:
    from kube.errors import ApiError

VIEW, EDIT, POLICIES = "lastgood-view", "lastgood-edit", "lastgood-view-policies"
"""ClusterRoles of the chart: what reads snapshots, what changes them, what reads policies."""

_TROUBLE = {
    "TimedOut": "the request timed out",
    "ClientConnectorDNSError": "the host name does not resolve",
    "ClientConnectorCertificateError": (
        "its certificate does not match the CA and server name of the kubeconfig"
    ),
    "ClientConnectorSSLError": "the TLS handshake failed",
    "SSLError": "the certificates in the kubeconfig cannot be used",
    "NoCredentialsError": "the token file cannot be read",
    "DisconnectedError": "it closed the connection",
    "ClientOSError": "it closed the connection",
    "ClientConnectorError": "the connection was refused or is blocked",
    "Malformed": "the answer is not from a Kubernetes API server",
}


def refused(error: ApiError, what: str, where: str, role: str = VIEW) -> CommandError:
    """`what` we tried, as in "you may not …"; `where` names server and context; `role` is the
    ClusterRole that has the right to it.
    """
    if isinstance(error, TemporaryError):
        return UnreachableError(_unreachable(error, what, where) + _doubt(error))
    if error.status == HTTPStatus.UNAUTHORIZED:
        message = f"{where} rejected your credentials (401). They are wrong or have expired"
    elif isinstance(error, ForbiddenError):
        message = (
            f"you may not {what} (403 from {where}). The ClusterRole {role} of lastgood's chart"
            " grants this"
        )
    elif isinstance(error, NotFoundError):
        message = f"cannot {what}: not found (404) on {where}. Is lastgood installed there?"
    else:
        message = f"{where} refused to {what}: {error.status} {error.reason}"
    return CommandError(message)


def _unreachable(error: ApiError, what: str, where: str) -> str:
    if error.status:
        return f"cannot {what} now: {where} answered {error.status} {error.reason}"
    why = _TROUBLE.get(error.reason, f"the connection failed ({error.reason})")
    return f"{where} cannot be reached: {why}"


def _doubt(error: ApiError) -> str:
    """A write without an answer may have been done."""
    if error.method == "GET":
        return ""
    return ". The change may or may not have been saved. It is safe to try again"

"""An account's role: STS gives credentials, which `providers.credentials` renews in time.
Decisions and what was rejected: docs/design/015.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from providers.aws.source.client import Keys
from providers.aws.source.errors import TROUBLE, failure
from providers.credentials import LEAST_S, in_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from providers.aws.source.client import StsClient
    from providers.credentials import Asked
    from providers.protocol import CallCounter, Failed

ASSUME = "AssumeRole"
DURATION_S = 3600.0
"""What STS gives unasked. A role that was itself assumed gets no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRequest:
    """What is asked of STS."""

    arn: str
    session: str
    """2 to 64 characters; the provider's own log names it with each call."""
    external_id: str | None = None
    """None: the role's trust policy asks for none."""


class AssumedRole:
    """Asks STS for a role's credentials, a later region when those before are unavailable."""

    operation = ASSUME
    trouble = "its role cannot be assumed"
    advice = {  # noqa: RUF012 - of the class, and never changed
        FetchFailure.DENIED: "The role must trust the controller's own identity (and its"
        " externalID), which must have the permission sts:AssumeRole on it",
        FetchFailure.THROTTLED: "STS limits the request rate. The call is retried",
        FetchFailure.UNAVAILABLE: "STS does not respond. The call is retried",
    }

    def __init__(
        self,
        clients: Sequence[StsClient],
        wanted: RoleRequest,
        *,
        observer: CallCounter | None = None,
    ) -> None:
        self._clients = tuple(clients)
        self._arguments = _arguments(wanted)
        self._observer = observer

    @property
    def most_calls(self) -> int:
        return len(self._clients)

    def ask(self) -> Asked[Keys]:
        return in_order([partial(self._ask, client) for client in self._clients])

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _ask(self, client: StsClient) -> tuple[Keys, float] | Failed:
        """Credentials and how long they last. No exception leaves: some hold the answer's body."""
        try:
            answer = client.assume_role(**self._arguments)
            found: tuple[Keys, float] | Failed = _keys(answer), _lasts_s(answer)
        except TROUBLE as error:
            found = failure(error)
        if self._observer is not None:
            self._observer(ASSUME, "ok" if isinstance(found, tuple) else found.code)
        return found


def _arguments(wanted: RoleRequest) -> dict[str, str]:
    given = {"RoleArn": wanted.arn, "RoleSessionName": wanted.session}
    return given if wanted.external_id is None else given | {"ExternalId": wanted.external_id}


def _keys(answer: Mapping[str, Any]) -> Keys:
    given = answer["Credentials"]
    return Keys(
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        token=given["SessionToken"],
    )


def _lasts_s(answer: Mapping[str, Any]) -> float:
    """Seconds, by the clock of who answers: ours may be another."""
    try:
        said = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        left_s = float((answer["Credentials"]["Expiration"] - said).total_seconds())
    except (KeyError, TypeError, ValueError, OverflowError):
        return DURATION_S
    return min(max(left_s, LEAST_S), DURATION_S)

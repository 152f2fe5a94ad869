"""The calls of one fetch to a service of AWS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from providers.aws.source.errors import TROUBLE, UNREADABLE, failure
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from providers.protocol import CallCounter

    Method = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one service answers with."""

    promised: Mapping[str, str]
    """By operation, a member that every answer has. botocore takes an answer that is cut off, or
    is no JSON, for an empty one."""
    absent: str
    """The one code by which this service says that there is no such secret. Another service's code
    for that comes from elsewhere, and proves nothing."""


@dataclass(slots=True, kw_only=True)
class Calls:
    """Makes calls, and counts them."""

    service: Service
    observer: CallCounter | None
    made: int = 0

    def make(
        self, operation: str, method: Method, arguments: Mapping[str, object]
    ) -> Mapping[str, Any] | Failed:
        """The answer, or what the error means."""
        self.made += 1
        answer = _call(method, arguments)
        if isinstance(answer, Failed):
            answer = own(self.service, answer)
        elif self.service.promised[operation] not in answer:
            answer = UNREADABLE
        if self.observer is not None:
            self.observer(operation, answer.code if isinstance(answer, Failed) else "ok")
        return answer


def own(service: Service, failed: Failed) -> Failed:
    """The failure, where it says absent only if the service itself would say so."""
    if failed.reason is FetchFailure.ABSENT and failed.code != service.absent:
        return replace(failed, reason=FetchFailure.INVALID)
    return failed


def _call(method: Method, arguments: Mapping[str, object]) -> Mapping[str, Any] | Failed:
    """Ends the exception here: some hold the answer's body, and nothing of ours runs beside it."""
    try:
        return method(**arguments)
    except TROUBLE as error:
        return failure(error)

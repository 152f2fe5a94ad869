"""What the sources of AWS answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from contract.reference import ReferenceRejected
from providers.aws.source.errors import EXPIRED
from providers.protocol import Alone, Failed
from providers.references import canonicalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.protocol import FetchRequest

NOT_CANONICAL = Failed(reason=FetchFailure.INVALID, code="ReferenceRejected")
NAME_MISMATCH = Failed(reason=FetchFailure.INVALID, code="NameMismatch")
VERSION_NOT_FOUND = Failed(reason=FetchFailure.INVALID, code="VersionNotFound")
LAGGING = Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")
"""The answer does not know the stored version, so it may be older."""

_WHOLE = (FetchFailure.THROTTLED, FetchFailure.UNAVAILABLE)
"""Reasons of a whole batch that would meet each of its items alone too."""


def is_canonical(scheme: str, request: FetchRequest) -> bool:
    """Whether the reference may go on the wire as it is: no ARN, nothing of another account."""
    try:
        canonicalise(scheme, request.reference)
    except ReferenceRejected:
        return False
    return True


def is_checkable(request: FetchRequest) -> bool:
    """Whether a change check can answer it."""
    return request.known_version is not None and request.version is None


def is_unavailable(result: object) -> bool:
    """Whether another region may be asked."""
    return isinstance(result, Failed) and result.reason is FetchFailure.UNAVAILABLE


def of_whole_batch(failed: Failed) -> Failed | Alone:
    """What a batch that failed says of each of its items."""
    return failed if failed.reason in _WHOLE or failed.code in EXPIRED else Alone()


def objects(answer: Mapping[str, Any], member: str) -> list[Mapping[str, Any]]:
    """The objects of a list in an answer, which may be of any shape."""
    items = answer.get(member)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

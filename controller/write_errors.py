"""Why a snapshot could not be written, as its status says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import Found
from kube.access_review import may
from kube.errors import ForbiddenError, InvalidError

if TYPE_CHECKING:
    from kube.api import Api
    from kube.errors import ApiError


async def why_not(api: Api, namespace: str, error: ApiError, *, of_record: bool) -> Found:
    """`of_record`: the controller's own record was refused, not the Secret in `namespace`.
    ApiError: that can't be told.
    """
    if of_record:
        return Found.RECORD_NOT_WRITTEN
    if isinstance(error, ForbiddenError):
        allowed = await may(api, "update", "secrets", namespace)
        return Found.WRITE_REFUSED if allowed else Found.NO_RIGHTS
    if isinstance(error, InvalidError):
        return Found.WRITE_REFUSED
    return Found.WRITE_FAILED


def is_lasting(found: Found) -> bool:
    """Whether it is told of at once; others may be a moment's trouble."""
    return found in {Found.WRITE_REFUSED, Found.NO_RIGHTS}

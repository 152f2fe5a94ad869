"""What sources may read of the cluster: Secrets that their namespace grants, one by one, and a copy
of ExternalSecrets (docs/design/028).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as LateError
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from controller.selfcheck import ELSEWHERE
from controller.times import seconds
from kube.api_resources import SECRETS
from kube.errors import (
    ApiError,
    ForbiddenError,
    NotFoundError,
    ThrottledError,
    TooLargeError,
)
from providers.cluster import SecretObject
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kube.api import Api, Json
    from providers.cluster import ExternalSecret
    from workqueue.clock import Clock

    Keepers = tuple[ExternalSecret, ...] | None

READ_S = 11.0
"""A little longer than a request may take."""
MARKS = "reconcile.external-secrets.io/"
"""Begins the labels and annotations that External Secrets Operator puts on what it keeps."""
GROUP = "external-secrets.io/"

OWN_NAMESPACE = Failed(reason=FetchFailure.DENIED, code="OwnNamespace")
"""There the controller may read every Secret, so no Role of the namespace decides."""
SHARED_NAMESPACE = Failed(reason=FetchFailure.DENIED, code="SharedNamespace")
"""The controller does not start with a right to read Secrets there."""
ANOTHER = Failed(reason=FetchFailure.INVALID, code="AnotherSecret")
MALFORMED = Failed(reason=FetchFailure.UNAVAILABLE, code="Malformed")
TIMED_OUT = Failed(reason=FetchFailure.UNAVAILABLE, code="TimedOut")


class ClusterSecrets:
    """For threads: the requests are made in the loop that made this object."""

    def __init__(
        self, api: Api, keepers: Callable[..., Keepers], *, namespace: str, clock: Clock
    ) -> None:
        """`keepers(namespace, secret)` gives the ExternalSecrets of a Secret. `namespace` is the
        controller's own, of which nothing is read.
        """
        self._api = api
        self._keepers = keepers
        self._own = namespace
        self._clock = clock
        self._loop = asyncio.get_running_loop()

    def secret(self, namespace: str, name: str) -> SecretObject | Failed:
        if namespace == self._own:
            return OWN_NAMESPACE
        if namespace in ELSEWHERE:
            return SHARED_NAMESPACE
        asked = asyncio.run_coroutine_threadsafe(self._read(namespace, name), self._loop)
        try:
            return asked.result(READ_S)
        except (LateError, CancelledError):
            asked.cancel()
            return TIMED_OUT

    def external_secrets(self, namespace: str, name: str) -> Keepers:
        return self._keepers(namespace, name)

    async def _read(self, namespace: str, name: str) -> SecretObject | Failed:
        asked_at = self._clock.now()
        try:
            found = await self._api.get(SECRETS.path(namespace, name))
        except ApiError as error:
            return failed(error)
        return secret_of(found, namespace, name, asked_at)


def failed(error: ApiError) -> Failed:
    """A refusal of the API server. Its own have a reason, unlike a page of a proxy."""
    if isinstance(error, NotFoundError) and error.reason == "NotFound":
        return Failed(reason=FetchFailure.ABSENT, code="NotFound")
    if isinstance(error, ForbiddenError) and error.reason == "Forbidden":
        return Failed(reason=FetchFailure.DENIED, code="Forbidden")
    if isinstance(error, TooLargeError):
        return Failed(reason=FetchFailure.TOO_LARGE, code=error.reason)
    if isinstance(error, ThrottledError):
        return Failed(reason=FetchFailure.THROTTLED, code=error.reason, delay_s=error.delay_s)
    return Failed(reason=FetchFailure.UNAVAILABLE, code=error.reason, delay_s=error.delay_s)


def secret_of(found: Json, namespace: str, name: str, asked_at: float) -> SecretObject | Failed:
    """What is kept of a Secret that the API server answered with."""
    metadata = _object(found, "metadata")
    named = metadata.get("namespace"), metadata.get("name")
    if named != (namespace, name):
        return MALFORMED if None in named else ANOTHER
    try:
        data = {
            str(key): SecretBytes(base64.b64decode(value, validate=True))
            for key, value in _object(found, "data").items()
        }
    except (binascii.Error, TypeError, ValueError):
        return MALFORMED
    return SecretObject(
        kind=str(found.get("type")),
        data=data,
        read_at=asked_at,
        created_at=min(asked_at, seconds(metadata.get("creationTimestamp")) or 0.0),
        written_at=min(asked_at, max(_written(metadata), default=0.0)),
        managed=_is_managed(metadata),
    )


def _written(metadata: Mapping[str, Any]) -> Iterator[float]:
    """When the Secret was made, and when each writer of its data last changed what it owns: data,
    or an annotation.
    """
    fields = metadata.get("managedFields")
    times = [
        metadata.get("creationTimestamp"),
        *(
            item.get("time")
            for item in (fields if isinstance(fields, list) else ())
            if isinstance(item, dict) and "f:data" in _object(item, "fieldsV1")
        ),
    ]
    for time in times:
        at = seconds(time)
        if at is not None:
            yield at


def _is_managed(metadata: Mapping[str, Any]) -> bool:
    owners = metadata.get("ownerReferences")
    keys = (*_object(metadata, "labels"), *_object(metadata, "annotations"))
    return any(str(key).startswith(MARKS) for key in keys) or any(
        isinstance(owner, dict)
        and owner.get("kind") == "ExternalSecret"
        and str(owner.get("apiVersion")).startswith(GROUP)
        for owner in (owners if isinstance(owners, list) else ())
    )


def _object(parent: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    value = parent.get(member)
    return value if isinstance(value, dict) else {}

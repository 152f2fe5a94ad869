"""AWS Secrets Manager, `aws-sm`.

IAM: GetSecretValue; better with DescribeSecret and BatchGetSecretValue. Blocks for at most connect
plus read time-out per call (`Access`); DNS, and an answer that drips in, are not bounded by them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.aws.source.calls import Calls, Service, own
from providers.aws.source.errors import TROUBLE, UNREADABLE, item_failure
from providers.aws.source.results import (
    LAGGING,
    NAME_MISMATCH,
    NOT_CANONICAL,
    is_canonical,
    is_checkable,
    is_unavailable,
    objects,
    of_whole_batch,
)
from providers.protocol import Alone, Failed, Fetched, Material, NotModified

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from providers.aws.source.client import SecretsManagerClient
    from providers.protocol import CallCounter, FetchRequest, FetchResult

PROVIDER = "aws-sm"
CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"

GET = "GetSecretValue"
DESCRIBE = "DescribeSecret"
BATCH = "BatchGetSecretValue"

SERVICE = Service(
    promised={GET: "VersionId", DESCRIBE: "Name", BATCH: "SecretValues"},
    absent="ResourceNotFoundException",
)

_MARK = re.compile("[A-Za-z0-9]{1,32}")
"""AWS has six."""


class AwsSecretsManager:
    """One account under one identity.

    A later region is asked only when the preferred one is unavailable, and it may confirm a value
    or move it forward. What it refuses or lacks proves nothing (a secret need not be replicated),
    and it may lag behind: it never takes a newer version back.

    No memory of refused batches: an account that may not batch costs one call more per 20 secrets,
    and a permission given later is seen at once.
    """

    batch_limit = 20
    """BatchGetSecretValue takes that many."""

    def __init__(
        self, clients: Sequence[SecretsManagerClient], *, observer: CallCounter | None = None
    ) -> None:
        self._clients = tuple(clients)
        self._observer = observer

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        """One batch, or for a single one a change check and the value; in each region."""
        if len(requests) > 1:
            each = 1 if any(request.version is None for request in requests) else 0
        else:
            each = 2 if is_checkable(requests[0]) else 1
        return each * len(self._clients)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        calls = _SecretsManagerCalls(service=SERVICE, observer=self._observer)
        results = (
            [self._one(requests[0], calls)] if len(requests) == 1 else self._many(requests, calls)
        )
        return Fetched(results=tuple(results), calls=calls.made)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _one(self, request: FetchRequest, calls: _SecretsManagerCalls) -> FetchResult:
        if not is_canonical(PROVIDER, request):
            return NOT_CANONICAL
        preferred = _ask(self._clients[0], request, calls)
        if not is_unavailable(preferred):
            return preferred
        for client in self._clients[1:]:
            result = _ask(client, request, calls, forward_only=True)
            if not isinstance(result, Failed):
                return result
        return preferred

    def _many(
        self, requests: Sequence[FetchRequest], calls: _SecretsManagerCalls
    ) -> list[FetchResult]:
        """Pinned versions are asked for alone: a batch gives current ones only."""
        names = dict.fromkeys(
            request.reference
            for request in requests
            if request.version is None and is_canonical(PROVIDER, request)
        )
        if not names:
            return [Alone() for _ in requests]
        preferred = calls.ask(self._clients[0], BATCH, SecretIdList=list(names))
        if not is_unavailable(preferred):
            return [_of_batch(preferred, request) for request in requests]
        for client in self._clients[1:]:
            answer = calls.ask(client, BATCH, SecretIdList=list(names))
            if not isinstance(answer, Failed):
                return [_moved_forward(_of_batch(answer, request), request) for request in requests]
        return [_of_batch(preferred, request) for request in requests]


class _SecretsManagerCalls(Calls):
    """By operation."""

    def ask(
        self, client: SecretsManagerClient, operation: str, **arguments: object
    ) -> Mapping[str, Any] | Failed:
        methods = {
            GET: client.get_secret_value,
            DESCRIBE: client.describe_secret,
            BATCH: client.batch_get_secret_value,
        }
        return self.make(operation, methods[operation], arguments)


def _ask(
    client: SecretsManagerClient,
    request: FetchRequest,
    calls: _SecretsManagerCalls,
    *,
    forward_only: bool = False,
) -> FetchResult:
    """One secret from one region. The change check decrypts nothing and returns no value; where
    only it is denied, the value is asked for.
    """
    if is_checkable(request):
        described = calls.ask(client, DESCRIBE, SecretId=request.reference)
        if not isinstance(described, Failed):
            unchanged = _unchanged(described, request, forward_only=forward_only)
            if unchanged is not None:
                return unchanged
        elif described.reason is not FetchFailure.DENIED or forward_only:
            return described
    pin = request.version
    wanted = {"VersionStage": CURRENT} if pin is None else {"VersionId": pin}
    answer = calls.ask(client, GET, SecretId=request.reference, **wanted)
    if isinstance(answer, Failed):
        return answer if pin is None else _of_version(answer)
    return _readable(answer, request)


def _unchanged(
    described: Mapping[str, Any], request: FetchRequest, *, forward_only: bool
) -> FetchResult | None:
    """What DescribeSecret decides alone; None: the current version is another, so fetch it."""
    stages = described.get("VersionIdsToStages") or {}
    if described["Name"] != request.reference:
        return NAME_MISMATCH
    if described.get("DeletedDate") is not None:
        return Failed(reason=FetchFailure.INVALID, code="MarkedForDeletion")
    current = [version for version, labels in stages.items() if CURRENT in (labels or ())]
    if not current:
        return Failed(reason=FetchFailure.EMPTY, code="NoCurrentVersion")
    mark, known = _incarnation(described), request.known_incarnation
    if (current[0], mark) == (request.known_version, known):
        return NotModified(version=current[0], incarnation=mark)
    # Another region's secret is older, or newer by two; or it is another incarnation, and nothing
    # says which of the two is newer.
    lags = request.known_version not in stages or (known is not None and mark != known)
    return LAGGING if forward_only and lags else None


def _of_batch(answer: Mapping[str, Any] | Failed, request: FetchRequest) -> FetchResult:
    """What a batch says of one request; Alone where it says nothing."""
    if request.version is not None or not is_canonical(PROVIDER, request):
        return Alone()
    if isinstance(answer, Failed):
        return of_whole_batch(answer)
    for item in objects(answer, "SecretValues"):
        if item.get("Name") == request.reference:
            return _readable(item, request)
    for item in objects(answer, "Errors"):
        if item.get("SecretId") == request.reference:
            return own(SERVICE, item_failure(item.get("ErrorCode")))
    return Alone()


def _moved_forward(result: FetchResult, request: FetchRequest) -> FetchResult:
    """A later region's result, as far as it proves something; else ask alone."""
    new = isinstance(result, Material) and request.known_version is None
    return result if new or isinstance(result, NotModified) else Alone()


def _readable(answer: Mapping[str, Any], request: FetchRequest) -> FetchResult:
    """The value of GetSecretValue or of one item of a batch. Empty is for the engine to reject."""
    try:
        return _material(answer, request)
    except TROUBLE:
        return UNREADABLE


def _material(answer: Mapping[str, Any], request: FetchRequest) -> FetchResult:
    version, stages = answer["VersionId"], tuple(answer["VersionStages"])
    if answer["Name"] != request.reference:
        return NAME_MISMATCH
    if request.version is not None and version != request.version:
        return Failed(reason=FetchFailure.INVALID, code="VersionMismatch")
    if request.version is None and CURRENT not in stages:
        return Failed(reason=FetchFailure.INVALID, code="NotCurrent")
    if PENDING in stages and not {CURRENT, PREVIOUS} & set(stages):
        return Failed(reason=FetchFailure.INVALID, code="PendingVersion")
    mark = _incarnation(answer)
    if (version, mark) == (request.known_version, request.known_incarnation):
        return NotModified(version=version, incarnation=mark)
    text = answer.get("SecretString")
    value = text.encode() if text is not None else answer.get("SecretBinary", b"")
    return Material(version=version, value=SecretBytes(value), stages=stages, incarnation=mark)


def _incarnation(answer: Mapping[str, Any]) -> str | None:
    """The random characters that end the secret's ARN: another secret of its name, made after it
    was deleted, has others. Its replicas in other regions have the same. None: it has none.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    """
    arn, name = answer.get("ARN"), answer.get("Name")
    if not isinstance(arn, str) or not isinstance(name, str):
        return None
    _, found, mark = arn.rpartition(f":secret:{name}-")
    return mark if found and _MARK.fullmatch(mark) else None


def _of_version(failed: Failed) -> Failed:
    """A version that is gone is no absence of the secret."""
    if failed.reason is FetchFailure.ABSENT:
        return Failed(reason=FetchFailure.INVALID, code="VersionNotFound", delay_s=failed.delay_s)
    return failed

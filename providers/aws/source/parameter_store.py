"""AWS Systems Manager Parameter Store, `aws-ssm`.

IAM: GetParameter and GetParameters; kms:Decrypt for SecureString under a customer key. Blocks for
at most connect plus read time-out per call (`Access`), as `secrets_manager`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.aws.source.calls import Calls, Service
from providers.aws.source.errors import TROUBLE, UNREADABLE
from providers.aws.source.results import (
    LAGGING,
    NAME_MISMATCH,
    NOT_CANONICAL,
    VERSION_NOT_FOUND,
    is_canonical,
    is_checkable,
    is_unavailable,
    objects,
    of_whole_batch,
)
from providers.protocol import Alone, Failed, Fetched, Material, NotModified

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from providers.aws.source.client import SsmClient
    from providers.protocol import CallCounter, FetchRequest, FetchResult

PROVIDER = "aws-ssm"
GET = "GetParameter"
GET_MANY = "GetParameters"
SERVICE = Service(
    promised={GET: "Parameter", GET_MANY: "Parameters"},
    absent="ParameterNotFound",
)

SECURE = "SecureString"
PLAIN = frozenset({"String", "StringList"})
"""Types whose value is in every answer. That of SECURE is ciphertext where none was asked to be
decrypted."""
_VERSION = re.compile("[1-9][0-9]{0,18}")
"""Anything else after a colon would be a label, which moves between versions."""
_PLACE = re.compile(r"arn:aws[a-z-]*:ssm:([a-z0-9-]{1,25}):([0-9]{12}):parameter/.*", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

UNKNOWN_TYPE = Failed(reason=FetchFailure.INVALID, code="UnknownType")
VERSION_MISMATCH = Failed(reason=FetchFailure.INVALID, code="VersionMismatch")


class AwsParameterStore:
    """One account under one identity.

    A change check reads up to ten parameters and decrypts none, so no key can fail it. What has
    changed and is a SecureString is read again with decryption. KMS fails such a call as a whole:
    then each is asked for alone.

    Regions do not replicate parameters. Only the first one is asked, unless all are `mirrors` of
    it. A mirror has versions and dates of its own: it gives what is not held yet, and confirms what
    it gave itself. It never replaces a value, and what it refuses or lacks proves nothing.
    """

    batch_limit = 10
    """GetParameters takes that many."""

    def __init__(
        self,
        clients: Sequence[SsmClient],
        *,
        mirrors: bool = False,
        observer: CallCounter | None = None,
    ) -> None:
        self._clients = tuple(clients)
        self._asked = self._clients if mirrors else self._clients[:1]
        self._observer = observer

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        """A change check and a read with decryption, and one call to each mirror. A pinned version
        is one call, and none in a batch.
        """
        if all(request.version is not None for request in requests):
            return 1 if len(requests) == 1 else 0
        both = len(requests) > 1 or is_checkable(requests[0])
        return (2 if both else 1) + len(self._asked) - 1

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        calls = _ParameterStoreCalls(service=SERVICE, observer=self._observer)
        results = (
            [self._one(requests[0], calls)] if len(requests) == 1 else self._many(requests, calls)
        )
        return Fetched(results=tuple(results), calls=calls.made)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _one(self, request: FetchRequest, calls: _ParameterStoreCalls) -> FetchResult:
        if not is_canonical(PROVIDER, request):
            return NOT_CANONICAL
        if request.version is not None:
            return _pinned(self._clients[0], request, request.version, calls)
        preferred = _ask(self._clients[0], request, calls)
        if is_unavailable(preferred):
            for client in self._asked[1:]:
                result = _of_mirror(client, request, calls)
                if isinstance(result, Material | NotModified):
                    return result
        return preferred

    def _many(
        self, requests: Sequence[FetchRequest], calls: _ParameterStoreCalls
    ) -> Sequence[FetchResult]:
        """Pinned versions are asked for alone: their answers have the name without the version."""
        fits = [it.version is None and is_canonical(PROVIDER, it) for it in requests]
        asked = [it for it, fit in zip(requests, fits, strict=True) if fit]
        found = iter(self._batch(asked, calls) if asked else ())
        return [next(found) if fit else Alone() for fit in fits]

    def _batch(
        self, asked: Sequence[FetchRequest], calls: _ParameterStoreCalls
    ) -> list[FetchResult]:
        preferred = _checked(self._clients[0], asked, calls)
        if not isinstance(preferred, Failed):
            return preferred
        if is_unavailable(preferred):
            for client in self._asked[1:]:
                found = _checked(client, asked, calls, mirror=True)
                if not isinstance(found, Failed):
                    return [preferred if isinstance(it, Failed) else it for it in found]
        return [of_whole_batch(preferred) for _ in asked]


@dataclass(slots=True, kw_only=True)
class _ParameterStoreCalls(Calls):
    """By operation."""

    def one(self, client: SsmClient, name: str, *, decrypt: bool) -> Mapping[str, Any] | Failed:
        return self.make(GET, client.get_parameter, {"Name": name, "WithDecryption": decrypt})

    def many(
        self, client: SsmClient, names: Iterable[str], *, decrypt: bool
    ) -> Mapping[str, Any] | Failed:
        arguments = {"Names": list(dict.fromkeys(names)), "WithDecryption": decrypt}
        return self.make(GET_MANY, client.get_parameters, arguments)


def _pinned(
    client: SsmClient, request: FetchRequest, pin: str, calls: _ParameterStoreCalls
) -> FetchResult:
    """A version by its number; one that is gone is no absence of the parameter."""
    if not _VERSION.fullmatch(pin):
        return VERSION_NOT_FOUND
    answer = calls.one(client, f"{request.reference}:{pin}", decrypt=True)
    if not isinstance(answer, Failed):
        return _read(answer["Parameter"], request, decrypted=True) or UNREADABLE
    gone = answer.reason is FetchFailure.ABSENT or answer.code == "ParameterVersionNotFound"
    return VERSION_NOT_FOUND if gone else answer


def _ask(client: SsmClient, request: FetchRequest, calls: _ParameterStoreCalls) -> FetchResult:
    """One parameter. A change check comes first: it decrypts nothing."""
    if is_checkable(request):
        answer = calls.one(client, request.reference, decrypt=False)
        if isinstance(answer, Failed):
            return answer
        found = _read(answer["Parameter"], request, decrypted=False)
        if found is not None:
            return found
    answer = calls.one(client, request.reference, decrypt=True)
    if isinstance(answer, Failed):
        return answer
    return _read(answer["Parameter"], request, decrypted=True) or UNREADABLE


def _of_mirror(
    client: SsmClient, request: FetchRequest, calls: _ParameterStoreCalls
) -> FetchResult:
    """One parameter from a later region: a known version can only be confirmed."""
    is_known = request.known_version is not None
    answer = calls.one(client, request.reference, decrypt=not is_known)
    if isinstance(answer, Failed):
        return answer
    found = _read(answer["Parameter"], request, decrypted=not is_known)
    return found if found is not None and _proven(found, request) else LAGGING


def _checked(
    client: SsmClient,
    asked: Sequence[FetchRequest],
    calls: _ParameterStoreCalls,
    *,
    mirror: bool = False,
) -> list[FetchResult] | Failed:
    """What one region says of each; Failed: the change check failed as a whole."""
    answer = calls.many(client, (request.reference for request in asked), decrypt=False)
    if isinstance(answer, Failed):
        return answer
    plain = _by_name(answer)
    found = [_of_batch(plain, request, decrypted=False) for request in asked]
    if mirror:
        found = [
            it if _proven(it, request) else LAGGING
            for it, request in zip(found, asked, strict=True)
        ]
    secure = [request for it, request in zip(found, asked, strict=True) if it is None]
    opened = iter(_decrypted(client, secure, calls) if secure else ())
    return [next(opened) if it is None else it for it in found]


def _decrypted(
    client: SsmClient, secure: Sequence[FetchRequest], calls: _ParameterStoreCalls
) -> list[FetchResult]:
    """The values of SecureStrings. A refusal is of all of them, so it says nothing of any of
    several.
    """
    names = {request.reference for request in secure}
    answer = calls.many(client, (request.reference for request in secure), decrypt=True)
    if isinstance(answer, Failed):
        one = answer if len(names) == 1 else of_whole_batch(answer)
        return [one for _ in secure]
    opened = _by_name(answer)
    return [_of_batch(opened, request, decrypted=True) or UNREADABLE for request in secure]


def _proven(found: FetchResult | None, request: FetchRequest) -> bool:
    """Whether a mirror's word counts. None: a SecureString, which is still to be decrypted."""
    if request.known_version is not None:
        return isinstance(found, NotModified)
    return not isinstance(found, Failed | Alone)


def _by_name(answer: Mapping[str, Any]) -> dict[object, Mapping[str, Any]]:
    """The parameters of a batch, which come in no order. Those that it lacks may be absent,
    misspelled or unreadable: it does not say.
    """
    return {str(item.get("Name")): item for item in objects(answer, "Parameters")}


def _of_batch(
    items: Mapping[object, Mapping[str, Any]], request: FetchRequest, *, decrypted: bool
) -> FetchResult | None:
    item = items.get(request.reference)
    return Alone() if item is None else _read(item, request, decrypted=decrypted)


def _read(parameter: object, request: FetchRequest, *, decrypted: bool) -> FetchResult | None:
    """What one parameter of an answer says; None: it is to be read again with decryption."""
    try:
        return _judged(parameter, request, decrypted=decrypted)
    except TROUBLE:
        return UNREADABLE


def _judged(parameter: Any, request: FetchRequest, *, decrypted: bool) -> FetchResult | None:  # noqa: ANN401 - of any shape
    number, kind = parameter["Version"], parameter["Type"]
    if parameter["Name"] != request.reference:
        return NAME_MISMATCH
    if type(number) is not int or number < 1:
        return UNREADABLE
    version, mark = str(number), incarnation(parameter)
    if request.version is not None and version != request.version:
        return VERSION_MISMATCH
    if (version, mark) == (request.known_version, request.known_incarnation):
        return NotModified(version=version, incarnation=mark)
    if request.version is None and _is_older(number, mark, request):
        return LAGGING
    if kind not in PLAIN and kind != SECURE:
        return UNKNOWN_TYPE
    if kind == SECURE and not decrypted:
        return None
    return Material(
        version=version, value=SecretBytes(parameter["Value"].encode()), incarnation=mark
    )


def incarnation(parameter: Mapping[str, Any]) -> str | None:
    """Where the version was written, and when, in milliseconds since the epoch: `eu-west-1/
    111122223333/1764180000123`. Numbers start at 1 again in a parameter that was deleted and
    created again, and in another region. None: the answer has no date.
    """
    date, arn = parameter.get("LastModifiedDate"), parameter.get("ARN")
    if not isinstance(date, datetime):
        return None
    at_ms = round((date - _EPOCH) / timedelta(milliseconds=1))
    place = _PLACE.fullmatch(arn) if isinstance(arn, str) else None
    return str(at_ms) if place is None else f"{place[1]}/{place[2]}/{at_ms}"


def _is_older(number: int, mark: str | None, request: FetchRequest) -> bool:
    """Whether the answer is one from before the known version, of the same place: a lower
    number with an earlier date. A parameter that was made again has a later date, and a rollback at
    the provider is a new version.
    """
    known, incarnation = request.known_version or "", request.known_incarnation or ""
    place, _, at_ms = (mark or "").rpartition("/")
    known_place, _, known_ms = incarnation.rpartition("/")
    if not place or place != known_place or not (known.isdecimal() and known_ms.isdecimal()):
        return False
    return number < int(known) and int(at_ms) < int(known_ms)

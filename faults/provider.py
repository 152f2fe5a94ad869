"""A provider of secrets whose writes and answers are recorded, with what can go wrong at one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from controller.accounts import Accounts
from faults.history import Answered, Called, Wrote
from providers.protocol import Failed, Fetched, Material, NotModified

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faults.history import History
    from providers.protocol import FetchRequest, FetchResult, Source

MEMBERS = ("user", "password")
TIMEOUT_S = 10.0
SLOW_S = 8.0
USUAL_S = 0.05

FAILURES = {
    "black-hole": Failed(reason=FetchFailure.UNAVAILABLE, code="ConnectTimeout"),
    "error": Failed(reason=FetchFailure.UNAVAILABLE, code="InternalServiceError"),
    "reset": Failed(reason=FetchFailure.UNAVAILABLE, code="ConnectionReset"),
    "denied": Failed(reason=FetchFailure.DENIED, code="AccessDeniedException"),
    "throttled": Failed(reason=FetchFailure.THROTTLED, code="ThrottlingException", delay_s=5.0),
    "truncated": Failed(reason=FetchFailure.UNAVAILABLE, code="IncompleteRead"),
    "wrong-name": Failed(reason=FetchFailure.UNAVAILABLE, code="WrongSecret"),
    "absent": Failed(reason=FetchFailure.ABSENT, code="ResourceNotFoundException"),
}
"""Of these kinds the answer is no value."""
SPOILED = {"malformed": b"{not json", "empty": b""}
"""Of these the answer is a new version whose bytes are no good."""
KINDS = (*FAILURES, *SPOILED, "slow", "backwards", "recreated")
"""What may go wrong. `backwards`: a replica that lags gives the version before. `recreated`: the
secret is deleted and made again.
"""


def value_of(secret: str, version: str) -> bytes:
    """The bytes say which version they are of, each member for itself."""
    return json.dumps({member: f"{secret}@{version}@{member}" for member in MEMBERS}).encode()


class Secret:
    """One secret: its versions, oldest first."""

    def __init__(self) -> None:
        self.versions: list[str] = []
        self.incarnation = 1


class SimulatedProvider:
    """One account's secrets. Every method is called in the simulation's loop."""

    def __init__(self, history: History, monotonic: Callable[[], float]) -> None:
        self._history = history
        self._monotonic = monotonic
        self._secrets: dict[str, Secret] = {}
        self._faults: dict[str, list[str]] = {}
        """By secret the kinds in force, the newest last; "" is for all."""

    def write(self, secret: str) -> str:
        """A new version becomes the current one."""
        known = self._secrets.setdefault(secret, Secret())
        version = f"i{known.incarnation}-v{len(known.versions) + 1}"
        known.versions.append(version)
        self._history.add(Wrote, secret=secret, version=version)
        return version

    def recreate(self, secret: str) -> None:
        """Deleted and made again: versions of before are gone."""
        self._secrets[secret].incarnation += 1
        self._secrets[secret].versions = []
        self.write(secret)

    def begin(self, kind: str, secret: str) -> None:
        """From now on answers about `secret`, "" for all, have this fault."""
        self._faults.setdefault(secret, []).append(kind)

    def end(self, kind: str, secret: str) -> None:
        """No more."""
        self._faults[secret].remove(kind)

    def latency_s(self) -> float:
        """How long an answer takes now."""
        kinds = {kind for found in self._faults.values() for kind in found}
        if "black-hole" in kinds:
            return TIMEOUT_S
        return SLOW_S if "slow" in kinds else USUAL_S

    def answer(self, request: FetchRequest) -> FetchResult:
        """What it says of one secret."""
        kind = self._fault(request.reference)
        if kind in FAILURES:
            return FAILURES[kind]
        known = self._secrets.get(request.reference)
        if known is None:
            return FAILURES["absent"]
        if request.version is not None:
            if request.version not in known.versions:
                return Failed(reason=FetchFailure.INVALID, code="VersionNotFound")
            return self._material(request.reference, known, request.version)
        current = known.versions[-1]
        if kind in SPOILED:
            value = SecretBytes(SPOILED[kind])
            mark, version = f"i{known.incarnation}", f"{current}-{kind}"
            self._history.add(Answered, secret=request.reference, version=version)
            return Material(version=version, value=value, incarnation=mark)
        if kind == "backwards" and len(known.versions) > 1:
            before = known.versions[-2]
            self._history.add(Answered, secret=request.reference, version=before)
            return self._material(request.reference, known, before)
        self._history.add(Answered, secret=request.reference, version=current)
        mark = f"i{known.incarnation}"
        if (request.known_version, request.known_incarnation) == (current, mark):
            return NotModified(version=current, incarnation=mark)
        return self._material(request.reference, known, current)

    def called(self, account: str, by: str, calls: int) -> None:
        """Calls were made."""
        self._history.add(Called, account=account, by=by, calls=calls)

    def _material(self, secret: str, known: Secret, version: str) -> Material:
        value = SecretBytes(value_of(secret, version))
        return Material(version=version, value=value, incarnation=f"i{known.incarnation}")

    def _fault(self, secret: str) -> str | None:
        found = [*self._faults.get("", ()), *self._faults.get(secret, ())]
        return found[-1] if found else None


class SimulatedSource:
    """`providers.protocol.Source` of one account."""

    batch_limit = 20

    def __init__(self, provider: SimulatedProvider, account: str, by: str) -> None:
        """`by`: the process that asks."""
        self._provider = provider
        self._by = by
        self._account = account

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return len(requests)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        self._provider.called(self._account, self._by, len(requests))
        results = tuple(self._provider.answer(request) for request in requests)
        return Fetched(results=results, calls=len(requests))

    def close(self) -> None:
        """Nothing is open."""


def accounts_of(provider: SimulatedProvider, by: str) -> type[Accounts]:
    """The controller's accounts, whose sources ask `provider`."""

    class SimulatedAccounts(Accounts):
        def source(self, account: str, identity: str, provider_name: str) -> Source:
            del identity, provider_name
            return SimulatedSource(provider, account, by)

    return SimulatedAccounts

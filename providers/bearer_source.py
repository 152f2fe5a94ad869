"""What the sources have in common that get one secret per call with a bearer token."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from contract.reasons import FetchFailure
from contract.reference import ReferenceRejected
from providers.protocol import Failed, Fetched
from providers.references import canonicalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from providers.http import Answer, Http
    from providers.library_login import BearerToken
    from providers.protocol import CallCounter, FetchRequest, FetchResult

T = TypeVar("T")
NOT_CANONICAL = Failed(reason=FetchFailure.INVALID, code="ReferenceRejected")
NAME_MISMATCH = Failed(reason=FetchFailure.INVALID, code="NameMismatch")
LAGGING = Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")


class BearerSource:
    """One call per secret, and a second one where a version that came before must be looked at."""

    batch_limit = 1

    def __init__(
        self,
        http: Http,
        scheme: str,
        *,
        token: Callable[[], BearerToken],
        observer: CallCounter | None,
    ) -> None:
        self._http = http
        self._scheme = scheme
        self._token = token
        self._observer = observer

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        [request] = requests
        return 2 if request.version is None and request.known_version is not None else 1

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        [request] = requests
        try:
            canonicalise(self._scheme, request.reference)
        except ReferenceRejected:
            return Fetched(results=(NOT_CANONICAL,), calls=0)
        result, calls = self.one(request)
        return Fetched(results=(result,), calls=calls)

    def one(self, request: FetchRequest) -> tuple[FetchResult, int]:
        """The result for a canonical reference, and how many calls it took."""
        raise NotImplementedError

    def close(self) -> None:
        self._http.close()

    def get(self, operation: str, url: str, read: Callable[[Answer], T | Failed]) -> T | Failed:
        """One call, which is counted. `read` takes the answer apart."""
        headers = {"Authorization": f"Bearer {self._token().text}", "Accept": "application/json"}
        answer = self._http.ask("GET", url, headers=headers)
        found = answer if isinstance(answer, Failed) else read(answer)
        if self._observer is not None:
            self._observer(operation, found.code if isinstance(found, Failed) else "ok")
        return found

"""Credentials that a source gets by a login: held in memory only, renewed before they end, asked
for by one thread at a time. Decisions and what was rejected: docs/design/015.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from contract.reasons import FetchFailure
from providers.protocol import (
    Again,
    Failed,
    Fetched,
    LoginState,
    Material,
    NotModified,
    Unversioned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from providers.protocol import FetchRequest, FetchResult, Source

LEAST_S = 60.0
"""Shorter credentials are used for so long all the same: a renewal per call helps nobody."""
RENEW_SHARE = 0.75
"""Renewed after this part of their time; what is left is for trying again."""
AGAIN_S = 5.0
"""The pause after a renewal that failed: as long as the breaker's, which may be closed."""
DOUBT_S = 300.0
"""A denial under older credentials has them renewed: an admin may have ended their session."""

_STANDING = frozenset({FetchFailure.DENIED, FetchFailure.THROTTLED, FetchFailure.UNAVAILABLE})
"""What a login can fail with. All else is a denial: of the secret it says nothing."""
_NEVER = Failed(reason=FetchFailure.UNAVAILABLE, code="NoLogin")
"""Of credentials that were never asked for."""
_NEW_REFUSED = (
    "the provider refuses the credentials of a new login ({code}). Check the clocks of provider and"
    " nodes, and the account's endpoint"
)

Credential = TypeVar("Credential")
Given_co = TypeVar("Given_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[Given_co]):
    """What one login came to."""

    calls: int
    """Provider calls that it took."""
    credential: Given_co | None = field(default=None, repr=False)
    """None: it failed."""
    lasts_s: float = 0.0
    """From before the call."""
    failed: Failed = _NEVER
    """Where there is no credential; its code is the provider's own."""


class Asking(Protocol[Given_co]):
    """How one provider is asked for a login."""

    @property
    def operation(self) -> str:
        """Goes before the code of a failure."""
        ...

    @property
    def most_calls(self) -> int:
        """Of one login."""
        ...

    @property
    def trouble(self) -> str:
        """What the admin is told when it fails, before the code."""
        ...

    @property
    def advice(self) -> Mapping[FetchFailure, str]:
        """What the admin has to do, by what a login can fail with."""
        ...

    def ask(self) -> Asked[Given_co]: ...
    def close(self) -> None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Session(Generic[Credential]):
    """Credentials, and what is known of them. Times are monotonic seconds."""

    credential: Credential = field(repr=False)
    ends_at: float
    accepted: bool = False
    """Whether the provider ever answered a call under them."""


class Login(Generic[Credential]):
    """Credentials for many threads, of which one at a time renews.

    While they last nobody waits for a renewal, and one that fails changes nothing but the time of
    the next try. `trouble` is told once why there are none, until there are again.
    """

    def __init__(
        self,
        asking: Asking[Credential],
        *,
        monotonic: Callable[[], float],
        trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._asking = asking
        self._monotonic = monotonic
        self._trouble = trouble
        self._renewing = threading.Lock()
        self._failed = _NEVER
        self._told: str | None = None
        self._wrong: tuple[FetchFailure, str] | None = None
        """Why the last login failed, or was no use. None: it worked, or there was none."""
        self._useless = False
        """Whether the credentials of the last login were refused at once, and none accepted since.
        """
        self._tried_at = self._next_at = float("-inf")
        self.session: Session[Credential] | None = None
        """None: never logged in. It may have ended."""

    @property
    def most_calls(self) -> int:
        """Of one renewal."""
        return self._asking.most_calls

    def credential(self) -> Credential:
        """To call with, after `prepare`. A session that ended meanwhile is the provider's to
        refuse.
        """
        if self.session is None:
            raise AssertionError("unreachable")
        return self.session.credential

    def prepare(self) -> tuple[int, Again | Failed | None]:
        """Before a fetch: the calls made, and what to answer instead of fetching; None: fetch.

        Blocks only where there are no credentials to go on with.
        """
        if self._monotonic() < self._next_at:
            return 0, self._standing()
        if not self._renewing.acquire(blocking=self._standing() is not None):
            return 0, None
        try:
            if self._monotonic() < self._next_at:
                return 0, self._standing()
            return self._renew()
        finally:
            self._renewing.release()

    @property
    def state(self) -> LoginState | None:
        """What is known now, from any thread; None: nothing was asked yet."""
        session, wrong = self.session, self._wrong
        if session is None and wrong is None:
            return None
        ends_at = float("-inf") if session is None or self._useless else session.ends_at
        reason, message = (None, "") if wrong is None else wrong
        return LoginState(ends_at=ends_at, reason=reason, message=message)

    def accepted(self, session: Session[Credential] | None) -> None:
        """The provider answered a call under this session."""
        if session is not None:
            session.accepted = True

    def known(self, session: Session[Credential] | None) -> None:
        """The provider knew this session, whatever it answered."""
        if session is self.session and self._useless:
            self._useless, self._wrong = False, None

    def refused(self, session: Session[Credential] | None, failed: Failed) -> bool:
        """The provider called this session expired. Whether a renewal can change that: not where it
        refused one that it never accepted (a clock is wrong then).
        """
        if session is None or session is not self.session:
            return True
        session.ends_at = float("-inf")
        self._failed = failed
        if not session.accepted:
            self._useless = True
            self._wrong = FetchFailure.DENIED, _NEW_REFUSED.format(code=failed.code)
        self._next_at = self._tried_at if session.accepted else self._monotonic() + AGAIN_S
        return session.accepted

    def doubted(self, session: Session[Credential] | None) -> None:
        """The provider denied something under this session."""
        if session is self.session:
            self._next_at = min(self._next_at, self._tried_at + DOUBT_S)

    def close(self) -> None:
        self._asking.close()

    def _standing(self) -> Failed | None:
        """None: there are credentials that last."""
        session = self.session
        lasts = session is not None and self._monotonic() < session.ends_at
        return None if lasts else self._failed

    def _renew(self) -> tuple[int, Again | Failed]:
        self._tried_at = self._monotonic()
        asked = self._asking.ask()
        if asked.credential is None:
            self._put_off(asked.failed)
            return asked.calls, self._standing() or Again()
        ends_at = self._tried_at + asked.lasts_s
        self.session = Session(credential=asked.credential, ends_at=ends_at)
        self._next_at = self._tried_at + asked.lasts_s * RENEW_SHARE
        self._told = None
        if not self._useless:
            self._wrong = None
        return asked.calls, Again()

    def _put_off(self, failed: Failed) -> None:
        reason = failed.reason if failed.reason in _STANDING else FetchFailure.DENIED
        code = f"{self._asking.operation}:{failed.code}"
        self._failed = replace(failed, reason=reason, code=code, what_to_do=None)
        self._next_at = self._monotonic() + max(AGAIN_S, failed.delay_s or 0.0)
        advice = failed.what_to_do or self._asking.advice[reason]
        said = f"{self._asking.trouble} ({failed.code}). {advice}"
        self._useless, self._wrong = False, (reason, said)
        if self._trouble is not None and self._told != failed.code:
            self._told = failed.code
            self._trouble(said)


class UnderLogin(Generic[Credential]):
    """A source whose calls are made with a login's credentials. `expired` tells that a result means
    their end, and not a denial.

    One fetch either renews them, and answers Again, or asks the source. So a renewal is paid from
    the account's budget like any call, and no fetch costs more than the dearer of the two.
    """

    def __init__(
        self, source: Source, login: Login[Credential], *, expired: Callable[[Failed], bool]
    ) -> None:
        self._source = source
        self._login = login
        self._expired = expired
        self.batch_limit = source.batch_limit

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return max(self._source.most_calls(requests), self._login.most_calls)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        calls, instead = self._login.prepare()
        if instead is not None:
            return Fetched(results=(instead,) * len(requests), calls=calls)
        session = self._login.session
        fetched = self._source.fetch(requests)
        return replace(fetched, results=self._judged(fetched.results, session))

    def close(self) -> None:
        self._source.close()
        self._login.close()

    def _judged(
        self, results: tuple[FetchResult, ...], session: Session[Credential] | None
    ) -> tuple[FetchResult, ...]:
        """The results; what they say of the credentials is taken to the login."""
        if any(_is_value(result) for result in results):
            self._login.accepted(session)
        expired = next((result for result in results if self._is_expired(result)), None)
        if isinstance(expired, Failed) and self._login.refused(session, expired):
            return tuple(Again() if self._is_expired(result) else result for result in results)
        denied = any(_is_denied(result) for result in results)
        if denied:
            self._login.doubted(session)
        if expired is None and (denied or any(_is_value(result) for result in results)):
            self._login.known(session)
        return results

    def _is_expired(self, result: FetchResult) -> bool:
        return isinstance(result, Failed) and self._expired(result)


def in_order(
    servers: Sequence[Callable[[], Failed | tuple[Credential, float]]],
) -> Asked[Credential]:
    """A login at the first of several servers that is not unavailable."""
    failures: list[Failed] = []
    for server in servers:
        answer = server()
        if not isinstance(answer, Failed):
            credential, lasts_s = answer
            return Asked(calls=len(failures) + 1, credential=credential, lasts_s=lasts_s)
        failures.append(answer)
        if answer.reason is not FetchFailure.UNAVAILABLE:
            break
    return Asked(calls=len(failures), failed=failures[0])


def _is_value(result: FetchResult) -> bool:
    return isinstance(result, Material | NotModified | Unversioned)


def _is_denied(result: FetchResult) -> bool:
    return isinstance(result, Failed) and result.reason is FetchFailure.DENIED

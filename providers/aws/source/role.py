"""An account's role: its credentials come from STS, are held in memory only, and are renewed before
they end. Decisions and what was rejected: docs/design/015.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from providers.aws.source.client import Keys
from providers.aws.source.errors import EXPIRED, TROUBLE, UNREADABLE, failure
from providers.protocol import Again, Failed, Fetched, Material, NotModified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from providers.aws.source.client import StsClient
    from providers.protocol import FetchRequest, FetchResult, Observer, Source

ASSUME = "AssumeRole"
DURATION_S = 3600.0
"""What STS gives unasked. A role that was itself assumed gets no more."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of STS."""

    arn: str
    session: str
    """2 to 64 characters; the provider's own log names it with each call."""
    external_id: str | None = None
    """None: the role's trust policy asks for none."""


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """Credentials of the role, and what is known of them. Times are monotonic seconds."""

    keys: Keys
    ends_at: float
    accepted: bool = False
    """Whether the provider ever answered a call that they signed."""


class Role:
    """Credentials for many threads, of which one at a time renews.

    While they last nobody waits for a renewal, and one that fails changes nothing but the time of
    the next try. `trouble` is told once why the role can't be assumed, until it can be again.
    """

    def __init__(
        self,
        clients: Sequence[StsClient],
        wanted: Wanted,
        *,
        monotonic: Callable[[], float],
        observer: Observer | None = None,
        trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._clients = tuple(clients)
        self._arguments = _arguments(wanted)
        self._monotonic = monotonic
        self._observer = observer
        self._trouble = trouble
        self._renewing = threading.Lock()
        self._failed = UNREADABLE
        self._told: str | None = None
        self._tried_at = self._next_at = float("-inf")
        self.session: Session | None = None
        """None: never assumed. It may have ended."""

    @property
    def most_calls(self) -> int:
        """Of one renewal: a later region is asked when those before are unavailable."""
        return len(self._clients)

    def keys(self) -> Keys:
        """To sign with, after `prepare`. A session that ended meanwhile is the provider's to
        refuse.
        """
        if self.session is None:
            raise AssertionError("unreachable")
        return self.session.keys

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

    def accepted(self, session: Session | None) -> None:
        """The provider answered a call under this session."""
        if session is not None:
            session.accepted = True

    def refused(self, session: Session | None, failed: Failed) -> bool:
        """The provider called this session expired. Whether a renewal can change that: not where it
        refused one that it never accepted (a clock is wrong then).
        """
        if session is None or session is not self.session:
            return True
        session.ends_at = float("-inf")
        self._failed = failed
        self._next_at = self._tried_at if session.accepted else self._monotonic() + AGAIN_S
        return session.accepted

    def doubted(self, session: Session | None) -> None:
        """The provider denied something under this session."""
        if session is self.session:
            self._next_at = min(self._next_at, self._tried_at + DOUBT_S)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _standing(self) -> Failed | None:
        """None: there are credentials that last."""
        session = self.session
        lasts = session is not None and self._monotonic() < session.ends_at
        return None if lasts else self._failed

    def _renew(self) -> tuple[int, Again | Failed]:
        """Asks the regions in order, as long as they are unavailable."""
        self._tried_at = self._monotonic()
        failures: list[Failed] = []
        for client in self._clients:
            answer = self._ask(client)
            if not isinstance(answer, Failed):
                self._take(*answer)
                return len(failures) + 1, Again()
            failures.append(answer)
            if answer.reason is not FetchFailure.UNAVAILABLE:
                break
        self._put_off(failures[0])
        return len(failures), self._standing() or Again()

    def _ask(self, client: StsClient) -> tuple[Keys, float] | Failed:
        """Credentials and how long they last. No exception leaves: some hold the answer's body."""
        try:
            answer = client.assume_role(**self._arguments)
            found: tuple[Keys, float] | Failed = _keys(answer), _lasts_s(answer)
        except TROUBLE as error:
            found = failure(error)
        if self._observer is not None:
            self._observer(ASSUME, found.code if isinstance(found, Failed) else "ok")
        return found

    def _take(self, keys: Keys, lasts_s: float) -> None:
        self.session = Session(keys=keys, ends_at=self._tried_at + lasts_s)
        self._next_at = self._tried_at + lasts_s * RENEW_SHARE
        self._told = None

    def _put_off(self, failed: Failed) -> None:
        reason = failed.reason if failed.reason in _STANDING else FetchFailure.DENIED
        self._failed = replace(failed, reason=reason, code=f"{ASSUME}:{failed.code}")
        self._next_at = self._monotonic() + max(AGAIN_S, failed.delay_s or 0.0)
        if self._trouble is not None and self._told != failed.code:
            self._told = failed.code
            self._trouble(f"its role cannot be assumed ({failed.code}). {_WHAT_TO_DO[reason]}")


_WHAT_TO_DO = {
    FetchFailure.DENIED: "The role must trust the controller's own identity (and its externalID),"
    " which must have the permission sts:AssumeRole on it",
    FetchFailure.THROTTLED: "STS limits the request rate. The call is retried",
    FetchFailure.UNAVAILABLE: "STS does not respond. The call is retried",
}


class UnderRole:
    """A source whose calls are signed with a role's credentials.

    One fetch either renews them, and answers Again, or asks the source. So a renewal is paid from
    the account's budget like any call, and no fetch costs more than the source alone.
    """

    def __init__(self, source: Source, role: Role) -> None:
        self._source = source
        self._role = role
        self.batch_limit = source.batch_limit

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return max(self._source.most_calls(requests), self._role.most_calls)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        calls, instead = self._role.prepare()
        if instead is not None:
            return Fetched(results=(instead,) * len(requests), calls=calls)
        session = self._role.session
        fetched = self._source.fetch(requests)
        return replace(fetched, results=self._judged(fetched.results, session))

    def close(self) -> None:
        self._source.close()
        self._role.close()

    def _judged(
        self, results: tuple[FetchResult, ...], session: Session | None
    ) -> tuple[FetchResult, ...]:
        """The results; what they say of the credentials is taken to the role."""
        if any(isinstance(result, Material | NotModified) for result in results):
            self._role.accepted(session)
        expired = next((result for result in results if _expired(result)), None)
        if isinstance(expired, Failed) and self._role.refused(session, expired):
            return tuple(Again() if _expired(result) else result for result in results)
        if any(_denied(result) for result in results):
            self._role.doubted(session)
        return results


def _expired(result: FetchResult) -> bool:
    return isinstance(result, Failed) and result.code in EXPIRED


def _denied(result: FetchResult) -> bool:
    return isinstance(result, Failed) and result.reason is FetchFailure.DENIED


def _arguments(wanted: Wanted) -> dict[str, str]:
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

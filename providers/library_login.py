"""Logins that a cloud's own library makes: over our HTTP client, with one try per call, and within
a time limit. Decisions and what was rejected: docs/design/029.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from providers.credentials import LEAST_S, Asked, Login, UnderLogin
from providers.http import UNREADABLE, Http, TlsSettings, forget
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from providers.http import Answer, Patience
    from providers.open_source import LoginThreads, Opening
    from providers.protocol import CallCounter, Source
    from providers.proxies import Proxies

LOGIN = "login"
LIMIT_S = 30.0
"""A login that takes longer has failed. Its thread goes on, and may still bring a token."""
GIVEN_UP = 10
"""Times its limit, after which another login is started beside one that has not ended."""
LONGEST_S = 3600.0
"""Longer tokens are replaced after this: their rights are those of the login."""
UNSAID_S = 300.0
"""Of a token whose lifetime the answer does not tell."""

TIMED_OUT = Failed(reason=FetchFailure.UNAVAILABLE, code="TimedOut")
TOO_MANY_CALLS = Failed(reason=FetchFailure.DENIED, code="TooManyCalls")
NO_FILE = Failed(reason=FetchFailure.UNAVAILABLE, code="NoCredentialsFile")


class LoginEndedError(Exception):
    """An answer that ends a login, raised through the library, which retries what it understands.
    `LibraryLogin` catches it. It says nothing: `Wire.failed` does.
    """


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A bearer token."""

    text: str = field(repr=False)


class Wire:
    """The calls of one login. All answers but 2xx end it: no retry, no sleep, no other host."""

    def __init__(
        self,
        http: Http,
        refused: Callable[[Answer], Failed],
        *,
        most_calls: int,
        observer: CallCounter | None,
    ) -> None:
        self._http = http
        self._refused = refused
        self._most_calls = most_calls
        self._observer = observer
        self.calls = 0
        self.lasts_s = UNSAID_S
        """Of the newest token, by the clock of who gave it."""
        self.failed: Failed | None = None
        """What ended the login; None: nothing did."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """One call, or LoginEndedError."""
        if self.failed is not None or self.calls >= self._most_calls:
            self.failed = self.failed or TOO_MANY_CALLS
            raise LoginEndedError
        self.calls += 1
        answer = self._http.ask(method, url, headers=headers, body=body)
        found = answer if isinstance(answer, Failed) else self._judged(answer)
        if self._observer is not None:
            self._observer(LOGIN, found.code if isinstance(found, Failed) else "ok")
        if isinstance(found, Failed):
            self.failed = found
            raise LoginEndedError
        self.lasts_s = lasts_s(found)
        return found

    def end(self) -> None:
        """Lets it make no more calls."""
        self.failed = self.failed or TIMED_OUT

    def _judged(self, answer: Answer) -> Answer | Failed:
        return answer if answer.status // 100 == 2 else self._refused(answer)  # noqa: PLR2004 - 2xx


class _LoginAttempt:
    """One login, which `run` makes in a thread of its own."""

    def __init__(
        self, wire: Wire, token: Callable[[Wire], BearerToken | Failed], now: float
    ) -> None:
        self.wire = wire
        self.started_at = now
        self.reported = 0
        """Calls that were paid for already."""
        self.found: BearerToken | Failed = TIMED_OUT
        self.done = threading.Event()
        self._token = token

    def run(self) -> None:
        try:
            self.found = self._token(self.wire)
        except Exception as error:  # noqa: BLE001 - a library raises what it likes, with tokens in it
            self.found = self.wire.failed or self._raised(error)
            forget(error)
        finally:
            self.done.set()

    def _raised(self, error: Exception) -> Failed:
        """Before a call the library refuses the account's files; after one, an answer."""
        if self.wire.calls:
            return UNREADABLE
        return Failed(reason=FetchFailure.DENIED, code=type(error).__name__)

    def paid(self) -> int:
        """The calls since the last time."""
        calls, self.reported = self.wire.calls - self.reported, self.wire.calls
        return calls


class LibraryLogin:
    """Asks a library for a token. `Entrance.token` blocks, may sleep, and may raise anything."""

    operation = "Login"

    def __init__(
        self,
        entrance: Entrance,
        wire: Callable[[], Wire],
        *,
        monotonic: Callable[[], float],
        close: Callable[[], None],
        limit_s: float,
        threads: LoginThreads,
    ) -> None:
        self._threads = threads
        self._wire = wire
        self._token = entrance.token
        self.most_calls = entrance.most_calls
        self.trouble = entrance.trouble
        self.advice = entrance.advice
        self._monotonic = monotonic
        self._close = close
        self._limit_s = limit_s
        self._hanging: _LoginAttempt | None = None
        """An attempt that took too long, and may still end."""

    def ask(self) -> Asked[BearerToken]:
        now = self._monotonic()
        attempt = self._attempt(now)
        self._hanging = None
        if not attempt.done.wait(self._limit_s):
            self._hanging = attempt
            return Asked(calls=attempt.paid(), failed=TIMED_OUT)
        found, calls = attempt.found, attempt.paid()
        if isinstance(found, Failed):
            return Asked(calls=calls, failed=found)
        left_s = attempt.wire.lasts_s - (now - attempt.started_at)
        return Asked(calls=calls, credential=found, lasts_s=min(max(left_s, LEAST_S), LONGEST_S))

    def _attempt(self, now: float) -> _LoginAttempt:
        """The one that hangs; or a new one, where there is none, or it was given up."""
        hanging = self._hanging
        if hanging is not None and not self._given_up(hanging, now):
            return hanging
        attempt = _LoginAttempt(self._wire(), self._token, now)
        if self._threads.start(attempt.run):
            return attempt
        if hanging is None:
            attempt.done.set()  # at once, as one that took too long
        return hanging or attempt

    def _given_up(self, hanging: _LoginAttempt, now: float) -> bool:
        """It makes no more calls then, and what it made is paid for."""
        if hanging.done.is_set() or now - hanging.started_at < GIVEN_UP * self._limit_s:
            return False
        hanging.wire.end()
        return hanging.wire.calls == hanging.reported

    def close(self) -> None:
        self._close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How accounts of one cloud log in."""

    token: Callable[[Wire], BearerToken | Failed]
    refused: Callable[[Answer], Failed]
    """What an answer means that is no success."""
    most_calls: int
    """Of one login."""
    trouble: str
    advice: Mapping[FetchFailure, str]
    expired: Callable[[Failed], bool]
    """Whether a result means that the token has ended."""


def open_under_login(
    opening: Opening,
    entrance: Entrance,
    source: Callable[[Http, Callable[[], BearerToken]], Source],
    *,
    ca_file: Path | None,
    patience: Patience | None,
    limit_s: float = LIMIT_S,
) -> Source:
    """`source` of a client and of who gives its token. `patience`: None is the usual one."""
    extra_ca = None if opening.extra_ca is None else opening.extra_ca.path

    def client(proxies: Proxies) -> Http:
        return Http(
            tls=TlsSettings(ca_file=ca_file, extra_ca_file=extra_ca),
            proxies=proxies,
            connections=opening.connections,
            patience=patience,
        )

    # Addresses in the clear are of the node (metadata services): no proxy may see their tokens.
    http = client(replace(opening.proxies, http=None))

    def wire() -> Wire:
        most_calls = entrance.most_calls
        return Wire(http, entrance.refused, most_calls=most_calls, observer=opening.observer)

    def login() -> Login[BearerToken]:
        asking = LibraryLogin(
            entrance,
            wire,
            monotonic=opening.monotonic,
            close=http.close,
            limit_s=limit_s,
            threads=opening.logins.threads,
        )
        return Login(asking, monotonic=opening.monotonic, trouble=opening.trouble)

    shared = opening.logins.shared(login)
    made = source(client(opening.proxies), shared.credential)
    return UnderLogin(made, shared, expired=entrance.expired)


def silenced(*loggers: str) -> None:
    """Lets nothing out of a library: they log URLs, answers and claims."""
    for name in loggers:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)


def lasts_s(answer: Answer) -> float:
    """Seconds that the token of an answer lasts: `expires_in` of OAuth 2.0 (RFC 6749 5.1), which
    Azure writes as text, or `expireTime` of Google less the answer's own Date.
    """
    document = document_of(answer)
    said = document.get("expires_in")
    try:
        if isinstance(said, str | int) and not isinstance(said, bool):
            return float(int(said))
        ends = datetime.fromisoformat(str(document["expireTime"]))
        if ends.tzinfo is None:
            ends = ends.replace(tzinfo=UTC)
        left = ends - parsedate_to_datetime(answer.headers["date"])
        return left.total_seconds()
    except (KeyError, TypeError, ValueError, OverflowError):
        return UNSAID_S


def document_of(answer: Answer) -> Mapping[str, Any]:
    """The JSON object of an answer; empty: it is none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

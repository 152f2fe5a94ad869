"""What an account's status says of its login and its circuit breaker. Pure; docs/design/027."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from controller.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from providers.protocol import LoginState
    from refresh.model import Moment

    Condition = dict[str, str]

MOST, WITHIN_S = 4, 120.0
"""Changes of what is said of one account: a provider that comes and goes must cost the API server
no write per call.
"""
CLOCKS_S = 5.0
"""By less the end of the same credentials may move, as the clocks do."""
_LOGGED_IN, _AVAILABLE = "LoggedIn", "Available"


class LoginStatus(StrEnum):
    """An account's login, in one word."""

    NOT_NEEDED = "NotNeeded"
    LOGGED_IN = "LoggedIn"
    RENEWAL_FAILS = "RenewalFails"
    """The credentials that there are still last."""
    DENIED = "Denied"
    THROTTLED = "Throttled"
    UNAVAILABLE = "Unavailable"


class BreakerState(StrEnum):
    """An account's circuit breaker."""

    CLOSED = "Closed"
    OPEN = "Open"


_WORDS = {
    FetchFailure.DENIED: LoginStatus.DENIED,
    FetchFailure.THROTTLED: LoginStatus.THROTTLED,
    FetchFailure.UNAVAILABLE: LoginStatus.UNAVAILABLE,
}
_WORKS = frozenset({LoginStatus.NOT_NEEDED, LoginStatus.LOGGED_IN, LoginStatus.RENEWAL_FAILS})
_SAID = {
    LoginStatus.NOT_NEEDED: "the account needs no login of its own",
    LoginStatus.LOGGED_IN: "the last login worked",
}
_BREAKER = {
    BreakerState.CLOSED: ("True", "BreakerClosed", "the provider answers calls of this account"),
    BreakerState.OPEN: (
        "False",
        "BreakerOpen",
        (
            "calls of this account fail, because the provider is unavailable or limits the request"
            " rate. One call at a time is tried until it answers"
        ),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealth:
    """What there is to say of one account."""

    login: LoginStatus | None
    """None: not known yet, or no more. What the status says stays."""
    message: str = ""
    """Why the login fails; empty where it does not."""
    until: float | None = None
    """With RENEWAL_FAILS: when the credentials end, in seconds since the epoch."""
    breaker: BreakerState = BreakerState.CLOSED

    @property
    def ready(self) -> bool:
        """Whether secrets can be fetched, as far as is known."""
        works = self.login is None or self.login in _WORKS
        return works and self.breaker is BreakerState.CLOSED


def health(login: LoginState | None, *, needed: bool, is_open: bool, at: Moment) -> AccountHealth:
    """Of an account for which a source was opened. `needed`: whether that logs in."""
    breaker = BreakerState.OPEN if is_open else BreakerState.CLOSED
    if not needed:
        return AccountHealth(login=LoginStatus.NOT_NEEDED, breaker=breaker)
    if login is None:
        return AccountHealth(login=None, breaker=breaker)
    if login.reason is None:
        return AccountHealth(login=LoginStatus.LOGGED_IN, breaker=breaker)
    left_s = login.ends_at - at.mono
    if left_s > 0:
        return AccountHealth(
            login=LoginStatus.RENEWAL_FAILS,
            message=login.message,
            until=at.wall + left_s,
            breaker=breaker,
        )
    return AccountHealth(
        login=_WORDS.get(login.reason, LoginStatus.DENIED), message=login.message, breaker=breaker
    )


class SteadyHealth:
    """Passes on what changes, of each account at most MOST times WITHIN_S seconds."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[AccountHealth, tuple[float, ...]]] = {}
        """With the times of the last changes, monotonic. Kept for a while where an account is not
        found, as after an edit.
        """

    def shown(self, found: Mapping[str, AccountHealth], mono: float) -> dict[str, AccountHealth]:
        """What is to be said now, of the accounts in `found`; `mono` in seconds."""
        now = {
            name: self._of(self._shown.get(name), health, mono) for name, health in found.items()
        }
        gone = {
            name: (health, changed)
            for name, (health, changed) in self._shown.items()
            if name not in now and mono - max(changed, default=float("-inf")) < WITHIN_S
        }
        self._shown = gone | now
        return {name: health for name, (health, _) in now.items()}

    @staticmethod
    def _of(
        before: tuple[AccountHealth, tuple[float, ...]] | None, now: AccountHealth, mono: float
    ) -> tuple[AccountHealth, tuple[float, ...]]:
        if before is None:
            return now, (mono,)
        shown, changed = before
        lately = tuple(at for at in changed if mono - at < WITHIN_S)
        if _same(shown, now) or len(lately) >= MOST:
            return shown, lately
        return now, (*lately, mono)


def fields(
    health: AccountHealth | None, conditions: Sequence[Condition], now: float
) -> dict[str, Any]:
    """What the status must say, null where nothing; `conditions` are what it says. `health` None:
    the account is not in use. Times in seconds since the epoch.
    """
    if health is None:
        return {"login": None, "loginUntil": None, "breaker": None, "conditions": None}
    before = {it["type"]: it for it in conditions}
    status, reason, message = _BREAKER[health.breaker]
    available = _condition(_AVAILABLE, status, reason, message)
    if health.login is None:
        kept = [before[_LOGGED_IN]] if _LOGGED_IN in before else []
        return {
            "breaker": health.breaker.value,
            "conditions": [*kept, _dated(available, before, now)],
        }
    logged_in = _condition(
        _LOGGED_IN,
        "True" if health.login in _WORKS else "False",
        health.login.value,
        _SAID.get(health.login) or _sentence(health),
    )
    return {
        "login": health.login.value,
        "loginUntil": rfc3339(health.until),
        "breaker": health.breaker.value,
        "conditions": [_dated(it, before, now) for it in (logged_in, available)],
    }


def _sentence(health: AccountHealth) -> str:
    if health.login is not LoginStatus.RENEWAL_FAILS:
        return health.message
    return f"the credentials last until {rfc3339(health.until)}, but {health.message}"


def _same(one: AccountHealth, other: AccountHealth) -> bool:
    """The time is computed each time, and may differ by a little."""
    if (one.login, one.message, one.breaker) != (other.login, other.message, other.breaker):
        return False
    return abs((one.until or 0.0) - (other.until or 0.0)) < CLOCKS_S


def _condition(kind: str, status: str, reason: str, message: str) -> Condition:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _dated(condition: Condition, before: Mapping[str, Condition], now: float) -> Condition:
    """With the time of its last change; unchanged it is what it was."""
    known = before.get(condition["type"], {})
    since = known.get("lastTransitionTime")
    if since is None or known.get("status") != condition["status"]:
        since = str(rfc3339(now))
    return {**condition, "lastTransitionTime": since}

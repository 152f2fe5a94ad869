"""What a provider is to the engine. Not found, not modified and refused are values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.reasons import FetchFailure
    from contract.secret_bytes import SecretBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One source to fetch; `reference` is canonical."""

    reference: str
    known_version: str | None = None
    """The stored version: the answer may be NotModified. None: the value is wanted anyway."""
    known_incarnation: str | None = None
    """Of `known_version`. NotModified is said of this incarnation only; None: of no known one."""
    version: str | None = None
    """A version wanted by name, for a pin. None: the provider's current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a value's age where the answer itself does not confirm it, because another
    program keeps the value (docs/design/028).
    """

    confirmed_at: float
    """When the provider confirmed the value at the latest known time, or, where there is a doubt,
    when it was written. Seconds since the epoch, never later than the truth."""
    doubt: Failed | None = None
    """Why the answer renews no age; None: it does, up to `confirmed_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A value as the provider gave it, not yet checked by policy."""

    version: str
    value: SecretBytes
    stages: tuple[str, ...] = ()
    """The provider's labels of this version, for example AWSCURRENT."""
    incarnation: str | None = None
    """What another secret of this name, made after this one was deleted, has not: part of an ARN, a
    time of creation. At most MOST_INCARNATION characters. None: the provider has none.
    """
    evidence: Evidence | None = None
    """None: the answer confirms the value."""
    warning: str | None = None
    """A word of a closed set for an Event: what the provider says against this version, though it
    gives it. A source says it once per version. None: nothing.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Unversioned:
    """The current value at a provider that names no versions. The engine compares it with what is
    held, and names a new one itself (docs/design/025).
    """

    value: SecretBytes
    confirms_only: bool = False
    """Whether it may only confirm what is stored: it is of a server that may lag behind."""
    evidence: Evidence | None = None
    """None: the answer confirms the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """The known version, in the known incarnation, is still the current one."""

    version: str
    incarnation: str | None = None
    evidence: Evidence | None = None
    """None: the answer confirms the value."""
    warning: str | None = None
    """As of Material."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No usable value, mapped from the provider's table of error codes."""

    reason: FetchFailure
    code: str
    """A word of a closed set: the provider's error code, or the client's exception class."""
    delay_s: float | None = None
    """How long the provider asked to be left alone (Retry-After); None: it did not say."""
    what_to_do: str | None = None
    """A sentence of ours for an Event, where the reason alone would mislead. None: it does not."""


@dataclass(frozen=True, slots=True)
class Alone:
    """The batch said nothing of this one, or failed because of one of its items: ask it alone."""


@dataclass(frozen=True, slots=True)
class Again:
    """Nothing was learned of it, because the calls went into a login: ask it once more, as it is.
    A source says so only where asking again can't be answered the same.
    """


FetchResult = Material | Unversioned | NotModified | Failed | Alone | Again


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The results, in the order of the requests, and how many provider calls they took."""

    results: tuple[FetchResult, ...]
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginState:
    """What is known of an account's login. Nothing of its credentials."""

    ends_at: float
    """When the credentials that there are end, in monotonic seconds; -infinity: there are none."""
    reason: FetchFailure | None = None
    """Why the last login failed: denied, throttled or unavailable. None: it worked."""
    message: str = ""
    """What happened and what to do, with the provider's code; empty where it worked."""


class Source(Protocol):
    """One provider under one account and identity.

    `fetch` blocks the thread that calls it for at most the source's own time-outs (seconds, stated
    by each source), may be called from several threads at once, never retries, never sleeps, and
    raises nothing for provider trouble. The engine backs off, and cancels nothing that has begun.
    """

    batch_limit: int
    """How many requests one `fetch` takes."""

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        """The largest number of provider calls that `fetch(requests)` can make; the engine pays
        that from the budget first.
        """
        ...

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        """Asks the provider for 1 to `batch_limit` references."""
        ...

    def close(self) -> None:
        """Frees sockets. Nothing may be in progress."""
        ...


CallCounter = Callable[[str, str], None]
"""Called once per provider call with operation and code (`ok`, or the error's code), for
`provider_requests_total`. From the thread that fetches.
"""

"""Opens the source behind an account. Only the controller imports this, and `source/` of a provider
only when an account of it is opened.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from providers.definition import Block
from providers.proxies import NO_PROXIES, Proxies

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.cluster import Cluster
    from providers.extra_ca import ExtraCa
    from providers.protocol import CallCounter, LoginState, Source


FOLDER = Path("/var/run/secrets/lastgood")
"""Where the chart mounts what accounts name as files: tokens, certificates, keys."""
_Block = TypeVar("_Block", bound=Block)
_Login = TypeVar("_Login", bound="HasState")


class HasState(Protocol):
    """A login, to those who only look at it."""

    @property
    def state(self) -> LoginState | None: ...


MOST_LOGINS = 2
"""In progress at once for one account, with those that were given up and may hang for ever."""


class LoginThreads:
    """The threads in which one account logs in, also as it was before it was edited."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0

    def start(self, work: Callable[[], None]) -> bool:
        """In a thread of its own. False: MOST_LOGINS have not ended yet."""
        with self._lock:
            if self._running >= MOST_LOGINS:
                return False
            self._running += 1
        try:
            threading.Thread(target=self._run, args=(work,), name="login", daemon=True).start()
        except RuntimeError:  # the system has no thread left
            with self._lock:
                self._running -= 1
            return False
        return True

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            with self._lock:
                self._running -= 1


class Logins:
    """The login of one account as it is now. Its sources share one."""

    def __init__(self, threads: LoginThreads | None = None) -> None:
        """`threads`: None is for an account that is not edited."""
        self.threads = LoginThreads() if threads is None else threads
        self._made: HasState | None = None

    def shared(self, make: Callable[[], _Login]) -> _Login:
        """The account's login, made for the first source that asks. All sources of an account are
        of one provider, and so of one kind of login.
        """
        if self._made is None:
            self._made = make()
        return cast("_Login", self._made)

    @property
    def needed(self) -> bool:
        """Whether a source has asked for one."""
        return self._made is not None

    @property
    def state(self) -> LoginState | None:
        """None: nothing is known."""
        return None if self._made is None else self._made.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a provider's `open_source` is given."""

    account: str
    """Its name."""
    block: Block
    """Of the account, and the provider's own."""
    scheme: str
    """Of the references that will be fetched, one of the provider's."""
    monotonic: Callable[[], float]
    """Seconds that never go back."""
    observer: CallCounter | None = None
    trouble: Callable[[str], None] | None = None
    """Is told, in the thread that fetches, why the account can't log in."""
    logins: Logins = field(default_factory=Logins)
    """Of the account. A source that logs in does so through it."""
    connections: int = 10
    """How many threads fetch at a time."""
    folder: Path = FOLDER
    """The files that an account names are below it, and no others."""
    proxies: Proxies = NO_PROXIES
    """For sources that have no SDK."""
    extra_ca: ExtraCa | None = None
    """Trusted beside the system's CAs, where the block names none of its own. None: none are."""
    cluster: Cluster | None = None
    """Where this runs. None: not on a cluster, as a command or a test."""

    def block_as(self, kind: type[_Block]) -> _Block:
        """The block, which is of the provider's own kind. TypeError: it is another's."""
        if not isinstance(self.block, kind):
            raise TypeError(f"the block is a {type(self.block).__name__}, not a {kind.__name__}")
        return self.block


def open_source(provider: str, opening: Opening) -> Source:
    """The source of `provider`, the name of its folder here."""
    open_it: Callable[[Opening], Source] = import_module(f"providers.{provider}.source").open_source
    return open_it(opening)

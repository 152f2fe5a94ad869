"""Accounts as the engine sees them: budgets, and sources that follow what the admin writes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from providers.open_source import FOLDER, Logins, LoginThreads, Opening, open_source
from providers.proxies import NO_PROXIES
from providers.registry import PROVIDERS
from providers.unopened import UnopenedSource
from refresh.budget import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from api.account import SecretAccount
    from providers.cluster import Cluster
    from providers.extra_ca import ExtraCa
    from providers.protocol import CallCounter, Fetched, FetchRequest, Source
    from providers.proxies import Proxies

    Problem = Callable[[str, str], None]


class UnsupportedAccountError(ValueError):
    """An account that this version can't serve; the message says why. Caught by `Accounts`."""


def opening_of(
    account: SecretAccount,
    scheme: str,
    *,
    monotonic: Callable[[], float],
    observer: CallCounter | None = None,
    trouble: Callable[[str], None] | None = None,
    folder: Path = FOLDER,
    proxies: Proxies = NO_PROXIES,
    logins: Logins | None = None,
    extra_ca: ExtraCa | None = None,
    cluster: Cluster | None = None,
) -> Opening:
    """What the source of `account` for references of `scheme` is opened with, or
    UnsupportedAccountError. `logins`: None is for a source that shares its login with no other.
    """
    if not account.serves(scheme):
        raise UnsupportedAccountError(
            f"account {account.name} is of provider {account.spec.provider}, it serves no {scheme}"
        )
    return Opening(
        account=account.name,
        block=account.spec.block,
        scheme=scheme,
        monotonic=monotonic,
        observer=observer,
        trouble=trouble,
        folder=folder,
        proxies=proxies,
        logins=Logins() if logins is None else logins,
        extra_ca=extra_ca,
        cluster=cluster,
    )


class Accounts:
    """The accounts in force. `observer(account)` counts provider calls; `problem(account, why)`
    is told when one can't be used, also in threads that fetch; `monotonic` is seconds that never
    go back. `for_tests`: whether accounts of providers that are for tests only are served; on a
    cluster they are not. `folder` has the files that accounts name. `governed` is told of all that
    are in force, when one has changed.
    """

    def __init__(
        self,
        *,
        observer: Callable[[str], CallCounter],
        problem: Problem,
        monotonic: Callable[[], float],
        for_tests: bool = True,
        proxies: Proxies = NO_PROXIES,
        folder: Path = FOLDER,
        extra_ca: ExtraCa | None = None,
        cluster: Cluster | None = None,
        governed: Callable[[Mapping[str, SecretAccount]], None] | None = None,
    ) -> None:
        self._observer = observer
        self._governed = governed
        self._problem = problem
        self._monotonic = monotonic
        self._for_tests = for_tests
        self._proxies = proxies
        self._folder = folder
        self._extra_ca = extra_ca
        self._cluster = cluster
        self._accounts: Mapping[str, SecretAccount] = {}
        self._logins: dict[str, tuple[SecretAccount, Logins]] = {}
        """Of each account as it was when a source was last opened for it."""
        self._login_threads: dict[str, LoginThreads] = {}
        """Of each account that ever was, so that no edit gives it more."""
        self._followed: list[Following] = []

    def govern(self, accounts: Mapping[str, SecretAccount]) -> dict[str, RateLimit]:
        """Takes over what is in force now; answers what each account may be called."""
        edited, self._accounts = accounts is not self._accounts, accounts
        if edited and self._governed is not None:
            self._governed(accounts)
        for name in self._logins.keys() - accounts.keys():
            del self._logins[name]
        for following in self._followed if edited else ():
            following.follow()
        return {
            name: RateLimit(
                calls_per_second=account.spec.budget.calls_per_second,
                burst=account.spec.budget.burst,
            )
            for name, account in accounts.items()
        }

    def source(self, account: str, identity: str, scheme: str) -> Source:  # noqa: ARG002 - there is one identity in this version
        """The source of an account; it follows the account as that changes."""
        following = Following(
            lambda: self._accounts.get(account),
            lambda it: self._open(it, scheme),
            before=_nothing if self._extra_ca is None else self._extra_ca.renew,
        )
        self._followed.append(following)
        return following

    def logins(self, account: str) -> Logins | None:
        """Of the account as it is now; None: no source was opened for it."""
        known = self._logins.get(account)
        if known is None or not _same(known[0], self._accounts.get(account)):
            return None
        return known[1]

    def login_failure(self, account: str) -> str | None:
        """Why the account has no credentials, and what to do; None: it has, or needs none."""
        logins = self.logins(account)
        state = None if logins is None else logins.state
        if state is None or state.reason is None or self._monotonic() < state.ends_at:
            return None
        return state.message

    def _open(self, account: SecretAccount | None, scheme: str) -> Source:
        if account is None:
            return UnopenedSource("NoAccount")
        refused = PROVIDERS[account.spec.provider].only_for_tests
        if refused is not None and not self._for_tests:
            self._problem(account.name, refused)
            return UnopenedSource("OnlyForTests")
        known = self.logins(account.name)
        threads = self._login_threads.setdefault(account.name, LoginThreads())
        logins = Logins(threads) if known is None else known
        try:
            opening = opening_of(
                account,
                scheme,
                monotonic=self._monotonic,
                observer=self._observer(account.name),
                trouble=partial(self._problem, account.name),
                folder=self._folder,
                proxies=self._proxies,
                logins=logins,
                extra_ca=self._extra_ca,
                cluster=self._cluster,
            )
            source = open_source(account.spec.provider, opening)
            if known is None:
                self._logins[account.name] = account, logins
        except UnsupportedAccountError as error:
            self._problem(account.name, str(error))
            return UnopenedSource(type(error).__name__)
        except Exception as error:  # noqa: BLE001 - an SDK that can't start must stop no other account
            self._problem(account.name, f"its client can't be made ({type(error).__name__})")
            return UnopenedSource(type(error).__name__)
        return source


def _nothing() -> None:
    """No file is to be followed."""


@dataclass(slots=True, eq=False)
class _Opened:
    """A source, and how many fetches of it are in progress."""

    account: SecretAccount | None
    source: Source
    fetches: int = 0


class Following:
    """A source that is opened again when its account is another. An old one is closed when no fetch
    of it is in progress any more.
    """

    def __init__(
        self,
        account: Callable[[], SecretAccount | None],
        open_it: Callable[[SecretAccount | None], Source],
        *,
        before: Callable[[], None],
    ) -> None:
        """`before` is called before each fetch, in its thread."""
        self._account = account
        self._open = open_it
        self._before = before
        self._lock = threading.Lock()
        self._old: list[_Opened] = []
        """Those that are still fetching."""
        self._now = self._opened()
        self.batch_limit = self._now.source.batch_limit

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        self.follow()
        return self._now.source.most_calls(requests)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        """In a thread: by the source that was current when the loop paid for it."""
        with self._lock:
            used = self._now
            used.fetches += 1
        try:
            self._before()
            return used.source.fetch(requests)
        finally:
            with self._lock:
                used.fetches -= 1
                idle = used in self._old and not used.fetches
                if idle:
                    self._old.remove(used)
            if idle:
                used.source.close()

    def follow(self) -> None:
        """Takes over what the account is now. In the loop's thread."""
        before = self._now
        if _same(before.account, self._account()):
            return
        now = self._opened()
        with self._lock:
            self._now, self.batch_limit = now, now.source.batch_limit
            idle = not before.fetches
            if not idle:
                self._old.append(before)
        if idle:
            before.source.close()

    def close(self) -> None:
        """At the end, also those of which a fetch hangs."""
        with self._lock:
            closing, self._old = [*self._old, self._now], []
        for opened in closing:
            opened.source.close()

    def _opened(self) -> _Opened:
        account = self._account()
        return _Opened(account, self._open(account))


_NOT_THE_CLIENTS = {"budget", "revoked"}
"""Fields of a spec that no client is made of."""


def _same(one: SecretAccount | None, other: SecretAccount | None) -> bool:
    """Whether both are reached in the same way. A new field of the spec counts, unless it is listed
    in _NOT_THE_CLIENTS.
    """
    if one is None or other is None or one is other:
        return one is other
    before, after = (it.spec.model_dump(exclude=_NOT_THE_CLIENTS) for it in (one, other))
    return before == after

"""Accounts as the engine sees them: budgets, and sources that follow what the admin writes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.open_source import FOLDER, Logins, Opening, open_source
from providers.protocol import Failed, Fetched
from providers.proxies import NO_PROXIES
from providers.registry import PROVIDERS
from refresh.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from api.account import SecretAccount
    from providers.cluster import Cluster
    from providers.extra_ca import ExtraCa
    from providers.protocol import CallCounter, FetchRequest, Source
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
    cluster they are not. `folder` has the files that accounts name.
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
    ) -> None:
        self._observer = observer
        self._problem = problem
        self._monotonic = monotonic
        self._for_tests = for_tests
        self._proxies = proxies
        self._folder = folder
        self._extra_ca = extra_ca
        self._cluster = cluster
        self._accounts: Mapping[str, SecretAccount] = {}
        self._logins: dict[str, list[tuple[SecretAccount, Logins]]] = {}
        """Of each account, as it is and as it was, if a source was opened for it."""

    def govern(self, accounts: Mapping[str, SecretAccount]) -> dict[str, Budget]:
        """Takes over what is in force now; answers what each account may be called."""
        self._accounts = accounts
        return {
            name: Budget(
                calls_per_second=account.spec.budget.calls_per_second,
                burst=account.spec.budget.burst,
            )
            for name, account in accounts.items()
        }

    def source(self, account: str, identity: str, provider: str) -> Source:  # noqa: ARG002 - there is one identity in this version
        """The source of an account; it follows the account as that changes."""
        return Following(
            lambda: self._accounts.get(account),
            lambda it: self._open(it, provider),
            before=_nothing if self._extra_ca is None else self._extra_ca.renew,
        )

    def logins(self, account: str) -> Logins | None:
        """Of the account as it is now; None: no source was opened for it."""
        now = self._accounts.get(account)
        known = (logins for it, logins in self._logins.get(account, ()) if _same(it, now))
        return next(known, None)

    def login_failure(self, account: str) -> str | None:
        """Why the account has no credentials, and what to do; None: it has, or needs none."""
        logins = self.logins(account)
        state = None if logins is None else logins.state
        if state is None or state.reason is None or self._monotonic() < state.ends_at:
            return None
        return state.message

    def _open(self, account: SecretAccount | None, provider: str) -> Source:
        if account is None:
            return Unusable("NoAccount")
        refused = PROVIDERS[account.spec.provider].only_for_tests
        if refused is not None and not self._for_tests:
            self._problem(account.name, refused)
            return Unusable("OnlyForTests")
        known = self.logins(account.name)
        logins = Logins() if known is None else known
        try:
            opening = opening_of(
                account,
                provider,
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
                self._logins.setdefault(account.name, []).append((account, logins))
        except UnsupportedAccountError as error:
            self._problem(account.name, str(error))
            return Unusable(type(error).__name__)
        except Exception as error:  # noqa: BLE001 - an SDK that can't start must stop no other account
            self._problem(account.name, f"its client can't be made ({type(error).__name__})")
            return Unusable(type(error).__name__)
        return source


def _nothing() -> None:
    """No file is to be followed."""


class Following:
    """A source that is opened again when its account is another. Old ones are closed at the end,
    for a fetch may be in progress.
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
        self._opened: list[tuple[SecretAccount | None, Source]] = []
        self.batch_limit = self._current().batch_limit

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return self._current().most_calls(requests)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        """In a thread: by the source that was current when the loop paid for it."""
        source = self._opened[-1][1]
        self._before()
        return source.fetch(requests)

    def close(self) -> None:
        for _, source in self._opened:
            source.close()

    def _current(self) -> Source:
        account = self._account()
        if not self._opened or not _same(self._opened[-1][0], account):
            self._opened.append((account, self._open(account)))
            self.batch_limit = self._opened[-1][1].batch_limit
        return self._opened[-1][1]


class Unusable:
    """Stands where no source can be opened: asks nobody."""

    batch_limit = 1

    def __init__(self, code: str) -> None:
        self._code = code

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:  # noqa: ARG002 - none is made
        return 0

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        failed = Failed(reason=FetchFailure.UNAVAILABLE, code=self._code)
        return Fetched(results=(failed,) * len(requests), calls=0)

    def close(self) -> None:
        """Nothing is open."""


_NOT_THE_CLIENTS = {"budget", "revoked"}
"""Fields of a spec that no client is made of."""


def _same(one: SecretAccount | None, other: SecretAccount | None) -> bool:
    """Whether both are reached in the same way. A new field of the spec counts, unless it is listed
    in _NOT_THE_CLIENTS.
    """
    if one is None or other is None:
        return one is other
    before, after = (it.spec.model_dump(exclude=_NOT_THE_CLIENTS) for it in (one, other))
    return before == after

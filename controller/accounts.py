"""Accounts as the engine sees them: budgets, and sources that follow what the admin writes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.open_source import FOLDER, Opening, open_source
from providers.protocol import Failed, Fetched
from providers.proxies import NO_PROXIES
from providers.registry import PROVIDERS
from refresh.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from api.account import SecretAccount
    from providers.cluster import Cluster
    from providers.protocol import FetchRequest, Observer, Source
    from providers.proxies import Proxies

    Problem = Callable[[str, str], None]


class UnsupportedAccountError(ValueError):
    """An account that this version can't serve; the message says why. Caught by `Accounts`."""


def opening_of(
    account: SecretAccount,
    scheme: str,
    *,
    monotonic: Callable[[], float],
    observer: Observer | None = None,
    trouble: Callable[[str], None] | None = None,
    folder: Path = FOLDER,
    proxies: Proxies = NO_PROXIES,
    cluster: Cluster | None = None,
) -> Opening:
    """What the source of `account` for references of `scheme` is opened with, or
    UnsupportedAccountError.
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
        cluster=cluster,
    )


class Accounts:
    """The accounts in force. `observer(account)` counts provider calls; `problem(account, why)`
    is told when one can't be used, also in threads that fetch; `monotonic` is seconds that never
    go back. `for_tests`: whether accounts of providers that are for tests only are served; on a
    cluster they are not.
    """

    def __init__(
        self,
        *,
        observer: Callable[[str], Observer],
        problem: Problem,
        monotonic: Callable[[], float],
        for_tests: bool = True,
        proxies: Proxies = NO_PROXIES,
        cluster: Cluster | None = None,
    ) -> None:
        self._observer = observer
        self._problem = problem
        self._monotonic = monotonic
        self._for_tests = for_tests
        self._proxies = proxies
        self._cluster = cluster
        self._accounts: Mapping[str, SecretAccount] = {}

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
        return Following(lambda: self._accounts.get(account), lambda it: self._open(it, provider))

    def _open(self, account: SecretAccount | None, provider: str) -> Source:
        if account is None:
            return Unusable("NoAccount")
        refused = PROVIDERS[account.spec.provider].only_for_tests
        if refused is not None and not self._for_tests:
            self._problem(account.name, refused)
            return Unusable("OnlyForTests")
        try:
            opening = opening_of(
                account,
                provider,
                monotonic=self._monotonic,
                observer=self._observer(account.name),
                trouble=partial(self._problem, account.name),
                proxies=self._proxies,
                cluster=self._cluster,
            )
            return open_source(account.spec.provider, opening)
        except UnsupportedAccountError as error:
            self._problem(account.name, str(error))
            return Unusable(type(error).__name__)
        except Exception as error:  # noqa: BLE001 - an SDK that can't start must stop no other account
            self._problem(account.name, f"its client can't be made ({type(error).__name__})")
            return Unusable(type(error).__name__)


class Following:
    """A source that is opened again when its account is another. Old ones are closed at the end,
    for a fetch may be in progress.
    """

    def __init__(
        self,
        account: Callable[[], SecretAccount | None],
        open_it: Callable[[SecretAccount | None], Source],
    ) -> None:
        self._account = account
        self._open = open_it
        self._opened: list[tuple[SecretAccount | None, Source]] = []
        self.batch_limit = self._current().batch_limit

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return self._current().most_calls(requests)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        """In a thread: by the source that was current when the loop paid for it."""
        return self._opened[-1][1].fetch(requests)

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


def _same(one: SecretAccount | None, other: SecretAccount | None) -> bool:
    """Whether both are reached in the same way; budget and revocations don't matter for that."""
    if one is None or other is None:
        return one is other
    return (one.spec.provider, one.spec.block) == (other.spec.provider, other.spec.block)

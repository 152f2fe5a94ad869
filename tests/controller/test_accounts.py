"""Sources follow the accounts that admins write."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from controller.accounts import Accounts
from controller.settings import from_arguments
from policy.load import load_texts
from providers.file.definition import FILE
from providers.protocol import Failed, Fetched, FetchRequest, Material
from tests.make.cluster import ACCOUNT
from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.account import SecretAccount
    from providers.open_source import Opening
    from providers.protocol import FetchResult, Source


def _account(root: Path, rate: int = 1) -> Mapping[str, SecretAccount]:
    return load_texts({"a.yaml": ACCOUNT.format(root=root, rate=rate, burst=2)}).accounts


def _asked(source: Source) -> FetchResult:
    requests = [FetchRequest(reference="/x")]
    source.most_calls(requests)
    return source.fetch(requests).results[0]


def _accounts() -> Accounts:
    return Accounts(
        observer=lambda _: lambda *_: None, problem=lambda *_: None, monotonic=time.monotonic
    )


def test_a_source_follows_its_account(tmp_path: Path) -> None:
    """The engine keeps one source for ever; another root in the account is read from at once."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    accounts = _accounts()
    accounts.govern(_account(tmp_path / "one"))
    source = accounts.source("files", "controller", "file")
    first = _asked(source)
    accounts.govern(_account(tmp_path / "two", rate=5))
    second = _asked(source)
    assert isinstance(first, Material)
    assert isinstance(second, Material)
    assert (first.value.reveal(), second.value.reveal()) == (b"one", b"two")
    source.close()


class Counting:
    """A source that is slow where it is told to be."""

    batch_limit = 1

    def __init__(self, opening: Opening) -> None:
        self.login = opening.logins
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.closed = 0

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:
        return len(requests)

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        self.entered.set()
        self.gate.wait(60)
        failed = Failed(reason=FetchFailure.ABSENT, code="x")
        return Fetched(results=(failed,) * len(requests), calls=1)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    """All sources that were opened."""
    made: list[Counting] = []

    def open_source(_: str, opening: Opening) -> Counting:
        made.append(Counting(opening))
        return made[-1]

    monkeypatch.setattr("controller.accounts.open_source", open_source)
    return made


def test_p11_an_edited_account_leaves_no_source_open(opened: list[Counting]) -> None:
    """However often; and none twice. All are under the same bound of logins in progress."""
    accounts = _accounts()
    accounts.govern(_account(Path("/0")))
    source = accounts.source("files", "controller", "file")
    for number in range(1, 200):
        accounts.govern(_account(Path(f"/{number}")))
        _asked(source)
    assert [it.closed for it in opened] == [1] * 199 + [0]
    assert len({it.login.threads for it in opened}) == 1
    assert accounts.logins("files") is opened[-1].login
    accounts.govern({})
    assert opened[-1].closed == 1
    assert accounts.logins("files") is None
    source.close()
    assert {it.closed for it in opened} == {1}


def test_a_source_is_not_closed_under_a_fetch(opened: list[Counting]) -> None:
    """It is when the last of them has ended."""
    accounts = _accounts()
    accounts.govern(_account(Path("/0")))
    source = accounts.source("files", "controller", "file")
    [old] = opened
    old.gate.clear()
    fetching = [threading.Thread(target=source.fetch, args=([],)) for _ in range(2)]
    for thread in fetching:
        thread.start()
    old.entered.wait(60)
    accounts.govern(_account(Path("/1")))
    assert old.closed == 0
    old.gate.set()
    for thread in fetching:
        thread.join()
    assert (old.closed, opened[1].closed) == (1, 0)
    source.close()
    assert (old.closed, opened[1].closed) == (1, 1)


def test_a_source_whose_fetch_hangs_is_closed_at_the_end(opened: list[Counting]) -> None:
    """And not again when it returns after all."""
    accounts = _accounts()
    accounts.govern(_account(Path("/0")))
    source = accounts.source("files", "controller", "file")
    opened[0].gate.clear()
    thread = threading.Thread(target=source.fetch, args=([],))
    thread.start()
    opened[0].entered.wait(60)
    accounts.govern(_account(Path("/1")))
    source.close()
    assert [it.closed for it in opened] == [1, 1]
    opened[0].gate.set()
    thread.join()
    assert [it.closed for it in opened] == [1, 1]


def test_p7_on_a_cluster_no_account_serves_the_controllers_own_files(tmp_path: Path) -> None:
    """Among them is its token. It is said, and values that are served stay."""
    (tmp_path / "x").write_text("one")
    said: list[tuple[str, str]] = []
    accounts = Accounts(
        observer=lambda _: lambda *_: None,
        problem=lambda account, why: said.append((account, why)),
        monotonic=time.monotonic,
        for_tests=False,
    )
    accounts.govern(_account(tmp_path))
    found = _asked(accounts.source("files", "controller", "file"))
    assert found == Failed(reason=FetchFailure.UNAVAILABLE, code="OnlyForTests")
    assert said == [("files", FILE.only_for_tests)]


@pytest.mark.parametrize("words", [[], ["--with-file-accounts"]])
def test_p7_only_a_test_says_otherwise(words: list[str]) -> None:
    """The chart never gives the option."""
    settings = from_arguments(words)
    assert settings.file_accounts is bool(words)
    charts = (path for path in (REPOSITORY / "charts").rglob("*") if path.is_file())
    assert not any(b"file-accounts" in path.read_bytes() for path in charts)


def test_p4_budgets_are_the_admins(tmp_path: Path) -> None:
    """Calls per second and burst, by account."""
    budget = _accounts().govern(_account(tmp_path, rate=7))["files"]
    assert (budget.calls_per_second, budget.burst) == (7, 2)


def test_an_account_that_is_gone_asks_nobody(tmp_path: Path) -> None:
    """Its snapshots fail as unavailable, which keeps their values, until it is back."""
    (tmp_path / "x").write_text("one")
    accounts = _accounts()
    source = accounts.source("files", "controller", "file")
    gone = _asked(source)
    assert gone == Failed(reason=FetchFailure.UNAVAILABLE, code="NoAccount")
    assert source.fetch([FetchRequest(reference="/x")]).calls == 0
    accounts.govern(_account(tmp_path))
    assert isinstance(_asked(source), Material)

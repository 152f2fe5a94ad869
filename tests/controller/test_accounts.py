"""Sources follow the accounts that admins write."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from controller.accounts import Accounts
from controller.settings import from_arguments
from policy.load import load_texts
from providers.file.definition import FILE
from providers.protocol import Failed, FetchRequest, Material
from tests.make.cluster import ACCOUNT
from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from api.account import SecretAccount
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

"""The clouds' own libraries: when they are imported, and what gets out of them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from providers.http import UNREADABLE, Answer, Http, TlsSettings
from providers.library_login import (
    GIVEN_UP,
    TIMED_OUT,
    UNSAID_S,
    BearerToken,
    Entrance,
    LibraryLogin,
    Wire,
    lasts_s,
)
from providers.open_source import LoginThreads
from providers.proxies import NO_PROXIES
from tests.make.waiting import REPOSITORY
from tests.providers.azure.fake import AzureCloud
from tests.providers.azure.given import Given as GivenAzure
from tests.providers.cloud import Reply
from tests.providers.conformance.store import Clock
from tests.providers.gcp.fake import Google
from tests.providers.gcp.given import Given as GivenGcp

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 0.05
METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
FLAVOR = {"Metadata-Flavor": "Google"}
OPENED = """
import sys, time
import controller.run
from tests.providers.test_open_source import ACCOUNTS, KEYS
from tests.providers.harness import source_of
for scheme in sys.argv[1:]:
    source_of(ACCOUNTS[scheme][0], scheme, keys=KEYS, monotonic=time.monotonic).close()
names = {"google.auth", "azure.identity", "msal", "cryptography"}
print(*sorted(names & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("schemes", "imported"),
    [
        (("aws-sm", "aws-ssm", "file", "vault"), set()),
        (("gcp-sm",), {"google.auth", "cryptography"}),
        (("azure-kv",), {"azure.identity", "msal", "cryptography"}),
    ],
    ids=["no cloud", "google", "azure"],
)
def test_a_library_is_imported_only_when_an_account_needs_it(
    schemes: tuple[str, ...], imported: set[str]
) -> None:
    """They cost 22 MB and more (docs/design/029)."""
    command = [sys.executable, "-c", OPENED, *schemes]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == imported


@pytest.mark.parametrize(
    ("document", "seconds"),
    [
        ({"expires_in": 3599}, 3599.0),
        ({"expires_in": "86399"}, 86399.0),
        ({"expireTime": "2026-11-26T13:00:00Z"}, 3600.0),
        ({"expireTime": "2026-11-26T13:00:00.123456Z"}, 3600.123456),
        ({"expires_in": True}, UNSAID_S),
        ({"expires_in": "soon"}, UNSAID_S),
        ({"expireTime": "soon"}, UNSAID_S),
        ({}, UNSAID_S),
        ([], UNSAID_S),
    ],
)
def test_a_token_lasts_as_long_as_its_answer_says(document: object, seconds: float) -> None:
    """By the clock of who gave it, whatever ours says."""
    headers = {"date": "Thu, 26 Nov 2026 12:00:00 GMT"}
    body = json.dumps(document).encode()
    assert lasts_s(Answer(status=200, headers=headers, body=body)) == pytest.approx(seconds)


def test_p4_a_login_makes_no_more_calls_than_were_paid(tmp_path: Path) -> None:
    """Whatever its library wants; what it raises at that says nothing."""
    google = Google(tmp_path / "cloud")
    http = Http(
        tls=TlsSettings(ca_file=google.cloud.ca_file),
        proxies=google.cloud.proxies,
    )

    def wire() -> Wire:
        return Wire(http, lambda _: UNREADABLE, most_calls=3, observer=None)

    def token(wire: Wire) -> BearerToken:
        for _ in range(9):
            wire.send("GET", f"http://127.0.0.1:{google.cloud.port}{METADATA}", FLAVOR)
        raise AssertionError("unreachable")

    entrance = Entrance(
        token=token,
        refused=lambda _: UNREADABLE,
        most_calls=3,
        trouble="",
        advice={},
        expired=lambda _: False,
    )
    login = LibraryLogin(
        entrance,
        wire,
        monotonic=time.monotonic,
        close=http.close,
        limit_s=30.0,
        threads=LoginThreads(),
    )
    try:
        asked = login.ask()
    finally:
        login.close()
        google.stop()
    assert (asked.calls, asked.failed.code, asked.credential) == (3, "TooManyCalls", None)


@dataclass
class Hanging:
    """A library that hangs `times` times, and then gives a token."""

    times: int
    clock: Clock = field(default_factory=Clock)
    never: threading.Event = field(default_factory=threading.Event)
    threads: LoginThreads = field(default_factory=LoginThreads)
    started: list[threading.Thread] = field(default_factory=list)

    def login(self) -> LibraryLogin:
        """Of the account as it is now: each edit makes another."""
        entrance = Entrance(
            token=self._token,
            refused=lambda _: UNREADABLE,
            most_calls=3,
            trouble="",
            advice={},
            expired=lambda _: False,
        )
        http = Http(tls=TlsSettings(), proxies=NO_PROXIES)
        return LibraryLogin(
            entrance,
            lambda: Wire(http, lambda _: UNREADABLE, most_calls=3, observer=None),
            monotonic=self.clock,
            close=http.close,
            limit_s=LIMIT_S,
            threads=self.threads,
        )

    def end(self) -> None:
        """Lets all go that hang."""
        self.never.set()
        for thread in self.started:
            thread.join()

    def _token(self, _: Wire) -> BearerToken:
        self.started.append(threading.current_thread())
        if len(self.started) <= self.times:
            self.never.wait()
        return BearerToken("late" if self.never.is_set() else "in time")


def test_a_login_that_hangs_is_given_up_and_another_started() -> None:
    """Until then it is waited for, so that a slow one costs one thread."""
    library = Hanging(times=1)
    login = library.login()
    for _ in range(3):
        asked = login.ask()
        assert (asked.credential, asked.failed) == (None, TIMED_OUT)
    assert len(library.started) == 1
    library.clock.now += GIVEN_UP * LIMIT_S
    assert login.ask().credential == BearerToken("in time")
    assert len(library.started) == 2
    library.end()


def test_p11_an_account_has_two_logins_that_hang_and_no_more() -> None:
    """Whatever time goes by, and however often it is edited. When one ends, another starts."""
    library = Hanging(times=9)
    for _ in range(5):
        login = library.login()
        for _ in range(3):
            assert login.ask().failed == TIMED_OUT
            library.clock.now += GIVEN_UP * LIMIT_S
    assert len(library.started) == 2
    library.end()
    library.times = 0
    assert login.ask().credential == BearerToken("late")


@pytest.mark.parametrize("fails", [False, True], ids=["well", "failing"])
def test_p8_no_credential_gets_out_of_a_library(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    *,
    fails: bool,
) -> None:
    """Neither tokens nor answers: no log at any level, no output, no result, no metric."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "google").mkdir()
    (tmp_path / "azure").mkdir()
    google, azure = Google(tmp_path / "g"), AzureCloud(tmp_path / "a")
    if fails:
        said = Reply({"error": "invalid_grant", "error_description": "canary-5f1d3c"}, 400)
        google.cloud.faults["sts."] = azure.cloud.faults["login."] = said
    google.put("db", b"canary-5f1d3c")
    azure.put("db", "canary-5f1d3c")
    try:
        given = (GivenGcp(google, tmp_path / "google"), GivenAzure(azure, tmp_path / "azure"))
        told = [(it.ask("db"), it.calls, it.troubles) for it in given]
        assert all(bool(it.troubles) == fails for it in given)
    finally:
        google.stop()
        azure.stop()
    seen = repr((told, caplog.records, caplog.text, capfd.readouterr()))
    assert "canary" not in seen
    assert "token-of-the-pod" not in seen
    assert "eyJ0" not in seen

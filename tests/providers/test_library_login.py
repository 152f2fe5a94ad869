"""The clouds' own libraries: when they are imported, and what gets out of them."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.make.waiting import REPOSITORY
from tests.providers.azure.fake import AzureCloud
from tests.providers.azure.given import Given as GivenAzure
from tests.providers.cloud import Reply
from tests.providers.gcp.fake import Google
from tests.providers.gcp.given import Given as GivenGcp

if TYPE_CHECKING:
    from pathlib import Path

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

"""What a terminal is given, and what is taken from the environment around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli import listing
from cli.api_client import moment
from cli.diagnosis import is_of
from cli.settings import load
from cli.terminal import plain
from controller.spec import SnapshotName
from tests.cli.given import NOW, SERVED


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/prod/db ü 1\n2", "/prod/db ü 1\n2"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb\x07\x7f\x9b", "a\\rb\\x07\\x7f\\x9b"),
        ("\u202eexe", "\\u202eexe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_p13_nobodys_words_steer_a_terminal(text: str, shown: str) -> None:
    """An escape sequence could hide a line, or fake one."""
    assert plain(text) == shown


def test_p13_a_reference_is_one_cell_of_the_table() -> None:
    """A SecretSnapshot's reference is a tenant's words."""
    status = replace(SERVED, reference="/x\n\x1b]0;owned\x07", rules=None)
    line = listing.row(SnapshotName("payments", "lg-x"), status, NOW)
    shown = listing.table(listing.HEADINGS, [line])
    assert "/x\\n\\x1b]0;owned\\x07" in shown
    assert len(shown.splitlines()) == 2


def test_a_home_of_nobody_is_no_traceback() -> None:
    """The file is then not found, and that is said where it is read."""
    settings = load({"KUBECONFIG": "~nosuchuser/x:/etc/y"})
    assert settings.kubeconfigs == (Path("~nosuchuser/x"), Path("/etc/y"))


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Foo 2026 25:61:61 GMT"])
def test_a_date_that_can_not_be_read_is_none(date: str | None) -> None:
    """A proxy's mistake ends no command."""
    assert moment(date) is None


def test_a_date_is_the_servers_clock() -> None:
    """In seconds since the epoch."""
    assert moment("Thu, 01 Jan 1970 00:01:40 GMT") == 100.0


@pytest.mark.parametrize(
    ("about", "meant"),
    [("web", True), ("web-5d9c", True), ("website-5d9c", False), ("we", False)],
)
def test_an_event_is_of_a_name_or_of_what_it_makes(about: str, meant: bool) -> None:  # noqa: FBT001 - a table
    """`website` is another's."""
    assert is_of(about, "web") is meant

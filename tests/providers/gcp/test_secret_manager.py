"""What the source makes of what Secret Manager has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from providers.protocol import Failed, Material
from tests.providers.gcp.fake import GLOBAL, LOCATION, NUMBER, PROJECT, REGIONAL
from tests.providers.gcp.given import Given, account

if TYPE_CHECKING:
    from pathlib import Path

    from providers.protocol import FetchResult
    from tests.providers.gcp.fake import Google


def material(result: FetchResult) -> Material:
    """The result, which must be a value."""
    assert isinstance(result, Material), result
    return result


def test_a_value_comes_with_its_number_and_project(google: Google, given: Given) -> None:
    """From the global host, in one call after the login."""
    google.put("db", b"\x00one")
    found = material(given.ask("db"))
    assert (found.version, found.incarnation) == ("1", NUMBER)
    assert found.value.reveal() == b"\x00one"
    assert given.calls == [("login", "ok"), ("access", "ok")]
    assert google.cloud.hosts() == ["sts.googleapis.com", GLOBAL]


def test_a_regional_secret_has_its_own_host(google: Google, tmp_path: Path) -> None:
    """And is no global one of the same name."""
    google.put("db", b"global")
    google.put("db", b"regional", LOCATION)
    given = Given(google, tmp_path, account(location=LOCATION))
    found = material(given.ask("db"))
    assert found.value.reveal() == b"regional"
    assert found.incarnation == f"{NUMBER}/{LOCATION}"
    assert REGIONAL in google.cloud.hosts()


def test_the_same_bytes_are_given_again(google: Google, given: Given) -> None:
    """A number says nothing of a secret that was made again, so only bytes confirm it."""
    google.put("db", b"one")
    held = material(given.ask("db"))
    google.secrets.clear()
    google.put("db", b"other")
    again = material(given.ask("db", known_version="1", known_incarnation=held.incarnation or ""))
    assert (again.version, again.value.reveal()) == ("1", b"other")


def test_a_lagging_latest_takes_nothing_back(google: Google, given: Given) -> None:
    """`latest` is eventually consistent: the held number is still there."""
    google.put("db", b"one")
    google.put("db", b"two")
    google.lagging["db"] = 1
    result = given.ask("db", known_version="2", known_incarnation=NUMBER)
    assert result == Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")


def test_a_lagging_latest_is_seen_where_the_held_version_is_disabled(
    google: Google, given: Given
) -> None:
    """It is there all the same."""
    google.put("db", b"one")
    google.put("db", b"two")
    google.secrets[None, "db"][1].state = "DESTROYED"
    google.lagging["db"] = 1
    result = given.ask("db", known_version="2", known_incarnation=NUMBER)
    assert result == Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")


def test_a_secret_that_was_made_again_starts_at_one(google: Google, given: Given) -> None:
    """The held number is gone, so the lower one is new."""
    google.put("db", b"new")
    found = material(given.ask("db", known_version="7", known_incarnation=NUMBER))
    assert (found.version, found.value.reveal()) == ("1", b"new")


def test_another_project_is_no_older_version(google: Google, given: Given) -> None:
    """Each project counts by itself: nothing is asked about the held number."""
    google.put("db", b"new")
    found = material(given.ask("db", known_version="7", known_incarnation="999"))
    assert found.version == "1"
    assert given.calls[-1] == ("access", "ok")
    assert len(given.calls) == 2


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_newest_version_that_is_off_is_invalid(google: Google, given: Given, state: str) -> None:
    """external-secrets#4042: it is neither absence, nor does the one before come back."""
    google.put("db", b"one")
    google.put("db", b"two")
    google.secrets[None, "db"][1].state = state
    result = given.ask("db", known_version="1")
    assert isinstance(result, Failed)
    assert (result.reason, result.code) == (FetchFailure.INVALID, "VersionNotEnabled")


@pytest.mark.parametrize("pin", ["latest", "prod", "01", "-1", "1:access", "0", "1.0", "\u0661"])
def test_p7_an_alias_is_no_pin(google: Google, given: Given, pin: str) -> None:
    """Aliases move. Nothing is asked."""
    google.put("db", b"one")
    result = given.ask("db", version=pin)
    assert result == Failed(reason=FetchFailure.INVALID, code="VersionIsNoNumber")
    assert ("access", "ok") not in given.calls


def test_a_pinned_number_is_that_number(google: Google, given: Given) -> None:
    """And one that is not there is no absence of the secret."""
    google.put("db", b"one")
    google.put("db", b"two")
    assert material(given.ask("db", version="1")).value.reveal() == b"one"
    gone = given.ask("db", version="3")
    assert gone == Failed(reason=FetchFailure.INVALID, code="VersionNotFound")


def test_a_damaged_payload_is_never_a_value(google: Google, given: Given) -> None:
    """CRC-32C is of the bytes as they were written."""
    google.put("db", b"one")
    google.secrets[None, "db"][0].crc = 0
    result = given.ask("db")
    assert result == Failed(reason=FetchFailure.UNAVAILABLE, code="ChecksumMismatch")


def test_absence_needs_a_right_on_the_project(google: Google, given: Given) -> None:
    """With grants per secret a missing one is denied "(or it may not exist)"."""
    absent = given.ask("db")
    assert isinstance(absent, Failed)
    assert absent.reason is FetchFailure.ABSENT
    google.project_level = False
    denied = given.ask("db")
    assert isinstance(denied, Failed)
    assert denied.reason is FetchFailure.DENIED


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ({"projectNumber": NUMBER}, None),
        ({"projectNumber": "1"}, "ProjectMismatch"),
        ({"project": NUMBER}, None),
    ],
)
def test_the_projects_number_is_compared(
    google: Google, tmp_path: Path, block: dict[str, str], code: str | None
) -> None:
    """Answers carry the number, also where the ID was asked for (terraform-google#11343)."""
    google.put("db", b"one")
    result = Given(google, tmp_path, account(**block)).ask("db")
    if code is None:
        assert material(result).incarnation == NUMBER
    else:
        assert result == Failed(reason=FetchFailure.INVALID, code=code)


def test_a_custom_endpoint_is_asked_in_the_same_way(google: Google, tmp_path: Path) -> None:
    """Private Service Connect: another host, the same paths."""
    google.put("db", b"one")
    endpoint = f"https://localhost:{google.cloud.port}"
    given = Given(google, tmp_path, account(endpoint=endpoint))
    assert material(given.ask("db")).value.reveal() == b"one"
    assert (
        google.cloud.asked[-1].path == f"/v1/projects/{PROJECT}/secrets/db/versions/latest:access"
    )


def test_the_largest_value_arrives(google: Google, given: Given) -> None:
    """64 KiB of every byte."""
    value = bytes(range(256)) * 256
    google.put("db", value)
    assert material(given.ask("db")).value.reveal() == value

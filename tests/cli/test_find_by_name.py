"""What a user may call a snapshot or a version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.exit_codes import CommandError
from cli.find_by_name import find_snapshot, find_version
from contract.object_names import snapshot_name
from controller.snapshot_status import Status
from controller.spec import SnapshotName
from tests import make


def _status(reference: str, account: str = "prod") -> Status:
    return Status(
        account=account,
        identity="controller",
        scheme="aws-sm",
        reference=reference,
        rules=None,
        serving=None,
        version=None,
        fetched_at=None,
        last_success=None,
        last_attempt=None,
        refresh_handled=None,
        failures=0,
        reason=None,
        message=None,
        latest=None,
        pin=None,
        quarantined=(),
        revoked=(),
        history=(),
        consumers=(),
        undemanded_since=None,
    )


def _named(namespace: str, status: Status) -> tuple[SnapshotName, Status]:
    name = snapshot_name(status.account, status.identity, status.scheme, status.reference)
    return SnapshotName(namespace, name), status


DB = _named("payments", _status("/prod/payments/db"))
API = _named("payments", _status("/prod/payments/api"))
ELSEWHERE = _named("orders", _status("/prod/payments/db"))
STANDBY = _named("payments", _status("/prod/payments/db", "standby"))
ALL = dict([DB, API, ELSEWHERE, STANDBY])


@pytest.mark.parametrize(
    ("text", "namespace", "expected"),
    [
        pytest.param(API[0].snapshot, None, API, id="name"),
        pytest.param("lg-prod-payments-a", None, API, id="beginning"),
        pytest.param(API[0].snapshot[-32:], None, API, id="hash"),
        pytest.param("aws-sm:/prod/payments/api", None, API, id="source"),
        pytest.param("aws-sm:/prod/payments/db", "orders", ELSEWHERE, id="source in a namespace"),
        pytest.param("aws-sm@standby:/prod/payments/db", None, STANDBY, id="source of an account"),
    ],
)
def test_one_snapshot_is_meant(
    text: str, namespace: str | None, expected: tuple[SnapshotName, Status]
) -> None:
    """By name, beginning, hash or source."""
    assert find_snapshot(text, namespace, ALL) == expected[0]


@pytest.mark.parametrize(
    ("text", "namespace", "message"),
    [
        ("aws-sm:/prod/payments/db", None, "matches orders/lg-prod-payments-db"),
        ("aws-sm:/prod/payments/db", "payments", "Add --namespace, @account or more characters"),
        ("lg-prod", None, "matches "),
        ("lg-", None, 'snapshot "lg-" not found'),
        ("aws-sm:/prod/payment/api", None, 'Did you mean "aws-sm:/prod/payments/api"?'),
        ("x", "order", 'no snapshots found in namespace order. Did you mean "orders"?'),
        ("x", "zzz", "no snapshots found in namespace zzz. There are some in orders, payments"),
    ],
)
def test_none_or_several_is_an_error_that_helps(
    text: str, namespace: str | None, message: str
) -> None:
    """The nearest spelling, or all that it could be."""
    with pytest.raises(CommandError) as error:
        find_snapshot(text, namespace, ALL)
    assert message in str(error.value)


def test_without_any_snapshot_that_is_said() -> None:
    """Nothing was demanded yet."""
    with pytest.raises(CommandError, match="A snapshot is created when a pod needs it"):
        find_snapshot("x", None, {})


def test_versions_are_found_whole_or_by_four_characters() -> None:
    """Fewer are too few, and several are named."""
    known = ["abcd-1", "abcd-2", "ef12", "abc"]
    assert find_version("abc", known) == "abc"
    assert find_version("ef12", known) == "ef12"
    assert find_version("abcd-", ["abcd-1"]) == "abcd-1"
    assert find_version("ab", known) is None
    with pytest.raises(CommandError, match='"abcd" matches abcd-1, abcd-2'):
        find_version("abcd", known)


@pytest.mark.parametrize(
    ("version", "attempt", "expected"),
    [
        pytest.param("v1", 30.0, (29.0, 30.0), id="written later"),
        pytest.param("v1", 20.0, (10.0, 20.0), id="written before"),
        pytest.param("v2", 30.0, (10.0, 20.0), id="another version"),
    ],
)
def test_p5_a_status_takes_later_times_from_the_freshness_entry(
    version: str, attempt: float, expected: tuple[float, float]
) -> None:
    """And never those of another version."""
    status = replace(_status("/x"), version="v1", last_success=10.0, last_attempt=20.0)
    found = status.aged(make.entry(version, 29.0, last_attempt=attempt))
    assert (found.last_success, found.last_attempt) == expected


@pytest.mark.parametrize(
    ("before", "attempt", "after"),
    [
        pytest.param(None, "absent", "absent", id="it failed since"),
        pytest.param("absent", None, None, id="it succeeded since"),
        pytest.param("absent", "denied", "denied", id="another failure"),
        pytest.param("not-allowed", None, "not-allowed", id="policy refuses it"),
        pytest.param("restored", "absent", "restored", id="a finding"),
    ],
)
def test_a_status_takes_what_a_later_attempt_gave(
    before: str | None, attempt: str | None, after: str | None
) -> None:
    """The freshness entry may be written before the status."""
    status = replace(
        _status("/x"), version="v1", last_success=10.0, last_attempt=20.0, reason=before
    )
    entry = make.entry("v1", 10.0, last_attempt=30.0, reason=attempt)
    assert status.aged(entry).reason == after
    assert status.aged(entry.replace(last_attempt=20.0)).reason == before

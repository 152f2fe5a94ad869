"""Which version is served: what operators ask for, and what checks refuse. The controller is a
process on a real API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.snapshot import KIND
from contract.snapshot_format import META
from tests import make
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.one_secret import DB, ONE, TWO, refresh, rotate, served
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_p12_pin_rollback_and_revocation_need_no_provider(controlled: Controlled) -> None:
    """Each is a change of the spec; the provider is not called for any of them."""
    served(controlled)
    first = controlled.meta(DB)["version"]
    rotate(controlled)
    second, calls = controlled.meta(DB)["version"], controlled.calls()
    name = controlled.snapshot(DB)
    controlled.patch("snap", name, {"spec": {"pin": first}})
    controlled.serves(DB, ONE)
    controlled.patch("snap", name, {"spec": {"pin": None}})
    controlled.serves(DB, TWO)
    controlled.patch("snap", name, {"spec": {"quarantined": [second]}})
    controlled.serves(DB, ONE)
    until("the Event", lambda: controlled.events("RolledBack"), PATIENCE_S)
    (event,) = controlled.events("RolledBack")
    assert event["involvedObject"]["name"] == name
    assert event["message"] == f"rolled back from version {second} to {first}"
    controlled.patch("snap", name, {"spec": {"revoked": [first, second], "quarantined": []}})
    until("the tombstone", lambda: controlled.keys(DB)["value"] == b"", PATIENCE_S)
    assert controlled.keys(DB)["p.password"] == b"", (
        "mount pods project it; see controller/snapshot_writer.py"
    )
    assert controlled.kept(DB) == 0
    controlled.observed(DB)
    assert controlled.status(DB)["state"] == "Revoked"
    assert controlled.calls() == calls


def test_p2_a_version_that_fails_its_checks_is_shown_and_not_served(controlled: Controlled) -> None:
    """An outage's error page where JSON belongs: status and an Event name version and check, and
    what pods are given stays to the byte.
    """
    source = make.source(controlled.name, "file:/**")
    checked = {**source, "validate": [{"json": True}]}
    controlled.patch("secretpolicy", controlled.name, {"spec": {"sources": [checked]}})
    served(controlled)
    good, before = controlled.meta(DB)["version"], controlled.keys(DB)
    controlled.provide(DB, b"<html>502 Bad Gateway</html>")
    refresh(controlled)
    until("the Event", lambda: controlled.events("VersionRejected"), PATIENCE_S)
    (event,) = controlled.events("VersionRejected")
    assert event["involvedObject"]["kind"] == KIND
    assert event["involvedObject"]["name"] == controlled.snapshot(DB)
    until("the status", lambda: controlled.status(DB).get("quarantined"), PATIENCE_S)
    status = controlled.status(DB)
    (bad,) = status["quarantined"]
    assert bad == {"version": status["latest"], "reason": "json"}
    assert event["message"] == (
        f"a new version failed validation and is not served (version {bad['version']}, json)"
    )
    assert (status["version"], status["state"], status["reason"]) == (good, "Fresh", "invalid")
    assert bad["version"] != good
    after = controlled.keys(DB)
    assert {**after, META: b""} == {**before, META: b""}

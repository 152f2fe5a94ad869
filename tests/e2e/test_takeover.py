"""What the next controller takes over from one that ended, on a real API server."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from api.snapshot import KIND
from contract.snapshot_format import META
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.one_secret import DB, ONE, TWO, refresh, rotate, served
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_p5_a_killed_controller_forgets_nothing_and_asks_nothing(controlled: Controlled) -> None:
    """The next one takes value, age and pin from the API server, without one provider call."""
    served(controlled)
    controlled.patch(
        "snap", controlled.snapshot(DB), {"spec": {"pin": controlled.meta(DB)["version"]}}
    )
    controlled.observed(DB)
    before, entry = controlled.meta(DB), controlled.entry(DB)
    controlled.kill()
    controlled.lead()
    assert controlled.said("controller.restored")[0]["snapshots"] >= 1
    controlled.observed(DB)
    assert controlled.calls() == 0
    assert controlled.meta(DB) == before
    assert controlled.entry(DB) == entry


def test_p11_a_deleted_snapshot_object_takes_no_value_and_no_request_with_it(
    controlled: Controlled,
) -> None:
    """It is made again with what the record has, also after a restart without it."""
    served(controlled)
    rotate(controlled)
    version = controlled.meta(DB)["version"]
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"pin": version}})
    controlled.observed(DB)
    controlled.kill()
    controlled.kubectl("delete", "snap", "--all")
    controlled.lead()
    controlled.serves(DB, TWO)
    name = controlled.snapshot(DB)
    found = until("it to be made again", lambda: controlled.get("snap", name), PATIENCE_S)
    assert found is not None
    assert found["spec"]["pin"] == version
    assert controlled.calls() == 0
    controlled.kubectl("delete", "snap", "--all")
    controlled.serves(DB, TWO)
    assert controlled.meta(DB)["pin"] == version


def test_p5_a_restored_backup_is_as_old_as_its_value(controlled: Controlled) -> None:
    """Another cluster's UID in meta.json: its freshness entry is not believed."""
    served(controlled)
    controlled.kill()
    (controlled.folder / "provider/prod/db").unlink()
    meta = {**controlled.meta(DB), "cluster": "another", "fetched_at": 1_000_000_000.0}
    text = base64.b64encode(json.dumps(meta).encode()).decode()
    controlled.patch("secret", controlled.record_name(DB), {"data": {META: text}})
    controlled.lead()
    until("it to be expired", lambda: controlled.status(DB)["state"] == "Expired", PATIENCE_S)
    assert controlled.status(DB)["lastSuccess"].startswith("2001-09-09")
    assert controlled.keys(DB)["value"] == ONE
    for reason in ("RestoredBackup", "Expired"):
        until(f"the Event {reason}", partial(controlled.events, reason), PATIENCE_S)
        assert {it["involvedObject"]["kind"] for it in controlled.events(reason)} == {KIND}
    assert "another cluster" in controlled.events("RestoredBackup")[0]["message"]
    status = controlled.status(DB)
    assert status["unconfirmedSince"] == status["lastSuccess"]
    assert [item["type"] for item in status["conditions"]] == ["Ready", "Fresh", "Restored"]
    alarms = controlled.said("controller.alarm")
    (alarm,) = (item for item in alarms if item["namespace"] == controlled.name)
    assert (alarm["kind"], alarm["snapshot"]) == ("restored", controlled.snapshot(DB))
    controlled.provide(DB, ONE)
    refresh(controlled)
    until("it to be ours", lambda: len(controlled.status(DB)["conditions"]) == 2, PATIENCE_S)
    assert {"unconfirmedSince", "reason"}.isdisjoint(controlled.status(DB))


def test_p11_a_second_replica_takes_over_and_asks_nothing_again(controlled: Controlled) -> None:
    """The first is killed; the second leads when the Lease has run out."""
    served(controlled)
    controlled.start("--without-self-check")
    until("the second to start", lambda: controlled.said("controller.started"), PATIENCE_S)
    assert not controlled.said("controller.restored")
    controlled.processes[0].kill()
    until("the second to lead", lambda: controlled.said("controller.restored"), 60.0)
    controlled.patch("snap", controlled.snapshot(DB), {"spec": {"quarantined": ["none"]}})
    controlled.observed(DB)
    assert controlled.calls() == 0
    assert controlled.keys(DB)["value"] == ONE

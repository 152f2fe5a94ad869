"""A Secret that has a snapshot's name and is somebody else's, where the chart's policies hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.snapshot_format import META, SECRET_TYPE
from tests.e2e.controlled import PATIENCE_S
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.controlled import Json
    from tests.e2e.installed import Installed

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]
DB = "/prod/db"
ONE = b'{"password":"one"}'


def _secret(world: Installed) -> Json:
    found = world.get("secret", world.snapshot(DB))
    assert found is not None
    return found


def _told(world: Installed) -> Json:
    """The Secret is there before the chart, and the controller has said that it is foreign; the
    Secret as it was.
    """
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": world.snapshot(DB)}}
    content = {"mine": "yes", META: "{}"}
    world.create({**foreign, "type": "Opaque", "stringData": content})
    before = _secret(world)
    world.install()
    world.provide(DB, ONE)
    world.pod("web-1", DB)
    world.lead()
    until("the status", lambda: world.status(DB).get("reason") == "foreign-secret", PATIENCE_S)
    until("the Event", lambda: world.events("SecretNotSynced"), PATIENCE_S)
    (event,) = world.events("SecretNotSynced")
    assert event["involvedObject"]["name"] == "web-1"
    for words in (f"file:{DB}", "foreign-secret", "create it under another name"):
        assert words in event["message"]
    assert world.status(DB)["state"] == "Foreign"
    (ready,) = [it for it in world.status(DB)["conditions"] if it["type"] == "Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "ForeignSecret")
    return before


def test_p13_a_secret_of_before_the_installation_is_never_adopted(installed: Installed) -> None:
    """The policies keep it from the controller, which says so and leaves it as it was; once its
    owner has removed it, the snapshot is served.
    """
    before = _told(installed)
    assert _secret(installed) == before
    installed.kubectl("delete", "secret", installed.snapshot(DB))
    installed.serves(DB, ONE)


def test_p13_one_of_our_type_gets_the_snapshots_content(installed: Installed) -> None:
    """Somebody wrote it while the policies were away. Nothing of it is read, and nothing stays."""
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": installed.snapshot(DB)}}
    content = {"mine": "yes", META: "{}"}
    installed.create({**foreign, "type": SECRET_TYPE, "stringData": content})
    installed.install()
    installed.provide(DB, ONE)
    installed.pod("web-1", DB)
    installed.lead()
    installed.serves(DB, ONE)
    assert "mine" not in installed.keys(DB)

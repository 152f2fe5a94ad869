"""What a controller that starts takes over from the records."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from contract.ages import Confirmed, Entry
from controller.publish import publish
from controller.record_store import Records
from controller.restore import Restore
from controller.tenant_secrets import Secrets
from kube.errors import of_status
from refresh.model import SnapshotKey, SourceKey
from refresh.snapshot_data import publication
from tests.controller.secret_server import SecretServer
from tests.controller.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.restore import Restored

SYSTEM, OURS = "lastgood-system", "our-cluster"
UIDS = {"payments": "uid-1", "orders": "uid-2"}
ENTRY = Entry(
    served=Confirmed(version="v2", last_success=90.0), prior=None, last_attempt=95.0, reason=None
)


def _key(namespace: str, number: int = 0) -> SnapshotKey:
    source = SourceKey("prod", "payments", "aws-sm", f"/prod/{namespace}/{number}")
    return SnapshotKey(namespace, source)


class Maps:
    """Ages of every snapshot."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.failing = 0

    async def load(self, namespace: str) -> None:
        self.loaded.append(namespace)
        if self.failing:
            self.failing -= 1
            raise of_status(503, reason="", method="GET", path="/configmaps")

    def entry(self, namespace: str, name: str) -> Entry:
        assert namespace in self.loaded, name
        return ENTRY


class World:
    """An API server with the records of five snapshots."""

    def __init__(self, *, cluster: str = OURS) -> None:
        self.server = SecretServer()
        self.maps = Maps()
        self.uids = self.server.namespaces = dict(UIDS)
        self.keys = [_key("payments", number) for number in range(3)]
        self.keys += [_key("orders", number) for number in range(2)]
        asyncio.run(self._publish(cluster))

    async def _publish(self, cluster: str) -> None:
        records, secrets = self.records(), Secrets(self.server)
        state = STEPS["rotation"][1]
        for key in self.keys:
            await publish(records, secrets, key, publication(key, state, (), cluster))

    def records(self) -> Records:
        return Records(self.server, SYSTEM, lambda name: self.uids.get(name, ""), b"salt")

    def restore(
        self, statuses: Mapping[tuple[str, str], dict[str, Any]] | None = None
    ) -> tuple[list[Restored], Records]:
        seen = {at: SimpleNamespace(status=status) for at, status in (statuses or {}).items()}
        records = self.records()
        restore = Restore(
            records,
            cast("Any", self.maps),
            cast("Any", SimpleNamespace(items=seen)),
            lambda name: self.uids.get(name, ""),
            OURS,
        )

        async def run() -> list[Restored]:
            return [found async for found in restore.everything() if found is not None]

        return asyncio.run(run()), records


def test_p2_every_record_is_taken_over_with_its_age() -> None:
    """By one list; of each namespace the ages are read."""
    world = World()
    world.server.requests.clear()
    found, _ = world.restore()
    assert {item.key.source.snapshot for item in found} == {
        key.source.snapshot for key in world.keys
    }
    assert {item.entry for item in found} == {ENTRY}
    assert set(world.maps.loaded) == set(UIDS)
    assert not [line for line in world.server.requests if not line.startswith("GET")]


def test_p2_a_list_that_grew_too_old_begins_again_and_nothing_comes_twice() -> None:
    """As after a pause of minutes on the way."""
    world = World()
    world.server.gone = 1
    found, _ = world.restore()
    assert len(found) == len(world.keys)


def test_p5_ages_that_cant_be_read_for_a_moment_are_waited_for() -> None:
    """Or a value would look older than it is, and a class that refuses would hold its pods."""
    world = World()
    world.maps.failing = 2
    found, _ = world.restore()
    assert {item.entry for item in found} == {ENTRY}
    assert len(found) == len(world.keys)


def test_what_the_status_remembers_of_time_goes_on() -> None:
    """Since when nobody uses it, since when policy refuses it, and which refresh was answered."""
    world = World()
    key = world.keys[0]
    since = "2026-01-01T00:00:00Z"
    status = {"unusedSince": since, "refusedSince": since, "lastHandledRefresh": since}
    found, _ = world.restore({(key.namespace, key.source.snapshot): status})
    (mine,) = [item for item in found if item.key.source.snapshot == key.source.snapshot]
    assert mine.undemanded_since == mine.refused_since == mine.refresh_handled == 1767225600.0


def test_p13_a_namespace_that_was_made_again_gets_nothing_of_the_former() -> None:
    """It has another UID, and may be another team's; the former's records are removed."""
    world = World()
    world.uids["payments"] = "uid-of-another"
    found, records = world.restore()
    assert {item.key.namespace for item in found} == {"orders"}
    assert _swept(world, records) == 2


def test_a_deleted_namespaces_records_are_removed() -> None:
    """Its Secrets went with it."""
    world = World()
    del world.uids["orders"]
    found, records = world.restore()
    assert {item.key.namespace for item in found} == {"payments"}
    assert _swept(world, records) == 3


def test_p13_a_record_that_was_made_since_is_not_removed_for_the_former() -> None:
    """The team came back meanwhile: the name is the same, the UID is another."""
    world = World()
    del world.uids["orders"]
    _, records = world.restore()
    for path, stored in world.server.objects.items():
        if SYSTEM in path:
            stored["metadata"]["uid"] = "made-since"
    assert _swept(world, records) == 5


def test_p5_another_clusters_records_are_taken_over_though_uids_are_others() -> None:
    """A backup of both namespaces; where the team's is not there yet its record stays."""
    world = World(cluster="another-cluster")
    world.uids = {"payments": "uid-here"}
    found, records = world.restore()
    assert {item.key.namespace for item in found} == {"payments"}
    assert not records.has_orphans
    held = records.get(world.keys[0])
    assert held is not None
    assert held.namespace_uid == "uid-here"


def test_p2_a_record_that_cant_be_read_stops_no_other() -> None:
    """It stays, and is written over when its snapshot is fetched."""
    world = World()
    path = next(path for path in world.server.objects if SYSTEM in path)
    world.server.objects[path]["data"]["record.json"] = "e30="
    found, records = world.restore()
    assert len(found) == len(world.keys) - 1
    assert not records.has_orphans


def _swept(world: World, records: Records) -> int:
    """How many records are left after those without a namespace were removed."""

    async def sweep() -> None:
        while records.has_orphans:
            await records.remove_orphan()

    asyncio.run(sweep())
    return sum(SYSTEM in path for path in world.server.objects)

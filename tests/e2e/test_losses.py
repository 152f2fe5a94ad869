"""What is lost with a namespace or a record, and what is not: pods keep what they were given. The
controller is a process on a real API server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contract import ages
from contract.snapshot_format import META
from tests import make
from tests.e2e.controlled import PATIENCE_S, Controlled, Json
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]
DB = "/prod/db"
ONE, TWO = b'{"password":"one"}', b'{"password":"two"}'


class Apart(Controlled):
    """The controller's namespace is another than the team's."""

    @property
    def system(self) -> str:
        return f"{self.name}-system"

    def make(self, manifest: Json) -> None:
        """An object in the controller's namespace."""
        self.kubectl(*("create", "-f", "-", "--namespace", self.system), stdin=json.dumps(manifest))


@pytest.fixture
def apart(controlled: Controlled) -> Iterator[Apart]:
    """Both namespaces."""
    made = Apart(name=controlled.name, folder=controlled.folder)
    made.kubectl("create", "namespace", made.system)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    made.make({**lease, "metadata": {"name": "lastgood-controller"}})
    try:
        yield made
    finally:
        made.end()
        made.kubectl("delete", "namespace", made.system, "--wait=false", "--ignore-not-found")


def _served(world: Apart) -> None:
    world.provide(DB, ONE)
    world.declare(DB)
    world.lead()
    world.serves(DB, ONE)


def _refresh(world: Apart, year: int) -> None:
    """Asks for a refresh; a controller handles each time that it has not seen once."""
    asked = f"lastgood.dev/refresh-requested={year}-01-01T00:00:00Z"
    world.kubectl("annotate", "snap", world.snapshot(DB), asked, "--overwrite")


def _rotate(world: Apart) -> None:
    world.provide(DB, TWO)
    _refresh(world, 2100)
    world.serves(DB, TWO)


def _provider_away(world: Apart) -> None:
    (world.provider / DB.removeprefix("/")).unlink()


def _records(world: Apart) -> list[Json]:
    text = world.kubectl("get", "secrets", "-n", world.system, "-o", "json")
    found: list[Json] = json.loads(text)["items"]
    return [item for item in found if item["type"] == "lastgood.dev/record"]


def test_p2_what_somebody_does_to_a_secret_is_undone_after_a_restart(apart: Apart) -> None:
    """Nobody asks for it; the record says what is to be there. The provider is not called."""
    _served(apart)
    apart.kill()
    name = apart.snapshot(DB)
    meant = apart.keys(DB)
    apart.patch("secret", name, {"data": {"value": "b3RoZXI=", META: "e30="}})
    apart.lead()
    until("its content", lambda: apart.keys(DB) == meant, PATIENCE_S)
    apart.kill()
    apart.kubectl("delete", "secret", name)
    apart.lead()
    until("the Secret", lambda: apart.keys(DB) == meant, PATIENCE_S)
    assert apart.calls() == 0


@pytest.mark.parametrize("running", [True, False], ids=["controller up", "controller down"])
def test_p13_a_deleted_namespace_takes_its_records_with_it(apart: Apart, *, running: bool) -> None:
    """One of the same name may be another team's: no pin, no kept version, no age goes over."""
    _served(apart)
    _rotate(apart)
    apart.patch("snap", apart.snapshot(DB), {"spec": {"pin": apart.meta(DB)["version"]}})
    apart.observed(DB)
    assert apart.kept(DB) == 1
    if not running:
        apart.kill()
    apart.kubectl("delete", "namespace", apart.name, "--timeout=60s")
    if running:
        until("the record to go", lambda: not _records(apart), PATIENCE_S)
    apart.apply(make.namespace(apart.name, apart.name))
    apart.declare(DB)
    if not running:
        apart.lead()
    apart.serves(DB, TWO)
    until("its own record", lambda: apart.record(DB), PATIENCE_S)
    assert apart.kept(DB) == 0
    assert apart.meta(DB)["pin"] is None


def test_p2_lost_records_take_nothing_from_pods(apart: Apart) -> None:
    """The release's namespace is gone, and the provider does not answer: value and age stay as pods
    have them, and a revocation in the SecretSnapshot holds. Then the provider's answer is served.
    """
    _served(apart)
    _rotate(apart)
    apart.patch("snap", apart.snapshot(DB), {"spec": {"revoked": ["no-such-version"]}})
    apart.observed(DB)
    before, version = apart.keys(DB), apart.meta(DB)["version"]
    until("its age", lambda: _aged(apart) == version, PATIENCE_S)
    apart.kill()
    for record in _records(apart):
        apart.kubectl("delete", "secret", record["metadata"]["name"], "-n", apart.system)
    _provider_away(apart)
    apart.lead()
    until("a failed fetch", lambda: apart.status(DB).get("reason") == "absent", PATIENCE_S)
    until("its reason beside the age", lambda: _reason(apart) == "absent", PATIENCE_S)
    assert apart.keys(DB) == before
    assert _aged(apart) == version
    apart.provide(DB, TWO)
    _refresh(apart, 2101)
    until("a new record", lambda: apart.record(DB), PATIENCE_S)
    apart.serves(DB, TWO)
    assert apart.meta(DB)["revoked"] == ["no-such-version"]


def _reason(world: Apart) -> str | None:
    entry: ages.Entry | None = world.entry(DB)
    return None if entry is None else entry.reason


def test_p12_what_is_revoked_after_its_record_was_lost_goes(apart: Apart) -> None:
    """The provider does not answer, and the ages tell which version pods were given."""
    _served(apart)
    version = apart.meta(DB)["version"]
    until("its age", lambda: _aged(apart) == version, PATIENCE_S)
    apart.kill()
    for record in _records(apart):
        apart.kubectl("delete", "secret", record["metadata"]["name"], "-n", apart.system)
    _provider_away(apart)
    apart.lead()
    apart.patch("snap", apart.snapshot(DB), {"spec": {"revoked": [version]}})
    until("the tombstone", lambda: apart.keys(DB)["value"] == b"", PATIENCE_S)
    assert apart.meta(DB)["serving"] == "revoked"


def test_p2_a_restored_record_takes_no_newer_value_from_pods(apart: Apart) -> None:
    """The records are of yesterday's backup, and the provider does not answer: what pods have is
    newer, and stays until somebody says otherwise.
    """
    _served(apart)
    until("its record", lambda: b'"whole":true' in apart.record(DB)["record.json"], PATIENCE_S)
    (old,) = _records(apart)
    _rotate(apart)
    newer, version = apart.keys(DB), apart.meta(DB)["version"]
    until("its age", lambda: _aged(apart) == version, PATIENCE_S)
    apart.kill()
    name = old["metadata"]["name"]
    apart.kubectl("delete", "secret", name, "-n", apart.system)
    for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        old["metadata"].pop(field, None)
    apart.make(old)
    _provider_away(apart)
    apart.lead()
    _refresh(apart, 2101)
    until("a failed fetch", lambda: apart.status(DB).get("reason") == "absent", PATIENCE_S)
    assert apart.keys(DB) == newer
    apart.provide(DB, TWO)
    _refresh(apart, 2102)
    until("the record to know", lambda: apart.record(DB).get("value") == TWO, PATIENCE_S)
    apart.serves(DB, TWO)


def test_a_namespace_without_rights_says_so(apart: Apart) -> None:
    """The chart limits the controller to others: nothing is fetched, and the status says why."""
    apart.provide(DB, ONE)
    apart.declare(DB)
    apart.free()
    apart.start("--without-self-check", "--only-namespaces", "another")
    until("the status", lambda: apart.status(DB).get("reason") == "no-rights", PATIENCE_S)
    assert apart.calls() == 0
    assert not apart.keys(DB)


def test_p5_a_restored_namespace_keeps_value_pin_and_age(apart: Apart) -> None:
    """Of the same cluster: the namespace was deleted, and a backup brought its objects back while
    the provider does not answer. The former's record is of another namespace, and goes.
    """
    _served(apart)
    first = apart.meta(DB)["version"]
    _rotate(apart)
    apart.patch("snap", apart.snapshot(DB), {"spec": {"pin": first}})
    apart.serves(DB, ONE)
    apart.observed(DB)
    until("its age", lambda: _aged(apart) == first, PATIENCE_S)
    keys, name = apart.keys(DB), apart.snapshot(DB)
    backup = [apart.get(*it) for it in (("secret", name), ("configmap", ages.CONFIG_MAP))]
    snap = apart.get("snap", name)
    apart.kill()
    apart.kubectl("delete", "namespace", apart.name, "--timeout=60s")
    apart.apply(make.namespace(apart.name, apart.name))
    for found in (*backup, snap):
        assert found is not None
        metadata = {"name": found["metadata"]["name"], "labels": found["metadata"].get("labels")}
        apart.create({**found, "metadata": metadata})
    _provider_away(apart)
    apart.lead()
    until("a failed fetch", lambda: _reason(apart) == "absent", PATIENCE_S)
    until("the former's record to go", lambda: not _records(apart), PATIENCE_S)
    assert apart.keys(DB) == keys
    assert _aged(apart) == first
    apart.provide(DB, TWO)
    asked = "lastgood.dev/refresh-requested=2101-01-01T00:00:00Z"
    apart.kubectl("annotate", "snap", name, asked, "--overwrite")
    until("an answer", lambda: apart.status(DB).get("latest"), PATIENCE_S)
    assert apart.keys(DB) == keys, "the pin is of a version that the provider has no more"


def test_ages_end_with_the_snapshots_that_they_are_of(apart: Apart) -> None:
    """However often absent ones are declared and removed; the others' stay."""
    _served(apart)
    for _ in range(2):
        names = [apart.declare(f"/absent/{number}") for number in range(15)]
        until("their entries", lambda: len(_entries(apart)) > 10, PATIENCE_S)
        apart.kubectl("delete", "snap", *names)
    until("them to end", lambda: _entries(apart) == {apart.snapshot(DB)}, PATIENCE_S)


def _aged(world: Apart) -> str | None:
    """The version that the ages tell of."""
    entry = world.entry(DB)
    return None if entry is None or entry.served is None else entry.served.version


def _entries(world: Apart) -> set[str]:
    found = world.get("configmap", ages.CONFIG_MAP)
    return set() if found is None else set(found["data"])


def test_a_quota_that_is_used_up_is_told_and_got_over(apart: Apart) -> None:
    """The API server refuses the Secret with 403, as it does where a right is missing."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    apart.create({**quota, "spec": {"hard": {"secrets": "0"}}})
    until("the quota", lambda: (apart.get("quota", "none") or {}).get("status"), PATIENCE_S)
    apart.provide(DB, ONE)
    apart.declare(DB)
    apart.lead()
    until("the status", lambda: apart.status(DB).get("reason") == "write-refused", PATIENCE_S)
    assert apart.status(DB)["state"] == "NotWritten"
    apart.kubectl("delete", "quota", "none")
    apart.serves(DB, ONE)


def test_p5_ages_that_cant_be_written_are_told(apart: Apart) -> None:
    """Somebody made the ConfigMap immutable: pods see the old age, and so does the status."""
    _served(apart)
    apart.patch("configmap", ages.CONFIG_MAP, {"immutable": True})
    _rotate(apart)
    until("the reason", lambda: apart.status(DB).get("reason") == "ages-not-written", 120)
    until("the Event", lambda: apart.events("AgesNotWritten"), PATIENCE_S)
    assert apart.status(DB)["version"] != _aged(apart), "pods see the age of the one before"
    assert 'lastgood_writes_failed_total{error="InvalidError",what="freshness"}' in apart.metrics()
    apart.kubectl("delete", "configmap", ages.CONFIG_MAP)
    until("it to be well", lambda: "reason" not in apart.status(DB), PATIENCE_S)

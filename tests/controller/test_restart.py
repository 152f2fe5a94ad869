"""A controller that is killed and starts again: nothing forgotten, and no storm."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from apiserver.faults import Fault, FaultRule
from contract import layout
from contract.ages import CONFIG_MAP
from contract.snapshot_format import META
from controller.snapshot_record import record_name
from kube.api_resources import CONFIG_MAPS, SECRET_SNAPSHOTS, SECRETS
from tests import make
from tests.make.cluster import snapshot_of
from tests.make.standin import SYSTEM
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.make.cluster import World

MANY = [f"/prod/payments/s{number}" for number in range(12)]


def _serve_many(world: World) -> None:
    for reference in MANY:
        world.secret(reference, b"one of " + reference.encode())
    world.pod("api-1", *MANY)
    world.start()
    for reference in MANY:
        world.serves(reference, b"one of " + reference.encode())


def test_p4_killed_and_restarted_it_calls_the_provider_for_nothing_that_it_holds(
    world: World,
) -> None:
    """After kill -9 every snapshot is restored, and their refreshes are spread over the interval
    instead of coming at once.
    """
    _serve_many(world)
    assert world.calls() == len(MANY)
    world.end(signal.SIGKILL)
    world.start()
    assert world.events("controller.restored")[0]["snapshots"] == len(MANY)
    time.sleep(1.0)
    assert world.calls() < len(MANY) / 2, "what came due meanwhile"


def test_p5_a_restart_makes_no_age_younger(world: World) -> None:
    """What the freshness entry and the status say of the last success is not later than before."""
    _serve_many(world)
    before = {reference: world.age(reference) for reference in MANY}
    shown = world.shown(MANY[0])
    world.end(signal.SIGKILL)
    for path in (world.files / "prod" / "payments").iterdir():
        path.unlink()
    world.start()
    for reference in MANY:
        entry, was = world.age(reference), before[reference]
        assert entry is not None
        assert was is not None
        assert entry.served == was.served
    assert world.shown(MANY[0])["lastSuccess"] <= shown["lastSuccess"]


def test_p12_a_restart_forgets_no_pin_quarantine_or_revocation(world: World) -> None:
    """All three hold in meta.json after kill -9, also when the SecretSnapshots are lost. None of
    what was refused is served, although the provider still has it.
    """
    pinned, rolled, revoked = MANY[:3]
    _serve_many(world)
    first = {reference: world.version(reference) for reference in MANY[:3]}
    for reference in MANY[:3]:
        world.secret(reference, b"two")
        world.refresh(reference)
        world.serves(reference, b"two")
    second = world.version(revoked)
    world.lastgood("pin", f"file:{pinned}", first[pinned])
    world.lastgood("rollback", f"file:{rolled}")
    world.lastgood("revoke", f"file:{revoked}", second)
    before = {reference: world.volume(reference) for reference in MANY[:3]}
    assert all(volume["value"] != b"two" for volume in before.values())

    world.end(signal.SIGKILL)
    world.start()
    assert {reference: world.volume(reference) for reference in MANY[:3]} == before

    world.end(signal.SIGKILL)
    for reference in MANY:
        world.server.delete(SECRET_SNAPSHOTS, snapshot_of(reference), "payments")
    world.start()
    until("new SecretSnapshots", lambda: all(world.shown(at) for at in MANY[:3]))
    for reference in MANY[:3]:
        world.refresh(reference)
    after = {reference: world.volume(reference) for reference in MANY[:3]}
    assert {name: volume[META] for name, volume in after.items()} == {
        name: volume[META] for name, volume in before.items()
    }
    assert after == before


def test_p2_nothing_is_published_twice(world: World) -> None:
    """A restart and a refresh that confirms what is served change neither Secret nor record."""
    _serve_many(world)
    before = _versions(world)
    world.end(signal.SIGKILL)
    world.start()
    world.refresh(MANY[0])
    assert _versions(world) == before


def _versions(world: World) -> list[str]:
    """Resource versions of one snapshot's Secret and of its record."""
    name = snapshot_of(MANY[0])
    found = [
        world.server.get(SECRETS, name, "payments"),
        world.server.get(SECRETS, record_name("payments", name), SYSTEM),
    ]
    return [item["metadata"]["resourceVersion"] for item in found if item is not None]


def test_a_broken_meta_is_refused_and_the_rest_is_restored(world: World) -> None:
    """One record that can't be read keeps its snapshot from being written, and no other. Its Secret
    stays as it was. It is fetched and written once the record is removed.
    """
    _serve_many(world)
    world.end(signal.SIGKILL)
    name, reference = record_name("payments", snapshot_of(MANY[0])), MANY[0]
    world.server.patch(SECRETS, name, {"data": {META: "e30="}}, namespace=SYSTEM)
    world.secret(reference, b"two")
    world.start()
    assert world.events("controller.restored")[0]["snapshots"] == len(MANY) - 1
    assert world.events("controller.not_restored")[0]["record"] == name
    until("its status", lambda: world.shown(reference)["state"] == "NotWritten")
    assert world.shown(reference)["reason"] == "record-not-written"
    assert world.volume(reference)["value"] == b"one of " + reference.encode()
    assert world.calls() < len(MANY) / 2, "it, and what came due meanwhile"
    world.server.delete(SECRETS, name, SYSTEM)
    world.serves(reference, b"two")


def test_statuses_that_cannot_be_written_stop_nothing(world: World) -> None:
    """As when etcd is full: values go on, the log says so, and later statuses are written."""
    _serve_many(world)
    told_before = len(world.events("controller.status_not_written"))
    snapshots = "/apis/lastgood.dev/v1alpha1/namespaces/payments/secretsnapshots.*"
    world.server.break_requests(
        FaultRule(fault=Fault.STATUS, method="POST|PATCH", path=snapshots, times=float("inf"))
    )
    world.secret("/prod/payments/new", b"new")
    world.pod("api-2", "/prod/payments/new")
    until("the value", lambda: world.volume("/prod/payments/new").get("value") == b"new")
    until("its age", lambda: world.age("/prod/payments/new"))
    until("the log", lambda: len(world.events("controller.status_not_written")) > told_before)
    assert not world.snapshot("/prod/payments/new")
    assert not world.ended(), world.log()
    world.server.repair()
    world.serves("/prod/payments/new", b"new")


def test_strays_stop_no_controller(world: World) -> None:
    """Objects of ours that somebody else wrote, with nothing in them that can be read, at work and
    at the next start.
    """
    _serve_many(world)
    gate = make.container(layout.GATE, args=["gate", "--plan", "{"])
    world.server.apply(make.pod("stray", annotations={}, initContainers=[gate]))
    for kind, namespace, name in (
        ("record", SYSTEM, "lgr-payments-stray"),
        ("snapshot", "payments", "lg-stray"),
    ):
        metadata = {"name": name, "namespace": namespace}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        world.server.apply(secret | {"type": f"lastgood.dev/{kind}", "data": {META: "e30="}})
    stray = {"data": {"lg-stray": "{", "stray": "x"}}
    world.server.patch(CONFIG_MAPS, CONFIG_MAP, stray, namespace="payments")
    world.declare("/prod/payments/stray", name="stray")
    world.secret("/prod/payments/new", b"new")
    world.pod("api-2", "/prod/payments/new")
    world.serves("/prod/payments/new", b"new")
    world.end(signal.SIGKILL)
    world.start()
    assert world.events("controller.restored")[0]["snapshots"] == len(MANY) + 1
    assert [said["record"] for said in world.events("controller.not_restored")] == [
        "lgr-payments-stray"
    ]

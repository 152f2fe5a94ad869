"""A controller that is killed and starts again: nothing forgotten, and no storm."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from contract.snapshot import META
from tests.make.embedded import snapshot_of, until

if TYPE_CHECKING:
    from tests.make.embedded import World

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
    shown = world.status(MANY[0])
    world.end(signal.SIGKILL)
    for path in (world.files / "prod" / "payments").iterdir():
        path.unlink()
    world.start()
    for reference in MANY:
        entry, was = world.age(reference), before[reference]
        assert entry is not None
        assert was is not None
        assert entry.served == was.served
    assert world.status(MANY[0])["last_success"] <= shown["last_success"] + 0.001


def test_p12_a_restart_forgets_no_pin_quarantine_or_revocation(world: World) -> None:
    """All three hold in meta.json after kill -9, also when the specs are lost, and none of what was
    refused is served although the provider still has it.
    """
    pinned, rolled, revoked = MANY[:3]
    _serve_many(world)
    first = {reference: world.status(reference)["version"] for reference in MANY[:3]}
    for reference in MANY[:3]:
        world.secret(reference, b"two")
        world.lastgood("refresh", f"file:{reference}")
        world.serves(reference, b"two")
    second = world.status(revoked)["version"]
    world.lastgood("pin", f"file:{pinned}", first[pinned])
    world.lastgood("rollback", f"file:{rolled}")
    world.lastgood("revoke", f"file:{revoked}", second)
    before = {reference: world.volume(reference) for reference in MANY[:3]}
    assert all(volume["value"] != b"two" for volume in before.values())

    world.end(signal.SIGKILL)
    world.start()
    assert {reference: world.volume(reference) for reference in MANY[:3]} == before

    world.end(signal.SIGKILL)
    for path in (world.store / "snapshots" / "payments").iterdir():
        path.unlink()
    world.start()
    for reference in MANY[:3]:
        world.lastgood("refresh", f"file:{reference}")
    after = {reference: world.volume(reference) for reference in MANY[:3]}
    assert {name: volume[META] for name, volume in after.items()} == {
        name: volume[META] for name, volume in before.items()
    }
    assert after == before


def test_p2_nothing_is_published_twice(world: World) -> None:
    """A restart and a refresh that confirms what is served swap no volume."""
    _serve_many(world)
    folder = world.store / "volumes" / "payments" / snapshot_of(MANY[0])
    revision = (folder / "..data").readlink()
    world.end(signal.SIGKILL)
    world.start()
    world.lastgood("refresh", f"file:{MANY[0]}")
    assert (folder / "..data").readlink() == revision


def test_a_broken_meta_is_refused_and_the_rest_is_restored(world: World) -> None:
    """One snapshot that can't be read costs a fetch of it, and no other."""
    _serve_many(world)
    world.end(signal.SIGKILL)
    folder = world.store / "volumes" / "payments" / snapshot_of(MANY[0])
    (folder / META).resolve().write_text("{}")
    world.start()
    assert world.events("controller.restored")[0]["snapshots"] == len(MANY) - 1
    assert world.events("controller.not_restored")[0]["snapshot"] == snapshot_of(MANY[0])
    world.serves(MANY[0], b"one of " + MANY[0].encode())
    assert world.calls() < len(MANY) / 2, "it, and what came due meanwhile"


def test_statuses_that_cannot_be_written_stop_nothing(world: World) -> None:
    """As when the store is full: values go on, one line says so, and later they are written."""
    _serve_many(world)
    statuses = world.store / "snapshots" / "payments"
    statuses.rename(world.root / "away")
    statuses.write_text("in the way")
    world.secret(MANY[0], b"two")
    world.secret("/prod/payments/new", b"new")
    world.pod("api-2", "/prod/payments/new")
    world.pod("api-3", "/prod/billing/refused")
    world.serves("/prod/payments/new", b"new")
    time.sleep(1.0)
    assert not world.ended(), world.log()
    assert len(world.events("controller.statuses_not_written")) == 1
    statuses.unlink()
    (world.root / "away").rename(statuses)
    until("a status", lambda: world.command("status", "file:/prod/payments/new").returncode == 0)
    refused = "file:/prod/billing/refused"
    until("the refused one's", lambda: world.command("status", refused).returncode == 0)


def test_strays_in_the_store_stop_no_controller(world: World) -> None:
    """Links that lead nowhere, and files where folders belong, at work and at the next start."""
    _serve_many(world)
    for link in ("pods/x.json", "config/x.yaml", "snapshots/payments/x.spec.json"):
        (world.store / link).symlink_to((world.store / link).name)
    for file in ("volumes/x", "volumes/payments/x", "snapshots/x"):
        (world.store / file).write_text("x")
    world.secret("/prod/payments/new", b"new")
    world.pod("api-2", "/prod/payments/new")
    world.serves("/prod/payments/new", b"new")
    world.end(signal.SIGKILL)
    world.start()
    assert world.events("controller.restored")[0]["snapshots"] == len(MANY) + 1

"""A new version that lost a member which running pods use, on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract import layout, plan
from kube.api_resources import PODS, SECRET_SNAPSHOTS
from tests import make
from tests.make.cluster import POLICY, snapshot_of
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.make.cluster import World

Json = dict[str, Any]
DB = "/prod/payments/db"
BOTH = b'{"username":"u","password":"p"}'
RUNNING = {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"}


def _pod(world: World, name: str, member: str, bundle: str | None = None) -> None:
    """An injected pod that takes one member."""
    planned = make.planned_snapshot(
        make.planned_file("db", part=member),
        account="files",
        identity="controller",
        scheme="file",
        reference=DB,
    )
    args = ["gate", "--plan", plan.to_wire(make.plan(planned, bundle=bundle))]
    gate = make.container(layout.GATE, args=args)
    world.server.apply(make.pod(name, namespace="payments", annotations={}, initContainers=[gate]))


def _condition(world: World, kind: str) -> Json:
    found = world.shown(DB).get("conditions") or []
    return next((item for item in found if item["type"] == kind), {})


def test_p2_a_version_without_a_password_in_use_is_held_until_its_pods_are_gone(
    world: World,
) -> None:
    """A pod that starts meanwhile gets the last good one. Status, Event and `explain` name the
    member and the pods; a restart forgets none of it. A waiting pod is no user.
    """
    world.secret(DB, BOTH)
    for name, member in (("api-0", "password"), ("api-1", "password"), ("web", "username")):
        _pod(world, name, member)
        world.stand(name, RUNNING)
    world.start()
    world.serves(DB, BOTH)
    first = world.version(DB)
    world.secret(DB, b"{}")
    world.refresh(DB)
    until("the hold", lambda: _condition(world, "Held").get("status") == "True")
    shown = world.shown(DB)
    assert (shown["version"], shown["reason"]) == (first, "lost-member")
    assert (
        "password, which pods use: api-0, api-1; username, which pods use: web"
        in (_condition(world, "Held")["message"])
    )
    assert shown["message"] == _condition(world, "Held")["message"]
    (said,) = until("the Event", lambda: world.told("VersionHeld", shown_name(world)))
    assert "password, which pods use: api-0, api-1" in said
    assert "lost-member: version" in world.lastgood("explain", "api-0").stdout
    assert world.volume(DB)["value"] == BOTH
    world.end()
    world.start()
    for name in ("api-0", "web"):
        world.server.delete(PODS, name, "payments")
    until("one user less", lambda: "use: api-1." in _condition(world, "Held").get("message", ""))
    assert world.volume(DB)["value"] == BOTH
    _pod(world, "late", "password")
    world.server.delete(PODS, "api-1", "payments")
    world.serves(DB, b"{}")
    until("no condition", lambda: _condition(world, "Held") == {})
    assert len(world.told("VersionHeld", shown_name(world))) == 1


def test_a_pod_is_told_that_it_waits_for_what_the_value_lacks(world: World) -> None:
    """Of a member that never was there, and of a value that its bundle can't carry; a rotation ends
    it. A pod that can use the value is told nothing.
    """
    world.secret(DB, b'{"username":"u","password":"p w"}')
    _pod(world, "good", "username", "dotenv")
    _pod(world, "lacks", "token")
    _pod(world, "unfit", "password", "dotenv")
    world.start()
    (said,) = until("the Event", lambda: world.told("SecretNotUsable", "lacks"))
    assert "has no property token, or the property is null or empty. Reason: property-" in said
    (said,) = until("the Event", lambda: world.told("SecretNotUsable", "unfit"))
    assert "cannot be stored in a bundle of format dotenv. Reason: unfit-for-bundle. " in said
    assert world.told("SecretNotUsable", "good") == []
    assert "cannot be stored in a bundle" in world.lastgood("explain", "unfit").stdout
    assert "p w" not in said + world.log()


def test_a_pin_or_a_class_that_never_holds_serves_the_new_version(world: World) -> None:
    """By `holdLostMember: 0s`, and by the operator's word."""
    world.configure(policy=POLICY.replace("onExpired: serve", 'holdLostMember: "0s"'))
    world.secret(DB, BOTH)
    _pod(world, "api-0", "password")
    world.stand("api-0", RUNNING)
    world.start()
    world.serves(DB, BOTH)
    world.secret(DB, b'{"username":"u2"}')
    world.refresh(DB)
    world.serves(DB, b'{"username":"u2"}')
    world.configure()
    world.secret(DB, BOTH)
    world.refresh(DB)
    world.serves(DB, BOTH)
    world.secret(DB, b"{}")
    world.refresh(DB)
    until("the hold", lambda: _condition(world, "Held"))
    world.lastgood("pin", f"file:{DB}", str(world.shown(DB)["latest"]))
    world.serves(DB, b"{}")


def test_a_declaration_counts_on_the_members_that_it_names(world: World) -> None:
    """As `lastgood presync` writes it, before any pod is there."""
    world.secret(DB, BOTH)
    world.declare(DB)
    members = {"spec": {"properties": ["password"]}}
    world.server.patch(SECRET_SNAPSHOTS, snapshot_of(DB), members, namespace="payments")
    world.start()
    world.serves(DB, BOTH)
    world.secret(DB, b"{}")
    world.refresh(DB)
    until("the hold", lambda: "a declaration uses" in _condition(world, "Held").get("message", ""))
    none = {"spec": {"properties": None}}
    world.server.patch(SECRET_SNAPSHOTS, snapshot_of(DB), none, namespace="payments")
    world.serves(DB, b"{}")


def shown_name(world: World) -> str:
    """The SecretSnapshot's name."""
    found: str = world.snapshot(DB)["metadata"]["name"]
    return found

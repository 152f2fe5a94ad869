"""P1: what a snapshot holds before a pod asks for it, and what the controller adds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from contract import layout, plan
from contract.snapshot_format import property_key
from tests import make
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.make.cluster import World

REFERENCE = "/prod/payments/db"
VALUE = json.dumps({"user": "u", "password": "p", "tls": {"key": "k", "crt": "c"}}).encode()
DEEPER = property_key("tls/key")


def fetch_tasks(world: World, name: str, part: str) -> None:
    """An injected pod that takes one property."""
    planned = make.planned_snapshot(
        make.planned_file("db", part=part),
        account="files",
        identity="controller",
        scheme="file",
        reference=REFERENCE,
    )
    args = ["gate", "--plan", plan.to_wire(make.plan(planned))]
    gate = make.container(layout.GATE, args=args)
    world.server.apply(make.pod(name, namespace="payments", annotations={}, initContainers=[gate]))


def test_p1_every_member_is_there_before_a_pod_asks_for_it(world: World) -> None:
    """One pod takes `#user`. What another one would take is in the same Secret already, so that it
    starts while no controller runs; a deeper property is not.
    """
    world.secret(REFERENCE, VALUE)
    fetch_tasks(world, "first", "user")
    world.start()
    world.serves(REFERENCE, VALUE)
    world.end()
    keys = world.volume(REFERENCE)
    assert keys[property_key("password")] == b"p"
    assert json.loads(keys[property_key("tls")]) == {"key": "k", "crt": "c"}
    assert DEEPER not in keys


def test_p1_a_deeper_property_is_added_without_the_provider(world: World) -> None:
    """By the controller alone, from the value that it holds: the provider has lost it."""
    world.secret(REFERENCE, VALUE)
    fetch_tasks(world, "first", "user")
    world.start()
    world.serves(REFERENCE, VALUE)
    (world.files / REFERENCE.removeprefix("/")).unlink()
    before = world.volume(REFERENCE)
    fetch_tasks(world, "second", "tls/key")
    until("the property", lambda: world.volume(REFERENCE).get(DEEPER) == b"k")
    assert before.items() <= world.volume(REFERENCE).items()

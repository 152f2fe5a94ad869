"""P5 and P13 on a cluster: another team declares and deletes snapshots of what is not there."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from api.policy import Limits
from contract import ages
from contract.object_names import snapshot_name
from controller.namespace_ages import MOST_BYTES
from controller.snapshot_objects import declaration
from tests.e2e.install import bystanders
from tests.e2e.install.bystanders import ATTACKER, ages_of
from tests.e2e.install.kubectl import run
from tests.e2e.install.world import OTHER, TEAM
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.e2e.install.kubectl import Json, Place
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
OWN = "/other/brief/own"
"""What the other team has itself, and is there."""
ABSENT = 190
ROUNDS = 3
PATIENCE_S = 90.0


def _declared(reference: str) -> Json:
    """A snapshot of the other team's."""
    return declaration(
        OTHER.namespace,
        account="moto",
        identity="controller",
        scheme="aws-sm",
        reference=reference,
    )


def _name(reference: str) -> str:
    return snapshot_name("moto", "controller", "aws-sm", reference)


@pytest.fixture
def own(attacked: Provider, value: str) -> Iterator[str]:
    """The other team's own snapshot, served; its name."""
    attacked.put(OWN, value)
    OTHER.create(_declared(OWN))
    name = _name(OWN)
    until("its age", lambda: _confirmed(OTHER, name) > 0, PATIENCE_S)
    yield name
    OTHER.kubectl("delete", "secretsnapshots", "--all")


def _confirmed(place: Place, name: str) -> float:
    """Seconds since the epoch; 0: never, or there is no entry."""
    entry = ages_of(place).get(name)
    return 0.0 if entry is None or entry.served is None else entry.served.last_success


@dataclass(slots=True)
class Seen:
    """The other team's ages, looked at over and over."""

    declared: set[str] = field(default_factory=set)
    """Names of all absent ones, ever."""
    names: set[str] = field(default_factory=set)
    """Those that had an entry."""
    most: int = 0
    """Entries at once, of all snapshots."""
    most_bytes: int = 0

    def look(self) -> set[str]:
        """Entries of absent ones that are there now."""
        found = ages_of(OTHER)
        self.most = max(self.most, len(found))
        text = "".join(name + ages.to_wire(entry) for name, entry in found.items())
        self.most_bytes = max(self.most_bytes, len(text))
        there = found.keys() & self.declared
        self.names |= there
        return there


def test_p5_absent_snapshots_leave_no_ages_and_stop_none(
    own: str, unharmed: AbstractContextManager[None], record_property: Record
) -> None:
    """P5: another team declares 190 snapshots of secrets that nobody has, deletes them and begins
    again: its ages stay as few as its limit, end with the snapshots, and all ages, its own too,
    grow younger; no admission fails, nothing restarts.
    """
    seen = Seen()
    before = set(ages_of(TEAM))
    with unharmed:
        _round(0, seen)
        began = time.time()
        for turn in range(1, ROUNDS):
            _round(turn, seen)
        until("them to end", lambda: not seen.look(), PATIENCE_S)
        until("a younger age", lambda: _confirmed(OTHER, own) > began, PATIENCE_S)
        mine = _name(bystanders.SOURCE)
        until("the team's", lambda: _confirmed(TEAM, mine) > began, PATIENCE_S)
    record_property("entries seen", len(seen.names))
    record_property("most at once", seen.most)
    record_property("most bytes", seen.most_bytes)
    assert len(seen.names) > ROUNDS * ABSENT // 2
    assert seen.most <= Limits().snapshots_per_namespace
    assert seen.most_bytes < MOST_BYTES
    after = set(ages_of(TEAM))
    assert before <= after
    assert not seen.declared & after
    assert OTHER.get("secretsnapshot", own)["status"]["state"] == "Fresh"


def _round(turn: int, seen: Seen) -> None:
    """Declares new ones, waits until they have entries, and deletes them."""
    references = [f"/other/absent-{turn}-{number}" for number in range(ABSENT)]
    items = [_declared(reference) for reference in references]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    run("kubectl", "--as", ATTACKER, "create", "-f", "-", given=document)
    new = {_name(reference) for reference in references}
    seen.declared |= new
    until("their entries", lambda: len(seen.look() & new) > ABSENT // 2, PATIENCE_S)
    run("kubectl", "--as", ATTACKER, "delete", "--wait=false", "-f", "-", given=document)

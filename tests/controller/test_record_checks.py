"""What a leader checks by itself: how often, in which order, and what it leaves alone."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contract.ages import Confirmed, Entry
from contract.reasons import Serving
from controller import record_checks
from controller.record_checks import ROUND_S, RecordChecks
from controller.record_store import UntakenRecordError
from kube.errors import of_status
from refresh.model import SnapshotKey, SnapshotState, SourceKey

BEGAN = 1e9
SERVED = SnapshotState(serving=Serving.SERVED)


def _key(name: str) -> SnapshotKey:
    return SnapshotKey("team", SourceKey("a", "controller", "file", f"/{name}"))


class World:
    """An engine, records and a clock that goes a turn further with each of its looks."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._mono = 0.0
        self.states_: dict[SnapshotKey, SnapshotState] = {}
        self.held: dict[SnapshotKey, Any] = {}
        self.checked: list[tuple[float, str]] = []
        self.orphans = 0
        self.failing = 0
        self.swept: list[float] = []
        self.tombs: list[SnapshotKey] = []
        self.entry: Entry | None = None
        self.untaken: str | None = None

    def add(
        self,
        name: str,
        state: SnapshotState = SERVED,
        *,
        whole: bool = True,
        restored: bool = False,
    ) -> SnapshotKey:
        key = _key(name)
        self.states_[key] = state
        self.held[key] = SimpleNamespace(restored=restored, unfinished=not whole)
        return key

    def now(self) -> float:
        return BEGAN + self._mono

    def monotonic(self) -> float:
        self._mono += self._step_s
        return self._mono

    def states(self) -> dict[SnapshotKey, SnapshotState]:
        return self.states_

    def state(self, key: SnapshotKey) -> SnapshotState | None:
        return self.states_.get(key)

    def republish(self, key: SnapshotKey) -> None:
        self.checked.append((self._mono, key.source.reference))

    def get(self, key: SnapshotKey) -> object:
        return self.held.get(key)

    def tombstone(self, key: SnapshotKey) -> None:
        self.tombs.append(key)
        self.states_[key] = SnapshotState(serving=Serving.REVOKED)

    def trust(self, key: SnapshotKey) -> None:
        self.held[key].restored = False

    @property
    def has_orphans(self) -> bool:
        return self.orphans > 0

    async def remove_orphan(self) -> None:
        self.swept.append(self._mono)
        if self.failing:
            self.failing -= 1
            raise of_status(503, reason="", method="DELETE", path="/secrets")
        self.orphans -= 1

    def names(self) -> list[str]:
        return [name for _, name in self.checked]

    def turns(self, count: int) -> None:
        """So many turns of the upkeep."""

        async def run() -> None:
            clock, engine, records = cast("Any", self), cast("Any", self), cast("Any", self)
            maps = cast("Any", SimpleNamespace(entry=lambda *_: self.entry))
            keeping = RecordChecks(records, engine, maps, clock, lambda: 0.99)
            running = asyncio.create_task(keeping.run(lambda: True))
            begun = self._mono
            while self._mono < begun + count * self._step_s:  # noqa: ASYNC110 - no time passes
                await asyncio.sleep(0)
            running.cancel()

        asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns follow each other at once; the world's clock says what time it is."""
    monkeypatch.setattr(record_checks, "INTERVAL_S", 0.0)


def test_each_snapshot_is_checked_once_after_a_start_and_then_once_a_round() -> None:
    """However many there are, one at a time."""
    world = World(step_s=ROUND_S / 400)
    for number in range(20):
        world.add(str(number))
    world.turns(20)
    assert sorted(world.names()[:20]) == sorted(f"/{number}" for number in range(20))
    world.checked.clear()
    world.turns(800)
    assert 60 <= len(world.checked) <= 95, "a first round, then one every ten minutes"
    assert set(world.names()) == {f"/{number}" for number in range(20)}


def test_p2_what_the_last_process_began_is_written_first() -> None:
    """Its record says that the Secret may not be as it says."""
    world = World(step_s=0.1)
    for number in range(10):
        world.add(str(number), whole=number != 7)
    world.turns(1)
    assert world.names()[0] == "/7"


def test_what_was_never_served_or_is_another_clusters_is_left_alone() -> None:
    """There is nothing to be there, or what is there may be newer."""
    world = World(step_s=0.1)
    world.add("never", SnapshotState())
    world.add("restored", SnapshotState(serving=Serving.SERVED, restored="another"))
    world.add("well")
    world.turns(10)
    assert set(world.names()) == {"/well"}


def test_p2_what_a_backup_brought_back_is_written_once_the_provider_has_answered() -> None:
    """Not before: what pods have may be newer than the backup."""
    world = World(step_s=0.1)
    old = SnapshotState(serving=Serving.SERVED, last_success=BEGAN - 3600, answered_at=BEGAN + 3600)
    key = world.add("back", old, restored=True, whole=False)
    world.turns(10)
    assert world.names() == []
    world.states_[key] = SnapshotState(serving=Serving.SERVED, last_success=BEGAN + 3600)
    world.turns(20)
    assert world.names()[0] == "/back"
    assert not world.held[key].restored


@pytest.mark.parametrize("where", ["served", "prior"])
def test_p2_a_revoked_version_that_pods_have_is_taken_though_its_record_was_lost(
    where: str,
) -> None:
    """The ages tell which version pods were given; nothing else of it is known."""
    world = World(step_s=0.5)
    given = Confirmed(version="v1", last_success=BEGAN)
    other = Confirmed(version="v2", last_success=BEGAN)
    served, prior = (given, None) if where == "served" else (other, given)
    world.entry = Entry(served=served, prior=prior, last_attempt=None, reason=None)
    key = world.add("lost", SnapshotState(revoked=("v1",)))
    del world.held[key]
    world.add("other", SnapshotState(revoked=("v9",)))
    world.turns(10)
    assert world.tombs == [key]


def test_p2_a_record_that_was_not_taken_over_ends_the_process() -> None:
    """The next one takes it over, and writes nothing over it."""
    world = World(step_s=1.0)
    world.untaken = "lgr-a-1"

    async def run() -> None:
        await RecordChecks(*(cast("Any", world),) * 5).run(lambda: True)

    with pytest.raises(UntakenRecordError, match="lgr-a-1"):
        asyncio.run(run())


def test_records_without_a_namespace_are_removed_one_at_a_time_and_later_where_that_fails() -> None:
    """A deleted namespace had hundreds, and a failure is no reason to ask at each turn."""
    world = World(step_s=1.0)
    world.orphans, world.failing = 5, 4
    world.turns(80)
    assert world.orphans == 0
    assert len(world.swept) == 9
    waited_s = [later - at for at, later in itertools.pairwise(world.swept)]
    assert all(waited >= 0.99 * 2**number for number, waited in enumerate(waited_s[:4]))
    assert max(waited_s[4:]) < 5, "after a success the others follow"

"""The election, without a cluster: one Lease, several candidates, all that goes wrong."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import lease
from controller.lease import CandidateState, LeaseAct, LeaseRecord, LeaseTimes

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = LeaseTimes(duration_s=15, renew_deadline_s=10.0, retry_s=2.0)
HELD = LeaseRecord(holder="other", duration_s=15, transitions=3)
MINE = replace(HELD, holder="me")


def state(**given_: Any) -> CandidateState:  # noqa: ANN401 - fields of State
    """Looked at the Lease of another at 100, since when it is unchanged."""
    known: dict[str, Any] = {
        "identity": "me",
        "record": HELD,
        "version": "1",
        "unchanged_since": 100.0,
        "looked_at": 100.0,
    }
    return CandidateState(**(known | given_))


@pytest.mark.parametrize(
    ("known", "now", "act"),
    [
        pytest.param(CandidateState(identity="me"), 100, LeaseAct.READ, id="nothing known"),
        pytest.param(state(), 101, LeaseAct.WAIT, id="held by another"),
        pytest.param(state(), 102, LeaseAct.READ, id="time to look again"),
        pytest.param(state(looked_at=114.9), 114.9, LeaseAct.WAIT, id="another's time is not over"),
        pytest.param(state(looked_at=115.0), 115, LeaseAct.TAKE, id="another's time is over"),
        pytest.param(
            state(record=replace(HELD, duration_s=60), looked_at=116.0),
            116,
            LeaseAct.WAIT,
            id="another was given longer",
        ),
        pytest.param(
            state(record=replace(HELD, duration_s=None), looked_at=114.0),
            114,
            LeaseAct.WAIT,
            id="the Lease does not say how long",
        ),
        pytest.param(state(record=replace(HELD, holder="")), 100, LeaseAct.TAKE, id="released"),
        pytest.param(state(record=None), 100, LeaseAct.CREATE, id="no Lease"),
        pytest.param(state(looked_at=None), 100, LeaseAct.READ, id="a write without an answer"),
        pytest.param(state(record=MINE, held_since=100.0), 101, LeaseAct.WAIT, id="on time"),
        pytest.param(state(record=MINE, held_since=100.0), 102, LeaseAct.RENEW, id="time to renew"),
        pytest.param(
            state(record=MINE, held_since=100.0), 110, LeaseAct.LOST, id="renewed too late"
        ),
        pytest.param(state(held_since=100.0), 101, LeaseAct.LOST, id="taken by another"),
        pytest.param(
            state(record=None, held_since=100.0), 101, LeaseAct.CREATE, id="deleted under us"
        ),
    ],
)
def test_the_next_act(known: CandidateState, now: float, act: LeaseAct) -> None:
    """Each row of the table."""
    assert lease.decide(known, TIMES, now) is act


def test_time_to_write_counts_from_before_the_request() -> None:
    """Sent at 100, granted at 104: until 110."""
    known = lease.wrote(state(looked_at=115.0), MINE, "2", times=TIMES, sent=100.0, now=104.0)
    assert lease.remaining_s(known, TIMES, 104.0) == 6.0
    assert lease.remaining_s(known, TIMES, 110.0) == 0.0


@pytest.mark.parametrize("record", [None, MINE], ids=["made", "made without an answer"])
def test_a_new_lease_is_kept_before_it_is_used(record: LeaseRecord | None) -> None:
    """The old one may have been deleted under a leader."""
    known = lease.wrote(state(record=record), MINE, "2", times=TIMES, sent=100.0, now=101.0)
    for _ in range(8):
        now = known.looked_at or 0.0
        assert lease.remaining_s(known, TIMES, now) == 0.0
        assert lease.decide(known, TIMES, now + 2) is LeaseAct.RENEW
        known = lease.wrote(known, MINE, "2", times=TIMES, sent=now + 2, now=now + 2)
    assert lease.remaining_s(known, TIMES, 117.0) == 10.0


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"holderIdentity": None, "leaseDurationSeconds": None, "leaseTransitions": None},
        {"holderIdentity": 7, "leaseDurationSeconds": -1, "leaseTransitions": "x"},
    ],
)
def test_a_lease_that_says_nothing_usable_is_free(spec: dict[str, Any]) -> None:
    """As one that a chart made without a spec."""
    assert LeaseRecord.from_wire(spec) == LeaseRecord(holder="", duration_s=None, transitions=0)


def test_what_is_written() -> None:
    """A taker notes when it took; a renewal leaves that alone."""
    taken = lease.desired(state(), TIMES, 1_000_000.25)
    assert taken == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "renewTime": "1970-01-12T13:46:40.250000Z",
        "acquireTime": "1970-01-12T13:46:40.250000Z",
        "leaseTransitions": 4,
    }
    renewed = lease.desired(state(record=MINE), TIMES, 1_000_000.25)
    assert set(renewed) == {"holderIdentity", "leaseDurationSeconds", "renewTime"}


@pytest.mark.parametrize("wrong", [(15, 15, 2), (15, 10, 10), (15, 10, 0)])
def test_times_that_leave_no_room_are_refused(wrong: tuple[int, float, float]) -> None:
    """Each must be below the next."""
    duration_s, renew_deadline_s, retry_s = wrong
    with pytest.raises(ValueError, match="retry_s < renew_deadline_s < duration_s"):
        LeaseTimes(duration_s=duration_s, renew_deadline_s=renew_deadline_s, retry_s=retry_s)


@dataclass
class Candidate:
    """One process: its knowledge, and its own clock, which starts anywhere and runs its own way."""

    name: str
    offset_s: float
    rate: float
    state: CandidateState
    alive: bool = True

    def local(self, now: float) -> float:
        return self.offset_s + now * self.rate

    def writes_until(self, now: float) -> float:
        """In true time; `now` or before: it does not write."""
        return now + lease.remaining_s(self.state, TIMES, self.local(now)) / self.rate


@dataclass
class World:
    """An API server with one Lease, and a true time that nobody knows."""

    rng: random.Random
    faults: float
    now: float = 0.0
    record: LeaseRecord | None = None
    version: int = 0
    candidates: list[Candidate] = field(default_factory=list)
    queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=itertools.count)
    leaders: list[str] = field(default_factory=list)
    """Who was seen to lead, each once in a row."""

    def at(self, delay_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.now + delay_s, next(self.order), act))

    def run(self, until: float) -> None:
        while self.queue and self.queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self.queue)
            act()
            self.check()
        self.now = until

    def check(self) -> None:
        """Never two at once. A dead one's last write may still be on its way, so it counts."""
        writing = [c.name for c in self.candidates if c.writes_until(self.now) > self.now]
        assert len(writing) <= 1, (self.now, writing)
        if writing and self.leaders[-1:] != writing:
            self.leaders += writing

    def start(self) -> Candidate:
        made = Candidate(
            name=f"c{len(self.candidates)}",
            offset_s=self.rng.uniform(-1e6, 1e6),
            rate=self.rng.uniform(0.98, 1.02),
            state=CandidateState(identity=f"c{len(self.candidates)}"),
        )
        self.candidates.append(made)
        self.at(self.rng.random(), lambda: self.turn(made))
        return made

    def restart(self) -> None:
        self.start()

    def turn(self, one: Candidate) -> None:
        """As `Leader.run`: decide, then a request or a wait."""
        if not one.alive:
            return
        act = lease.decide(one.state, TIMES, one.local(self.now))
        if act is LeaseAct.LOST:
            one.alive = False
            self.at(1.0, self.restart)
            return
        if act is LeaseAct.WAIT:
            self.at(0.5 + self.stall(), lambda: self.turn(one))
            return
        self.send(one, act)

    def stall(self) -> float:
        """A process, or a network, that stands still for long now and then."""
        return self.rng.expovariate(0.1) if self.rng.random() < self.faults / 4 else 0.0

    def send(self, one: Candidate, act: LeaseAct) -> None:
        request = Request(self, one, act)
        self.at(self.rng.random() / 10 + self.stall(), request.arrive)
        self.at(5.0 + self.stall(), request.expire)

    def serve(self, one: Candidate, act: LeaseAct, version: str) -> bool:
        """What the API server does; whether it was granted."""
        if act is LeaseAct.READ:
            return True
        if act is LeaseAct.CREATE:
            granted = self.record is None
        else:
            granted = self.record is not None and str(self.version) == version
        if granted:
            self.version += 1
            self.record = LeaseRecord(holder=one.name, duration_s=TIMES.duration_s)
        return granted


class Request:
    """On its way; lost there, lost on its way back, late, or answered."""

    def __init__(self, world: World, one: Candidate, act: LeaseAct) -> None:
        self.world, self.one, self.act = world, one, act
        self.state = one.state
        self.sent = one.local(world.now)
        self.over = False

    def arrive(self) -> None:
        world = self.world
        if world.rng.random() < world.faults:
            return
        granted = world.serve(self.one, self.act, self.state.version)
        record, version = world.record, str(world.version) if world.record else ""
        if world.rng.random() >= world.faults:
            back_s = world.rng.random() / 10 + world.stall()
            world.at(back_s, lambda: self.answer(record, version) if granted else self.expire())

    def answer(self, record: LeaseRecord | None, version: str) -> None:
        if self.over or not self.one.alive:
            return
        now = self.one.local(self.world.now)
        if self.act is LeaseAct.READ:
            self.end(lease.saw(self.state, record, version, now))
        elif record is not None:
            self.end(lease.wrote(self.state, record, version, times=TIMES, sent=self.sent, now=now))

    def expire(self) -> None:
        """No answer in time, or a refusal."""
        if not self.over and self.one.alive:
            self.end(lease.unknown(self.state))

    def end(self, state: CandidateState) -> None:
        self.over = True
        self.one.state = state
        self.world.at(0.0, lambda: self.world.turn(self.one))


@given(seed=st.integers(0, 2**32), faults=st.floats(0, 0.6))
def test_never_two_write_at_once(seed: int, faults: float) -> None:
    """Whatever is lost, late or stalled, clocks being off by up to 2 %, and the Lease deleted."""
    world = World(random.Random(seed), faults)
    for _ in range(3):
        world.start()
    for _ in range(10):
        world.run(world.now + world.rng.uniform(1, 60))
        misfortune = world.rng.randrange(4)
        alive = [c for c in world.candidates if c.alive]
        if misfortune == 0:
            world.record = None
        elif misfortune == 1 and alive:
            world.rng.choice(alive).alive = False
            world.start()


@given(seed=st.integers(0, 2**32))
def test_when_the_leader_dies_another_takes_over_in_time(seed: int) -> None:
    """Within a Lease's duration and two retries after its last renewal, when nothing is lost."""
    world = World(random.Random(seed), 0.0)
    for _ in range(3):
        world.start()
    world.run(20 + world.rng.uniform(0, 20))
    assert len(world.leaders) == 1
    dead = next(c for c in world.candidates if c.name == world.leaders[0])
    dead.alive = False
    world.run(world.now + (TIMES.duration_s + 2 * TIMES.retry_s) * 1.05)
    assert len(world.leaders) == 2


@given(seed=st.integers(0, 2**32))
def test_a_leader_that_is_well_stays(seed: int) -> None:
    """Nobody takes what is renewed."""
    world = World(random.Random(seed), 0.0)
    for _ in range(3):
        world.start()
    world.run(300)
    assert len(world.leaders) == 1
    leader = next(c for c in world.candidates if c.name == world.leaders[0])
    assert leader.writes_until(world.now) > world.now + 5

"""Who gives way, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.limits import ClientLimits
from serving.register import LARGE_BYTES, SERVED_S, Phase, Register, Visit

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = ClientLimits(connections=6, per_address=4, held_bytes=10 * LARGE_BYTES)


class World:
    """A register, and connections that are closed when it says so."""

    def __init__(self, limits: ClientLimits = LIMITS) -> None:
        self.register = Register(limits)
        self.now = 0.0
        self.closed: list[Visit] = []

    def enter(self, address: str) -> Visit:
        """One more connection, a second later."""
        self.now += 1.0
        visit = Visit(address, lambda _: None)
        self._close(self.register.enter(visit, Phase.HANDSHAKE, self.now))
        return visit

    def move(self, visit: Visit, *phases: Phase) -> None:
        """Through these phases."""
        for phase in phases:
            self.register.move(visit, phase, self.now)

    def answered(self, visit: Visit) -> None:
        """A complete request, answered."""
        self.move(visit, Phase.WORK, Phase.ANSWER, Phase.IDLE)

    def hold(self, visit: Visit, held_bytes: int) -> None:
        """What it holds."""
        self._close(self.register.hold(visit, held_bytes))

    def _close(self, visit: Visit | None) -> None:
        if visit is not None:
            self.closed.append(visit)
            self.register.leave(visit)


def test_the_longest_wait_of_the_address_with_the_most_is_closed() -> None:
    """An address with few loses none, however long they have waited."""
    world = World()
    few = [world.enter("a"), world.enter("a")]
    many = [world.enter("b") for _ in range(4)]
    newest = world.enter("c")
    assert world.closed == [many[0]]
    assert set(world.register.all()) == {*few, *many[1:], newest}


def test_an_address_at_its_limit_closes_its_own() -> None:
    """Also while there is room for others."""
    world = World()
    first, *_ = [world.enter("a") for _ in range(5)]
    assert world.closed == [first]


def test_all_alike_the_longest_wait_is_closed() -> None:
    """One connection from each of many addresses."""
    world = World()
    first, *_ = [world.enter(f"a{number}") for number in range(7)]
    assert world.closed == [first]


def test_who_was_answered_waits_anew_and_longer() -> None:
    """A keep-alive connection is left before one that never asked, for SERVED_S."""
    world = World()
    kept = world.enter("a")
    world.answered(kept)
    silent = [world.enter("a") for _ in range(3)]
    world.enter("a")
    assert world.closed == silent[:1]
    world.now += SERVED_S * 2
    fresh = [world.enter("a") for _ in range(4)]
    assert world.closed[-1] is kept
    assert fresh[0] not in world.closed


def test_a_complete_request_is_never_closed_for_room() -> None:
    """When all are at work the new one is refused."""
    world = World()
    for _ in range(4):
        world.move(world.enter("a"), Phase.WORK)
    newest = world.enter("a")
    assert world.closed == [newest]


def test_who_has_proved_itself_is_closed_last() -> None:
    """And counts for no address."""
    world = World()
    trusted = [world.enter("a") for _ in range(3)]
    for each in trusted:
        world.register.trust(each)
    strangers = [world.enter("a") for _ in range(4)]
    assert world.closed == strangers[:1]


def test_bytes_are_freed_by_the_address_that_holds_most() -> None:
    """A small request beside them is left, and so is a large one of another address."""
    world = World()
    other, small, one, two = (world.enter(address) for address in "abcc")
    world.hold(other, 2 * LARGE_BYTES)
    world.hold(small, LARGE_BYTES // 2)
    world.hold(one, 4 * LARGE_BYTES)
    world.hold(two, 4 * LARGE_BYTES)
    assert world.closed == [one]
    assert world.register.held_bytes == 6 * LARGE_BYTES + LARGE_BYTES // 2


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        (Phase.HANDSHAKE, LIMITS.handshake_s),
        (Phase.HEAD, LIMITS.head_s),
        (Phase.BODY, LIMITS.body_s),
        (Phase.ANSWER, LIMITS.answer_s),
        (Phase.IDLE, LIMITS.idle_s),
        (Phase.LINGER, LIMITS.linger_s),
    ],
)
def test_each_phase_has_its_time(phase: Phase, seconds: float) -> None:
    """Late means: from then on."""
    world = World()
    visit = world.enter("a")
    world.move(visit, phase)
    assert world.register.late(world.now + seconds - 0.001) == []
    assert world.register.late(world.now + seconds) == [visit]
    world.move(visit, Phase.WORK)
    assert world.register.late(world.now + 10_000) == []


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "answer", "work", "hold", "trust", "leave"]),
        st.integers(0, 9),
        st.integers(0, 4 * LARGE_BYTES),
    ),
    max_size=80,
)


@given(ACTS)
def test_no_limit_is_exceeded_whatever_comes(acts: list[tuple[str, int, int]]) -> None:
    """Counts and bytes stay within the limits and the sums are right."""
    world = World()
    for act, number, size in acts:
        visits = world.register.all()
        if act == "enter":
            world.enter(f"a{number % 3}")
        elif visits:
            _act(world, visits[number % len(visits)], act, size)
        now = world.register.all()
        assert len(now) == len(world.register) <= LIMITS.connections
        assert world.register.held_bytes == sum(each.held_bytes for each in now)
        assert world.register.held_bytes <= LIMITS.held_bytes + len(now) * LARGE_BYTES
        for address in ("a0", "a1", "a2"):
            assert sum(each.group == address for each in now) <= LIMITS.per_address


def _act(world: World, visit: Visit, act: str, size: int) -> None:
    acts: dict[str, Callable[[], None]] = {
        "answer": lambda: world.answered(visit),
        "work": lambda: world.move(visit, Phase.WORK),
        "hold": lambda: world.hold(visit, size),
        "trust": lambda: world.register.trust(visit),
        "leave": lambda: world.register.leave(visit),
    }
    acts[act]()

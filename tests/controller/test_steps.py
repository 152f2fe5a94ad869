"""How often the loop decides on a fleet that is so large that a decision takes long."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, cast

from controller.accounts import Accounts
from controller.controller import Controller
from policy.match import PolicySet
from refresh.engine import Engine
from tests.make.writers import QuietGarbage, QuietSink, QuietStatuses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from controller.demand import Demand
    from controller.reconcile import Decided
    from controller.restore import Restored
    from controller.spec import SnapshotName, Spec
    from refresh.model import SnapshotKey

DECISION_S = 1.0
POLL_S = 0.2


class SlowClock:
    """Stands still but for `pass_`."""

    def __init__(self) -> None:
        self.mono = 0.0

    def pass_(self, seconds: float) -> None:
        self.mono += seconds

    def now(self) -> float:
        return 1e9 + self.mono

    def monotonic(self) -> float:
        return self.mono


class SlowStatuses(QuietStatuses):
    """Takes a decision's time."""

    def __init__(self, clock: SlowClock) -> None:
        self._clock = clock
        self.decided_at: list[float] = []

    def decided(
        self,
        decided: Mapping[SnapshotKey, Decided],
        consumers: Mapping[SnapshotKey, tuple[str, ...]],
        generations: Mapping[SnapshotKey, int],
    ) -> None:
        del decided, consumers, generations
        self._clock.pass_(DECISION_S)
        self.decided_at.append(self._clock.monotonic())


class NothingLeft:
    """Nothing was published."""

    async def everything(self) -> AsyncIterator[Restored | None]:
        nothing: tuple[Restored, ...] = ()
        for found in nothing:
            yield found


class Policies:
    """None, for ever."""

    def refresh(self) -> bool:
        return False

    def current(self) -> PolicySet:
        return PolicySet()


class Pods:
    """Others want something else at each look, until `ends_at`."""

    def __init__(self, clock: SlowClock, ends_at: float) -> None:
        self._clock = clock
        self._ends_at = ends_at
        self.changed_at = 0.0

    def refresh(self) -> bool:
        changes = self._clock.monotonic() < self._ends_at
        if changes:
            self.changed_at = self._clock.monotonic()
        return changes

    def current(self) -> tuple[Demand, ...]:
        return ()


class Specs:
    """None, for ever."""

    def refresh(self) -> bool:
        return False

    def current(self) -> dict[SnapshotName, Spec]:
        return {}


def _ignore(operation: str, code: str) -> None:
    del operation, code


def _controller(
    clock: SlowClock, restore: NothingLeft, statuses: SlowStatuses, pods: Pods
) -> Controller:
    accounts = Accounts(
        monotonic=clock.monotonic, observer=lambda _: _ignore, problem=lambda *_: None
    )
    engine = Engine(
        sources=accounts.source, sink=QuietSink(), clock=clock, rng=Random(1), cluster="c"
    )
    return Controller(
        restore=cast("Any", restore),
        statuses=cast("Any", statuses),
        garbage=cast("Any", QuietGarbage()),
        policies=Policies(),
        pods=pods,
        specs=Specs(),
        accounts=accounts,
        engine=engine,
        clock=clock,
    )


def test_p13_a_start_that_finds_nothing_in_many_places_is_healthy() -> None:
    """Each answer says that the loop turns; else its leader would be killed, and the next one."""
    clock = SlowClock()
    unhealthy: list[int] = []

    class Empty(NothingLeft):
        async def everything(self) -> AsyncIterator[Restored | None]:
            for second in range(60):
                clock.pass_(1.0)
                if not controller.healthy():
                    unhealthy.append(second)
                yield None
            stop.set()

    statuses = SlowStatuses(clock)
    controller = _controller(clock, Empty(), statuses, Pods(clock, ends_at=0.0))
    stop = asyncio.Event()
    asyncio.run(controller.run(stop, POLL_S))
    assert unhealthy == []
    assert len(statuses.decided_at) == 1


def test_a_start_that_waits_for_what_was_published_ends_when_it_is_told_to() -> None:
    """Else the kubelet would kill it half a minute later, and the next one could not lead yet."""
    clock, stop = SlowClock(), asyncio.Event()

    class Silent(NothingLeft):
        async def everything(self) -> AsyncIterator[Restored | None]:
            yield None
            stop.set()
            await asyncio.Event().wait()

    statuses = SlowStatuses(clock)
    controller = _controller(clock, Silent(), statuses, Pods(clock, ends_at=0.0))

    async def start() -> None:
        async with asyncio.timeout(30):
            await controller.run(stop, POLL_S)

    asyncio.run(start())
    assert statuses.decided_at == []


def test_p13_deciding_leaves_the_loop_to_others_and_misses_no_change() -> None:
    """A fleet that changes all the time takes a quarter of it; the last change is decided on."""
    clock = SlowClock()
    statuses, pods = SlowStatuses(clock), Pods(clock, ends_at=100.0)
    controller = _controller(clock, NothingLeft(), statuses, pods)

    async def looks() -> None:
        while clock.monotonic() < 120.0:
            await controller.step()
            clock.pass_(POLL_S)

    asyncio.run(looks())
    while_changing = [at for at in statuses.decided_at if at <= 100.0]
    assert 20 <= len(while_changing) <= 26
    assert statuses.decided_at[-1] > pods.changed_at
    assert statuses.decided_at[-1] < 120.0 - 10.0, "what does not change is not decided on"

"""What is said on snapshots and pods, and when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from contract.freshness import FreshnessClass
from contract.reasons import FetchFailure, Found, Serving
from contract.secret_bytes import SecretBytes
from controller.demand import Demand, DemandedParts
from controller.event_reporter import INTERVAL_S, LATE_S, STARTED_S, EventReporter
from controller.reconcile import Decided, Known
from controller.watched_pods import WatchedPod
from kube.reflector import Change
from refresh.model import Checks, Demanded, Kept, SnapshotKey, SnapshotState, SourceKey
from refresh.step_events import Alarm, AlarmKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.event_recorder import Regarded

KEY = SnapshotKey("payments", SourceKey("prod", "controller", "file", "/prod/payments/db"))


class Events:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    async def say(self, of: Regarded, about: str, reason: str, note: str) -> None:
        del about, note
        self.said.append((of.name, reason))


class Clock:
    """Stands still until it is set."""

    mono = 0.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.mono

    def monotonic(self) -> float:
        return self.mono


class Pods:
    """As a Reflector keeps them."""

    def __init__(self, *pods: WatchedPod) -> None:
        self.items = {("payments", pod.demand.pod): pod for pod in pods}
        self._tell: Callable[[Change[WatchedPod]], None] = lambda _: None

    def subscribe(self, tell: Callable[[Change[WatchedPod]], None]) -> None:
        self._tell = tell
        for key, pod in self.items.items():
            tell(Change(key=key, before=None, after=pod))

    def remove(self, name: str) -> None:
        before = self.items.pop(("payments", name))
        self._tell(Change(key=("payments", name), before=before, after=None))

    def put(self, pod: WatchedPod) -> None:
        key = ("payments", pod.demand.pod)
        before = self.items.get(key)
        self.items[key] = pod
        self._tell(Change(key=key, before=before, after=pod))


class Counts:
    """Counts pods of all namespaces."""

    def __init__(self) -> None:
        self.started: list[bool] = []
        """Of each start, whether it was stale."""

    def pod_seen(self, namespace: str) -> None:
        assert namespace

    def pod_started(self, namespace: str, *, stale: bool) -> None:
        assert namespace
        self.started.append(stale)


@pytest.mark.parametrize(
    ("late_s", "said"),
    [
        pytest.param(LATE_S - 1, [(KEY.source.snapshot, "RestoredBackup")], id="made soon"),
        pytest.param(LATE_S + 1, [], id="too late"),
    ],
)
def test_an_alarm_waits_for_the_object_that_it_is_about(
    late_s: float, said: list[tuple[str, str]]
) -> None:
    """A backup of Secrets alone: the object is made only when pods demand the source."""
    events, clock = Events(), Clock()
    snapshots: dict[tuple[str, str], SimpleNamespace] = {}
    informers = SimpleNamespace(snapshots=SimpleNamespace(items=snapshots), pods=Pods())
    reporter = EventReporter(cast("Any", events), cast("Any", informers), clock, Counts())

    async def run() -> None:
        unused = cast("Any", None)
        reporter.alarmed(KEY, Alarm(AlarmKind.RESTORED, "v1"))
        running = asyncio.create_task(reporter.run(unused, unused, dict))
        clock.mono = late_s
        await asyncio.sleep(1.2 * INTERVAL_S)
        assert events.said == []
        snapshots["payments", KEY.source.snapshot] = SimpleNamespace(uid="1")
        clock.mono += INTERVAL_S
        await asyncio.sleep(2 * INTERVAL_S)
        running.cancel()

    asyncio.run(run())
    assert events.said == said


STEADY = FreshnessClass(
    name="steady", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="serve"
)
WHOLE = DemandedParts(whole=True)
STALE = SnapshotState(
    serving=Serving.SERVED,
    served=Kept(version="v1", value=SecretBytes(b"canary"), fetched_at=Clock().now() - 1000),
    last_success=Clock().now() - 1000,
)


def _pod(name: str, started_ago_s: float | None) -> WatchedPod:
    at = None if started_ago_s is None else Clock().now() - started_ago_s
    demand = Demand(namespace="payments", pod=name, parts={KEY: WHOLE})
    return WatchedPod(
        uid=f"uid-{name}", demand=demand, waiting=at is None, started_at=at, ending=False
    )


class World:
    """An event reporter beside a clock that stands still until it is set."""

    def __init__(self, *pods: WatchedPod, kept: Found | None = None) -> None:
        self.events, self.clock, self.counts = Events(), Clock(), Counts()
        self.login: str | None = None
        self.pods = Pods(*pods)
        self.decided: dict[SnapshotKey, Decided] = {}
        self.states: dict[SnapshotKey, SnapshotState] = {KEY: STALE}
        informers = SimpleNamespace(snapshots=SimpleNamespace(items={}), pods=self.pods)
        self.reporter = EventReporter(
            cast("Any", self.events),
            cast("Any", informers),
            self.clock,
            self.counts,
        )
        self._engine = SimpleNamespace(state=self.states.get)
        self._statuses = SimpleNamespace(
            kept_from_pods=lambda _: kept, login_failure=lambda *_: self.login
        )

    def decide(self, key: SnapshotKey) -> None:
        """The controller has come to it."""
        demanded = Demanded(key=key, rules=STEADY, checks=Checks(max_bytes=1000))
        self.decided[key] = Decided(known=Known(), demanded=demanded)

    def run(self, scenario: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]) -> World:
        """`scenario` gets one step of the event reporter, to be awaited."""
        engine, statuses = cast("Any", self._engine), cast("Any", self._statuses)

        async def look() -> None:
            await asyncio.sleep(1.2 * INTERVAL_S)

        async def run() -> None:
            running = asyncio.create_task(self.reporter.run(engine, statuses, lambda: self.decided))
            await scenario(look)
            running.cancel()

        asyncio.run(run())
        return self


def test_p5_a_pod_that_started_stale_is_told_and_counted_once() -> None:
    """Also one that started while no controller was there, unless that is long ago; and a container
    that starts again is no other start.
    """
    world = World(_pod("early", STARTED_S - 1), _pod("old", STARTED_S + 1), _pod("late", None))

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        await look()
        assert world.events.said == [], "nothing is known of its source yet"
        world.decide(KEY)
        world.pods.put(_pod("late", 0.0))
        await look()
        world.pods.put(_pod("late", -1.0))
        await look()

    world.run(scenario)
    assert world.events.said == [("early", "SecretStartedStale"), ("late", "SecretStartedStale")]
    assert world.counts.started == [True, True]


def test_a_pod_is_told_what_the_value_lacks_as_long_as_it_does() -> None:
    """A look reads the value again once another version is served."""
    pod = _pod("late", None)
    taken = DemandedParts(properties=frozenset({"a"}))
    world = World(replace(pod, demand=replace(pod.demand, parts={KEY: taken})))
    world.decide(KEY)

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        await look()
        assert set(world.events.said) == {("late", "SecretNotUsable")}
        better = Kept(version="v2", value=SecretBytes(b'{"a":"x"}'), fetched_at=Clock().now())
        world.states[KEY] = replace(STALE, served=better)
        await look()
        world.events.said.clear()
        await look()
        assert world.events.said == []

    world.run(scenario)


def test_p5_a_pod_of_a_large_fleet_waits_for_the_first_decision() -> None:
    """What was published is read for minutes there; then the other source is waited for a while."""
    other = SnapshotKey("payments", SourceKey("prod", "controller", "file", "/prod/other"))
    both = _pod("web", 5.0)
    both = replace(both, demand=replace(both.demand, parts=dict.fromkeys((KEY, other), WHOLE)))
    world = World(both)

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        world.clock.mono = 10 * LATE_S
        await look()
        world.decide(KEY)
        await look()
        assert world.events.said == [], "the other source may be worse"
        world.clock.mono += LATE_S
        await look()

    assert world.run(scenario).events.said == [("web", "SecretStartedStale")]


def test_a_pod_that_was_given_a_foreign_secret_is_not_told_of_the_snapshots_age() -> None:
    """It has started with something else."""
    world = World(_pod("web", 5.0), kept=Found.FOREIGN_SECRET)

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        world.decide(KEY)
        await look()

    world.run(scenario)
    assert "SecretStartedStale" not in dict(world.events.said).values()
    assert world.counts.started == [False]


def test_another_pod_of_the_same_name_is_another_start() -> None:
    """A StatefulSet's, for example."""
    world = World(_pod("web-0", 5.0))

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        world.decide(KEY)
        await look()
        world.pods.put(replace(_pod("web-0", 0.0), uid="another"))
        await look()

    assert world.run(scenario).counts.started == [True, True]


def test_a_node_whose_clock_is_ahead_makes_no_value_look_stale() -> None:
    """What is fresh now was not stale at a time that is yet to come."""
    world = World(_pod("web", -5000.0))
    world.states[KEY] = replace(STALE, last_success=world.clock.now() - 10)

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        world.decide(KEY)
        await look()

    assert world.run(scenario).counts.started == [False]


def test_a_pod_that_is_gone_before_it_could_be_told_is_let_go() -> None:
    """There is nothing to regard."""
    world = World(_pod("web", 5.0))

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        world.pods.remove("web")
        world.decide(KEY)
        await look()

    assert world.run(scenario).counts.started == []


def test_held_pods_are_counted_by_their_first_reason_until_they_start() -> None:
    """Each once, whatever it waits for; and none that has started or is gone."""
    world = World(_pod("one", None), _pod("two", None))
    asked: list[dict[tuple[str, str], int]] = []

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        world.decide(KEY)
        world.states[KEY] = SnapshotState(reason=FetchFailure.ABSENT)
        await look()
        asked.append(dict(world.reporter.held))
        world.pods.remove("one")
        world.pods.put(_pod("two", 0.0))
        await look()
        asked.append(dict(world.reporter.held))

    world.run(scenario)
    assert asked == [{("payments", "absent"): 2}, {}]


def test_p13_thousands_of_waiting_pods_leave_the_loop_to_others() -> None:
    """Among them who renews the Lease."""
    world = World(*(_pod(f"web-{number}", None) for number in range(2000)))
    turns: list[int] = []

    async def other() -> None:
        while True:
            await asyncio.sleep(0)
            turns.append(len(world.events.said))

    async def scenario(look: Callable[[], Awaitable[None]]) -> None:
        world.decide(KEY)
        world.states[KEY] = SnapshotState(reason=FetchFailure.ABSENT)
        beside = asyncio.create_task(other())
        await look()
        beside.cancel()

    world.run(scenario)
    assert len(world.events.said) >= 2000
    assert len(set(turns)) > 20

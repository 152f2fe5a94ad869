"""What is said on snapshots and pods, and when."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from contract.freshness import FreshnessClass
from contract.reasons import Serving
from contract.secret_bytes import SecretBytes
from controller.cluster.feeds import Pod
from controller.cluster.watchman import LATE_S, STARTED_S, TURN_S, Watchman
from controller.demand import Demand, Parts
from controller.reconcile import Decided, Known
from kube.reflector import Change
from refresh.events import Alarm, AlarmKind
from refresh.model import Checks, Demanded, Kept, SnapshotKey, SnapshotState, SourceKey
from refresh.observer import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.cluster.events import Regarded

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

    def __init__(self, *pods: Pod) -> None:
        self.items = {("payments", pod.demand.pod): pod for pod in pods}
        self._tell: Callable[[Change[Pod]], None] = lambda _: None

    def subscribe(self, tell: Callable[[Change[Pod]], None]) -> None:
        self._tell = tell
        for key, pod in self.items.items():
            tell(Change(key=key, before=None, after=pod))

    def put(self, pod: Pod) -> None:
        key = ("payments", pod.demand.pod)
        before = self.items.get(key)
        self.items[key] = pod
        self._tell(Change(key=key, before=before, after=pod))


def _uncounted(namespace: str) -> None:
    raise AssertionError(namespace)


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
    copies = SimpleNamespace(snapshots=SimpleNamespace(items=snapshots), pods=Pods())
    watchman = Watchman(cast("Any", events), cast("Any", copies), Silent(), clock, _uncounted)

    async def run() -> None:
        unused = cast("Any", None)
        watchman.alarmed(KEY, Alarm(AlarmKind.RESTORED, "v1"))
        running = asyncio.create_task(watchman.run(unused, unused, dict))
        clock.mono = late_s
        await asyncio.sleep(1.2 * TURN_S)
        assert events.said == []
        snapshots["payments", KEY.source.snapshot] = SimpleNamespace(uid="1")
        await asyncio.sleep(2 * TURN_S)
        running.cancel()

    asyncio.run(run())
    assert events.said == said


STEADY = FreshnessClass(
    name="steady", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="serve"
)
STALE = SnapshotState(
    serving=Serving.SERVED,
    served=Kept(version="v1", value=SecretBytes(b"canary"), fetched_at=Clock().now() - 1000),
    last_success=Clock().now() - 1000,
)


def _pod(name: str, started_ago_s: float | None) -> Pod:
    at = None if started_ago_s is None else Clock().now() - started_ago_s
    demand = Demand(namespace="payments", pod=name, parts={KEY: Parts(whole=True)})
    return Pod(uid=f"uid-{name}", demand=demand, waiting=at is None, started_at=at, ending=False)


def test_p5_a_pod_that_started_stale_is_told_and_counted_once() -> None:
    """Also one that started while no controller was there, unless that is long ago; and a container
    that starts again is no other start.
    """
    events, counted = Events(), list[str]()
    early, old = _pod("early", STARTED_S - 1), _pod("old", STARTED_S + 1)
    pods = Pods(early, old, _pod("late", None))
    copies = SimpleNamespace(snapshots=SimpleNamespace(items={}), pods=pods)
    watchman = Watchman(cast("Any", events), cast("Any", copies), Silent(), Clock(), counted.append)
    demanded = Demanded(key=KEY, rules=STEADY, checks=Checks(max_bytes=1000))
    decided: dict[SnapshotKey, Decided] = {}
    engine = SimpleNamespace(state={KEY: STALE}.get)
    ledger = SimpleNamespace(is_foreign=lambda _: False)

    async def run() -> None:
        running = asyncio.create_task(
            watchman.run(cast("Any", engine), cast("Any", ledger), lambda: decided)
        )
        await asyncio.sleep(1.2 * TURN_S)
        assert events.said == [], "nothing is known of its source yet"
        decided[KEY] = Decided(known=Known(), demanded=demanded)
        pods.put(_pod("late", 0.0))
        await asyncio.sleep(1.2 * TURN_S)
        pods.put(_pod("late", -1.0))
        await asyncio.sleep(1.2 * TURN_S)
        running.cancel()

    asyncio.run(run())
    assert events.said == [("early", "SecretStartedStale"), ("late", "SecretStartedStale")]
    assert counted == ["payments", "payments"]

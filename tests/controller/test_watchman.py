"""What is said on snapshots and pods, and when."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from controller.cluster.watchman import LATE_S, TURN_S, Watchman
from refresh.events import Alarm, AlarmKind
from refresh.model import SnapshotKey, SourceKey
from refresh.observer import Silent

if TYPE_CHECKING:
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
    copies = SimpleNamespace(
        snapshots=SimpleNamespace(items=snapshots), pods=SimpleNamespace(items={})
    )
    watchman = Watchman(cast("Any", events), cast("Any", copies), Silent(), clock)

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

"""Says on pods that wait, and on snapshots with alarms, what is the matter."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from controller.cluster.events import alarm_note, regarding_pod, regarding_snapshot
from controller.waits import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from contract.reasons import FetchFailure
    from controller.cluster.events import Events
    from controller.cluster.feeds import Copies
    from controller.cluster.ledger import ClusterLedger
    from controller.reconcile import Decided
    from controller.waits import Wait
    from kube.clock import Clock
    from refresh.engine import Engine
    from refresh.events import Alarm
    from refresh.model import SnapshotKey, Task
    from refresh.observer import Observer

TURN_S = 1.0
LATE_S = 60.0
"""An alarm waits so long for its snapshot's object, which may be made only now: as that of a backup
without objects."""
MOST_TOLD = 8
"""Sources that one pod waits for, so that the Events of one with hundreds can be read."""


class Watchman:
    """Looks at waiting pods each second. Stands between the engine and who counts for it."""

    def __init__(self, events: Events, copies: Copies, observer: Observer, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._copies = copies
        self._observer = observer
        self._alarms: list[tuple[float, SnapshotKey, Alarm]] = []
        """With the monotonic time."""

    def refreshed(self, task: Task, reason: FetchFailure | None, code: str) -> None:
        self._observer.refreshed(task, reason, code)

    def alarmed(self, key: SnapshotKey, alarm: Alarm) -> None:
        self._observer.alarmed(key, alarm)
        self._alarms.append((self._clock.monotonic(), key, alarm))

    def exhausted(self, account: str) -> None:
        self._observer.exhausted(account)

    def sink_failed(self, what: str, error: str) -> None:
        self._observer.sink_failed(what, error)

    async def run(
        self,
        engine: Engine,
        ledger: ClusterLedger,
        decided: Callable[[], Mapping[SnapshotKey, Decided]],
    ) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TURN_S)  # noqa: TID251 - a fixed turn
            for raised_at, key, alarm in self._take():
                told = await self._tell_alarm(key, alarm)
                if not told and self._clock.monotonic() - raised_at < LATE_S:
                    self._alarms.append((raised_at, key, alarm))
            for name, uid, found in list(self._waiting(engine, ledger, decided())):
                about = f"{found.key.source.snapshot} {found.cause}"
                regarded = regarding_pod(found.key.namespace, name, uid)
                await self._events.say(regarded, about, found.reason, found.note)

    def _take(self) -> list[tuple[float, SnapshotKey, Alarm]]:
        taken, self._alarms = self._alarms, []
        return taken

    async def _tell_alarm(self, key: SnapshotKey, alarm: Alarm) -> bool:
        """False: there is no object to regard."""
        name = key.source.snapshot
        seen = self._copies.snapshots.items.get((key.namespace, name))
        if seen is None:
            return False
        reason, note = alarm_note(alarm.kind, alarm.version, alarm.code)
        regarded = regarding_snapshot(key.namespace, name, seen.uid)
        await self._events.say(regarded, f"{reason} {alarm.version}", reason, note)
        return True

    def _waiting(
        self, engine: Engine, ledger: ClusterLedger, decided: Mapping[SnapshotKey, Decided]
    ) -> Iterator[tuple[str, str, Wait]]:
        """Each waiting pod with the first sources that it waits for, and why."""
        now = self._clock.now()

        def why(keys: Iterable[SnapshotKey]) -> Iterator[Wait]:
            for key in keys:
                if (item := decided.get(key)) is not None:
                    foreign = ledger.is_foreign(key)
                    found = wait(key, engine.state(key), item, foreign=foreign, now=now)
                    if found is not None:
                        yield found

        for (_, name), pod in self._copies.pods.items.items():
            if pod.waiting and not pod.ending:
                for found in islice(why(pod.demand.parts), MOST_TOLD):
                    yield name, pod.uid, found

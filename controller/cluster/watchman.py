"""Says on pods that wait, and on snapshots with alarms, what is the matter."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from controller.advice import FOREIGN_SECRET
from controller.cluster.events import (
    alarm_note,
    regarding_pod,
    regarding_snapshot,
    waiting_note,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from contract.reasons import FetchFailure
    from controller.cluster.events import Events
    from controller.cluster.feeds import Copies
    from controller.cluster.ledger import ClusterLedger
    from controller.reconcile import Decided
    from refresh.engine import Engine
    from refresh.events import Alarm
    from refresh.model import SnapshotKey, Task
    from refresh.observer import Observer

TURN_S = 1.0
MOST_TOLD = 8
"""Sources that one pod waits for, so that the Events of one with hundreds can be read."""


class Watchman:
    """Looks at waiting pods each second. Stands between the engine and who counts for it."""

    def __init__(self, events: Events, copies: Copies, observer: Observer) -> None:
        self._events = events
        self._copies = copies
        self._observer = observer
        self._alarms: list[tuple[SnapshotKey, Alarm]] = []

    def refreshed(self, task: Task, reason: FetchFailure | None, code: str) -> None:
        self._observer.refreshed(task, reason, code)

    def alarmed(self, key: SnapshotKey, alarm: Alarm) -> None:
        self._observer.alarmed(key, alarm)
        self._alarms.append((key, alarm))

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
            for key, alarm in self._take():
                await self._tell_alarm(key, alarm)
            for name, uid, key, reason in list(self._waiting(engine, ledger, decided())):
                source = f"{key.source.provider}:{key.source.reference}"
                note = waiting_note(source, key.source.account, reason)
                about = f"{key.source.snapshot} {reason}"
                regarded = regarding_pod(key.namespace, name, uid)
                await self._events.say(regarded, about, "SecretNotSynced", note)

    def _take(self) -> list[tuple[SnapshotKey, Alarm]]:
        taken, self._alarms = self._alarms, []
        return taken

    async def _tell_alarm(self, key: SnapshotKey, alarm: Alarm) -> None:
        name = key.source.snapshot
        seen = self._copies.snapshots.items.get((key.namespace, name))
        if seen is None:
            return
        reason, note = alarm_note(alarm.kind, alarm.version, alarm.code)
        regarded = regarding_snapshot(key.namespace, name, seen.uid)
        await self._events.say(regarded, f"{reason} {alarm.version}", reason, note)

    def _waiting(
        self, engine: Engine, ledger: ClusterLedger, decided: Mapping[SnapshotKey, Decided]
    ) -> Iterator[tuple[str, str, SnapshotKey, str]]:
        """Each waiting pod with the first sources that it waits for, and why."""
        for (_, name), pod in self._copies.pods.items.items():
            if pod.waiting and not pod.ending:
                found = _why(pod.demand.parts, engine, ledger, decided)
                for key, reason in islice(found, MOST_TOLD):
                    yield name, pod.uid, key, reason


def _why(
    keys: Iterable[SnapshotKey],
    engine: Engine,
    ledger: ClusterLedger,
    decided: Mapping[SnapshotKey, Decided],
) -> Iterator[tuple[SnapshotKey, str]]:
    for key in keys:
        item = decided.get(key)
        if item is None:
            continue
        state = engine.state(key)
        if state is not None and state.serving is not None:
            if ledger.is_foreign(key):
                yield key, FOREIGN_SECRET
            continue
        reason = item.refusal or (None if state is None else state.reason)
        if reason is not None:
            yield key, str(reason)

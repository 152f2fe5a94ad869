"""Says on pods that wait, and on snapshots with alarms, what is the matter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from controller.cluster.events import (
    alarm_note,
    regarding_pod,
    regarding_snapshot,
    waiting_note,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
        """Each waiting pod with each source that it waits for, and why."""
        for (_, name), pod in self._copies.pods.items.items():
            if not pod.waiting or pod.ending:
                continue
            for key in pod.demand.parts:
                state, item = engine.state(key), decided.get(key)
                if item is None or (state is not None and state.serving is not None):
                    if not ledger.is_foreign(key):
                        continue
                    yield name, pod.uid, key, "foreign-secret"
                    continue
                failed = None if state is None else state.reason
                reason = item.refusal or failed
                if reason is not None:
                    yield name, pod.uid, key, str(reason)

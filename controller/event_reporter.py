"""Says on pods that wait or started stale, and on snapshots with alarms, what is the matter."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from controller.event_recorder import alarm_note, regarding_pod, regarding_snapshot
from controller.pending_reasons import pending_reason, unusable
from controller.stale_starts import REASON, StartedSource, started_stale
from refresh.observer import Observer
from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from controller.demand import Demand, DemandedParts
    from controller.event_recorder import EventRecorder
    from controller.informers import Informers
    from controller.pending_reasons import PendingReason
    from controller.reconcile import Decided
    from controller.status_writer import StatusWriter
    from controller.watched_pods import WatchedPod
    from kube.reflector import Change
    from refresh.engine import Engine
    from refresh.model import Kept, SnapshotKey
    from refresh.step_events import Alarm
    from workqueue.clock import Clock

    Decisions = Mapping[SnapshotKey, Decided]

INTERVAL_S = 1.0
LATE_S = 60.0
"""An alarm waits so long for its snapshot's object, which may be made only now: as that of a backup
without objects. A pod that has started waits so long, from the first decision on, for what is known
of its sources."""
STARTED_S = 600.0
"""Pods that had started longer before this process saw them are passed over."""
REST_SHARE = 3.0
MOST_REST_S = 10.0
"""After a turn that took long, others have the loop for so many times as long, and no longer."""
FEW = 50
"""Waiting pods that are looked at without a pause."""
MOST_USABLE = 1024
"""Served values of which is kept whether waiting pods can use them."""
MOST_TOLD = 8
"""Sources that one pod waits for, so that the Events of one with hundreds can be read."""


class _Raised(NamedTuple):
    """An alarm of one snapshot."""

    key: SnapshotKey
    alarm: Alarm
    at: float
    """Monotonic."""


class _Start(NamedTuple):
    """A pod that has started."""

    namespace: str
    pod: str
    uid: str
    at: float
    """Its first start, in seconds since the epoch: a container may start again later."""
    seen_at: float
    """Monotonic."""


class PodCounts(Protocol):
    """Counts pods by namespace."""

    def pod_seen(self, namespace: str) -> None:
        """A pod of that namespace needs secrets."""
        ...

    def pod_started(self, namespace: str, *, stale: bool) -> None:
        """A pod has started. Once for each pod, by each leader."""
        ...


class EventReporter(Observer):
    """Looks at waiting pods each second, and takes alarms from the engine."""

    def __init__(
        self,
        events: EventRecorder,
        informers: Informers,
        clock: Clock,
        counts: PodCounts,
    ) -> None:
        self._events = events
        self._clock = clock
        self._informers = informers
        self._counts = counts
        self.held: Mapping[tuple[str, str], int] = {}
        """How many pods wait, by namespace and cause, as of the last turn. Replaced whole."""
        self._alarms: WorkQueue[_Raised] = WorkQueue()
        self._starts: WorkQueue[_Start] = WorkQueue()
        self._decided_at: float | None = None
        """When it was first decided on something, monotonic; before, nothing is known."""
        self._usable: dict[
            tuple[SnapshotKey, DemandedParts, str | None], tuple[Kept, PendingReason | None]
        ] = {}
        """What was found wrong with a served value."""
        informers.pods.subscribe(self._pod)

    def alarmed(self, key: SnapshotKey, alarm: Alarm) -> None:
        now = self._clock.monotonic()
        self._alarms.add(_Raised(key, alarm, now), now)

    async def run(
        self,
        engine: Engine,
        statuses: StatusWriter,
        decided: Callable[[], Decisions],
    ) -> None:
        """Until cancelled."""
        rest_s = INTERVAL_S
        while True:
            await asyncio.sleep(rest_s)  # noqa: TID251 - a turn, or longer after a long one
            began = self._clock.monotonic()
            while (raised := self._alarms.get(began)) is not None:
                told = await self._tell_alarm(raised.key, raised.alarm)
                now = self._clock.monotonic()
                if not told and now - raised.at < LATE_S:
                    self._alarms.add(raised, now + INTERVAL_S)
                self._alarms.done(raised)
            await self._tell_waiting(engine, statuses, decided())
            for pod, note in self._take_started(engine, statuses, decided()):
                self._counts.pod_started(pod.demand.namespace, stale=note is not None)
                if note is None:
                    continue
                regarded = regarding_pod(pod.demand.namespace, pod.demand.pod, pod.uid)
                await self._events.say(regarded, REASON, REASON, note)
            took_s = self._clock.monotonic() - began
            rest_s = min(MOST_REST_S, max(INTERVAL_S, REST_SHARE * took_s))

    async def _tell_alarm(self, key: SnapshotKey, alarm: Alarm) -> bool:
        """False: there is no object to regard."""
        name = key.source.snapshot
        seen = self._informers.snapshots.items.get((key.namespace, name))
        if seen is None:
            return False
        reason, note = alarm_note(alarm.kind, alarm.version, alarm.code, alarm.detail)
        regarded = regarding_snapshot(key.namespace, name, seen.uid)
        await self._events.say(regarded, f"{reason} {alarm.version}", reason, note)
        return True

    async def _tell_waiting(
        self, engine: Engine, statuses: StatusWriter, decided: Decisions
    ) -> None:
        """Each waiting pod is told the first sources that it waits for, and why. Others have the
        loop in between, however many there are.
        """
        now = self._clock.now()

        def why(demand: Demand) -> Iterator[PendingReason]:
            for key, taken in demand.parts.items():
                if (item := decided.get(key)) is not None:
                    found, state = statuses.kept_from_pods(key), engine.state(key)
                    login = statuses.login_failure(key, state)
                    waits = pending_reason(key, state, item, found=found, now=now, login=login)
                    if waits is None and state is not None and state.served is not None:
                        waits = self._unusable(key, state.served, taken, demand.bundle)
                    if waits is not None:
                        yield waits

        pods = self._informers.pods.items.values()
        waiting = [pod for pod in pods if pod.waiting and not pod.ending]
        held: Counter[tuple[str, str]] = Counter()
        for number, pod in enumerate(waiting):
            regarded = regarding_pod(pod.demand.namespace, pod.demand.pod, pod.uid)
            for place, found in enumerate(islice(why(pod.demand), MOST_TOLD)):
                held[pod.demand.namespace, found.cause] += place == 0
                about = f"{found.key.source.snapshot} {found.cause}"
                await self._events.say(regarded, about, found.reason, found.note)
            if number % FEW == FEW - 1:
                await asyncio.sleep(0)  # noqa: TID251 - no time passes
        self.held = +held

    def _unusable(
        self, key: SnapshotKey, served: Kept, taken: DemandedParts, bundle: str | None
    ) -> PendingReason | None:
        """As `pending_reasons.unusable`, which reads the value: once for equal needs."""
        asked = (key, taken, bundle)
        known = self._usable.get(asked)
        if known is None or known[0] is not served:
            if len(self._usable) >= MOST_USABLE:
                self._usable.clear()
            known = self._usable[asked] = served, unusable(key, served, taken, bundle=bundle)
        return known[1]

    def _pod(self, change: Change[WatchedPod]) -> None:
        """A pod has started, or is seen for the first time, started a while ago."""
        before, pod = change.before, change.after
        if pod is None:
            return
        self._counts.pod_seen(pod.demand.namespace)
        if pod.started_at is None:
            return
        started = before is None or before.uid != pod.uid or before.started_at is None
        if started and self._clock.now() - pod.started_at < STARTED_S:
            now, demand = self._clock.monotonic(), pod.demand
            start = _Start(demand.namespace, demand.pod, pod.uid, pod.started_at, now)
            self._starts.add(start, now)

    def _take_started(
        self, engine: Engine, statuses: StatusWriter, decided: Decisions
    ) -> list[tuple[WatchedPod, str | None]]:
        """The pods that have started, each once, as soon as it can be told whether with stale
        values, and the note where so. One that is gone by then is passed over: there is nothing to
        regard.
        """
        if not decided:
            return []
        now = self._clock.monotonic()
        if self._decided_at is None:
            self._decided_at = now
        found = []
        while (start := self._starts.get(now)) is not None:
            pod = self._informers.pods.items.get((start.namespace, start.pod))
            if pod is not None and pod.uid == start.uid:
                keys = pod.demand.parts
                known = all(key in decided and engine.state(key) is not None for key in keys)
                if not known and now - max(start.seen_at, self._decided_at) < LATE_S:
                    self._starts.add(start, now + INTERVAL_S)
                else:
                    note = self._note(pod, start.at, engine, statuses, decided)
                    found.append((pod, note))
            self._starts.done(start)
        return found

    def _note(
        self,
        pod: WatchedPod,
        started_at: float,
        engine: Engine,
        statuses: StatusWriter,
        decided: Decisions,
    ) -> str | None:
        """A node's clock that is ahead of ours makes no value look older."""
        sources = []
        for key in pod.demand.parts:
            state, item = engine.state(key), decided.get(key)
            if (
                state is None
                or item is None
                or item.demanded is None
                or statuses.kept_from_pods(key)
            ):
                continue
            sources.append(StartedSource(key=key, state=state, rules=item.demanded.rules))
        return started_stale(sources, min(started_at, self._clock.now()))

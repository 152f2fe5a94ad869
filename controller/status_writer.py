"""The one writer of SecretSnapshots' statuses: each is written when it says something else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure, Found
from controller.conditions import not_given
from controller.event_recorder import regarding_snapshot
from controller.reported_status import ReportedStatus, as_pods_see
from controller.snapshot_objects import made
from controller.snapshot_status import (
    TIMES,
    is_written,
    next_transition,
    status_of,
    timeless,
    to_wire,
)
from controller.status_transitions import transitions
from controller.telemetry import say
from controller.times import seconds
from kube.api_resources import SECRET_SNAPSHOTS
from kube.errors import ApiError, FencedError
from refresh.model import SnapshotState
from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contract.snapshot_format import Meta
    from controller.event_recorder import EventRecorder
    from controller.informers import Informers
    from controller.namespace_ages import FreshnessMaps
    from controller.reconcile import Decided
    from controller.record_store import Records
    from controller.snapshot_objects import WatchedSnapshot
    from controller.tenant_secrets import Secrets
    from kube.api import Api
    from kube.reflector import Change
    from refresh.model import SnapshotKey
    from workqueue.clock import Clock

INTERVAL_S = 0.2
"""How often due statuses are looked for."""
LOGIN_FAILURES = frozenset({FetchFailure.DENIED, FetchFailure.THROTTLED, FetchFailure.UNAVAILABLE})
"""What a fetch fails with where the account can't log in."""
AGAIN_S = 1.0
"""So long after a write, or after somebody else's, a status is compared again."""
_AT_ONCE = 8
"""Writes in flight."""
_AT_A_TIME = 64
"""Statuses that are compared before others have the loop."""


def _no_failure(_account: str) -> None:
    """Of accounts that need no login."""


class StatusWriter:
    """What each status says now, and when it is written."""

    def __init__(
        self,
        api: Api,
        *,
        informers: Informers,
        records: Records,
        secrets: Secrets,
        freshness: FreshnessMaps,
        events: EventRecorder,
        clock: Clock,
        draw: Callable[[], float],
        login_failure: Callable[[str], str | None] = _no_failure,
    ) -> None:
        """`draw` gives a random number in [0, 1). `login_failure(account)`: why it has no
        credentials, None being that it has.
        """
        self._api = api
        self._login_failure = login_failure
        self._informers = informers
        self._records = records
        self._secrets = secrets
        self._freshness = freshness
        self._events = events
        self._clock = clock
        self._draw = draw
        self._queue: WorkQueue[SnapshotKey] = WorkQueue()
        """Statuses to compare with what is known, and to write."""
        self._transitions: WorkQueue[SnapshotKey] = WorkQueue()
        """Those that time alone changes, by the wall clock: seconds since the epoch."""
        self._unconfirmed: set[SnapshotKey] = set()
        """Those that say since when their value is not confirmed."""
        self._applied: dict[SnapshotKey, int] = {}
        self._decided: Mapping[SnapshotKey, Decided] = {}
        self._consumers: Mapping[SnapshotKey, tuple[str, ...]] = {}
        self._altered: set[SnapshotKey] = set()
        self._published: dict[SnapshotKey, Meta] = {}
        self._shown: dict[SnapshotKey, ReportedStatus] = {}
        self._ages_late: set[str] = set()
        """Namespaces whose pods see ages from before."""
        informers.snapshots.subscribe(self._changed)

    def published(self, key: SnapshotKey, meta: Meta) -> Meta | None:
        """Pods are given this now, by this process or by the one before. What they were given
        before; None: that is not known.
        """
        before = self._published.get(key)
        self._published[key] = meta
        return before

    def decided(
        self,
        decided: Mapping[SnapshotKey, Decided],
        consumers: Mapping[SnapshotKey, tuple[str, ...]],
        generations: Mapping[SnapshotKey, int],
    ) -> None:
        """Takes over what was decided now, after the engine has been told."""
        self._altered = {
            key
            for key, item in decided.items()
            if item != self._decided.get(key)
            or consumers.get(key) != self._consumers.get(key)
            or generations.get(key) != self._applied.get(key)
        }
        self._decided, self._consumers = decided, consumers
        self._applied.update(generations)

    def decision(self, key: SnapshotKey) -> Decided | None:
        """The last one on a snapshot; None: there is none."""
        return self._decided.get(key)

    def consumers(self, key: SnapshotKey) -> tuple[str, ...]:
        """Names of the pods that demand a snapshot, as last decided on."""
        return self._consumers.get(key, ())

    def show(self, key: SnapshotKey, state: SnapshotState) -> None:
        """Shows one snapshot soon, also where only times are new."""
        self._note(key, state).times = True

    def write(self, key: SnapshotKey, state: SnapshotState | None) -> None:
        """Shows one snapshot soon, if there is something else to say than before."""
        shown = self._shown.get(key)
        if shown is None or key in self._altered or shown.state is not state:
            self._note(key, SnapshotState() if state is None else state)

    def found(self, key: SnapshotKey, found: Found | None) -> None:
        """Why pods are not given what is known of a snapshot; None: they are."""
        shown = self._shown.setdefault(key, ReportedStatus())
        if shown.found is not found:
            shown.found = found
            self._queue.add(key, self._clock.monotonic())

    def kept_from_pods(self, key: SnapshotKey) -> Found | None:
        """Why pods are not given what is known of a snapshot; None: they are."""
        shown = self._shown.get(key)
        return None if shown is None else shown.found

    def login_failure(self, key: SnapshotKey, state: SnapshotState | None) -> str | None:
        """The sentence of a fetch that failed because its account can't log in; None: of another
        one, or of none.
        """
        if state is None or state.reason not in LOGIN_FAILURES:
            return None
        why = self._login_failure(key.source.account)
        return None if why is None else f"the account's login fails: {why}"

    def ages_late(self, namespace: str, *, late: bool) -> None:
        """Whether the namespace's ages can't be written, so that pods see those from before."""
        if late == (namespace in self._ages_late):
            return
        (self._ages_late.add if late else self._ages_late.discard)(namespace)
        mono = self._clock.monotonic()
        for key in self._shown:
            if key.namespace == namespace:
                self._queue.add(key, mono)

    def forget(self, key: SnapshotKey) -> bool:
        """Drops what is known of one status. Whether something was."""
        self._applied.pop(key, None)
        self._published.pop(key, None)
        self._queue.discard(key)
        self._transitions.discard(key)
        self._unconfirmed.discard(key)
        return self._shown.pop(key, None) is not None

    async def run(self, states: Mapping[SnapshotKey, SnapshotState]) -> None:
        """Writes statuses until cancelled. `states` is what the engine knows, live."""
        permits = asyncio.Semaphore(_AT_ONCE)
        while True:
            await asyncio.sleep(INTERVAL_S)  # noqa: TID251 - a fixed interval
            self._queue_changes(states)
            while some := self._due():
                await asyncio.gather(*(self._show(key, permits) for key in some))

    def _queue_changes(self, states: Mapping[SnapshotKey, SnapshotState]) -> None:
        """Queues what time has changed, and what the provider has confirmed."""
        now, mono = self._clock.now(), self._clock.monotonic()
        while (key := self._transitions.get(now)) is not None:
            self._transitions.done(key)
            self._queue.add(key, mono)
        for key in self._unconfirmed:
            if self._shown[key].confirmed(states.get(key)):
                self._note(key, states[key])

    def _due(self) -> list[SnapshotKey]:
        """Some that are due, now in flight."""
        mono = self._clock.monotonic()
        due: list[SnapshotKey] = []
        while len(due) < _AT_A_TIME and (key := self._queue.get(mono)) is not None:
            due.append(key)
        return due

    def _note(self, key: SnapshotKey, state: SnapshotState) -> ReportedStatus:
        shown = self._shown.setdefault(key, ReportedStatus())
        shown.state = state
        self._queue.add(key, self._clock.monotonic())
        return shown

    async def _show(self, key: SnapshotKey, permits: asyncio.Semaphore) -> None:
        shown = self._shown.get(key)
        decided = self._decided.get(key)
        if shown is None or decided is None or self._is_gone(key.namespace):
            self._queue.done(key)
            return
        try:
            async with permits:
                wrote = await self._show_now(key, shown, decided)
        except (ApiError, FencedError) as error:
            self._queue.retry(key, self._clock.monotonic(), self._draw(), asked_s=error.delay_s)
            name = key.source.snapshot
            say(logging.INFO, "controller.status_not_written", snapshot=name, why=str(error))
            return
        if wrote:
            self._queue.add(key, self._clock.monotonic() + AGAIN_S)
        self._queue.done(key)

    def _is_gone(self, namespace: str) -> bool:
        return ("", namespace) not in self._informers.namespaces.items

    async def _show_now(self, key: SnapshotKey, shown: ReportedStatus, decided: Decided) -> bool:
        """Whether anything was written."""
        seen = self._informers.snapshots.items.get((key.namespace, key.source.snapshot))
        if seen is None:
            return await self._make(key, shown, decided)
        before = shown.written
        if before is None:
            before = dict(seen.status)
            self._says(key, shown, before)
            shown.observed = seen.status.get("observedGeneration", 0)
            shown.handled = seconds(seen.status.get("lastHandledRefresh"))
        now = self._clock.now()
        if is_written(shown.state, self._published.get(key)):
            shown.observed = self._applied.get(key, 0)
            shown.handled = shown.state.refresh_handled or shown.handled
        await self._probe(key, shown)
        document = self._document(key, shown, before, decided, now)
        if timeless(document) == timeless(before) and not (
            shown.times and any(document[name] != before.get(name) for name in TIMES)
        ):
            return False
        await self._api.merge_patch(_path(key, "status"), {"status": document})
        self._says(key, shown, document)
        shown.times = False
        regarded = regarding_snapshot(seen.namespace, seen.name, seen.uid)
        for transition, note in transitions(before, document):
            about = f"{transition} {document['version']}"
            severity = transition.severity
            await self._events.say(regarded, about, transition, note, severity=severity)
        return True

    def _says(self, key: SnapshotKey, shown: ReportedStatus, document: dict[str, Any]) -> None:
        """Notes what the status says now."""
        shown.written = document
        if self._shown.get(key) is shown:
            known = document.get("unconfirmedSince") is None
            (self._unconfirmed.discard if known else self._unconfirmed.add)(key)

    def _document(
        self,
        key: SnapshotKey,
        shown: ReportedStatus,
        before: Mapping[str, Any],
        decided: Decided,
        now: float,
    ) -> dict[str, Any]:
        """The status to write. Where ages can't be written it says what pods see."""
        state, found = shown.state, None
        held = self._records.get(key)
        if key.namespace in self._ages_late and state.served is not None:
            entry = self._freshness.entry(key.namespace, key.source.snapshot)
            state = as_pods_see(state, self._published.get(key), entry)
            found = Found.AGES_NOT_WRITTEN
        elif held is not None and held.restored:
            found = Found.RESTORED
        consumers = self._consumers.get(key, ())
        status = status_of(
            key,
            state,
            decided,
            consumers,
            shown.observed,
            handled=shown.handled,
            found=found,
            login=self.login_failure(key, state),
        )
        self._transitions.add(key, next_transition(status, now))
        document = to_wire(status, state, before, now)
        if shown.found is not None:
            return not_given(document, shown.found, before, now)
        return document

    async def _probe(self, key: SnapshotKey, shown: ReportedStatus) -> None:
        """Checks once whether another Secret stands where one that was never served is to be, for
        what to do then is not the provider's.
        """
        if shown.probed or shown.state.serving is not None or shown.found is not None:
            return
        with suppress(ApiError, FencedError):
            if await self._secrets.is_foreign(key.namespace, key.source.snapshot):
                shown.found = Found.FOREIGN_SECRET
            shown.probed = True

    async def _make(self, key: SnapshotKey, shown: ReportedStatus, decided: Decided) -> bool:
        """Makes the object for a snapshot that policy allows or that is served; a plan alone makes
        none. AlreadyExistsError: one is there that is not seen, as while it hangs in its deletion.
        """
        if decided.demanded is None and not decided.known.synced:
            return False
        body = made(key, shown.state)
        path = SECRET_SNAPSHOTS.path(key.namespace)
        await self._api.create(path, body)
        shown.written = None
        return True

    def _changed(self, change: Change[WatchedSnapshot]) -> None:
        """An object went, or says something else than we wrote: it is written again."""
        seen = change.after or change.before
        if seen is None or not seen.named:
            return
        shown = self._shown.get(seen.key)
        if shown is None or shown.written is None:
            return
        if change.after is None or timeless(change.after.status) != timeless(shown.written):
            if change.after is not None:
                self._says(seen.key, shown, dict(change.after.status))
            self._queue.add(seen.key, self._clock.monotonic() + AGAIN_S)


def _path(key: SnapshotKey, subresource: str | None = None) -> str:
    return SECRET_SNAPSHOTS.path(key.namespace, key.source.snapshot, subresource)

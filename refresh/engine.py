"""The driver: runs all fetches in threads, writes what changed, and wakes when due."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from contract.snapshot_format import is_incarnation, is_version
from providers.protocol import Failed, Fetched, Material, NotModified
from providers.unopened import UnopenedSource
from refresh.manager import SnapshotManager
from refresh.model import Moment
from refresh.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from random import Random

    from contract.ages import Entry
    from providers.protocol import FetchRequest, FetchResult, Source
    from refresh.account_queue import Work
    from refresh.budget import RateLimit
    from refresh.model import Demanded, OperatorSpec, SnapshotKey, SnapshotState
    from refresh.sink import Publication, Sink
    from refresh.write_queue import Job, WriteParts
    from workqueue.clock import Clock

    Ask = Callable[[str, Callable[[], Fetched]], Awaitable[Fetched]]
    """Runs one blocking fetch of an account and answers what it answered. The first argument is the
    account's name.
    """

THREADS = 4
"""Fetches in progress per account; why so many: docs/design/005."""
WRITERS = 4
"""Writes in progress at once."""
DRAIN_S = 10.0
"""For fetches in progress at the end. What is left of the 30 s that a pod gets to end is for the
last writes and for the Lease. The next leader fetches again what was given up.
"""
CLOCK_STEP_S = 1.0
"""The wall clock counts as set back when it lost more than this against the monotonic one."""


class Engine:
    """Keeps the demanded snapshots fresh while `run` runs.

    All methods belong to the loop's thread. `sources(account, identity, provider)` opens a Source;
    the engine keeps one of each and closes it at the end. `ask` runs what blocks.
    """

    def __init__(
        self,
        *,
        sources: Callable[[str, str, str], Source],
        sink: Sink,
        clock: Clock,
        rng: Random,
        cluster: str,
        observer: Observer | None = None,
        drain_s: float = DRAIN_S,
        ask: Ask | None = None,
    ) -> None:
        self._open = sources
        self._ask: Ask = in_thread if ask is None else ask
        self._opened: dict[tuple[str, str, str], Source] = {}
        self._sink = sink
        self._clock = clock
        self._draw = rng.random
        self._observer = Observer() if observer is None else observer
        self._manager = SnapshotManager(
            cluster=cluster, sources=self._source, draw=rng.random, observer=self._observer
        )
        self._fetches: dict[str, set[asyncio.Task[None]]] = {}
        self._fetching = asyncio.Event()
        self._writing = asyncio.Event()
        self._drain_s = drain_s
        self._offset_s: float | None = None
        self._closing = False
        self._broken: BaseException | None = None

    def govern(self, budgets: Mapping[str, RateLimit]) -> None:
        """Sets the accounts that may be called, whole. Without a budget nothing is fetched."""
        self._manager.govern(budgets, self._now())
        self._wake()

    def restore(self, key: SnapshotKey, written: Publication, entry: Entry | None) -> None:
        """Takes over what was written of a snapshot, and its age, before `demand`. A WireError says
        that it can't be used; the snapshot then counts as never synced.
        """
        self._manager.restore(key, written, entry, self._now())

    def demand(self, demanded: Iterable[Demanded]) -> None:
        """Sets what is kept fresh, whole. What is not in it keeps its value and is not fetched."""
        self._manager.demand(demanded, self._now())
        self._wake()

    def operate(self, key: SnapshotKey, wanted: OperatorSpec) -> None:
        """Applies what operators want of one snapshot, whole; also while it is not demanded."""
        self._manager.operate(key, wanted, self._now())
        self._wake()

    def changed(self, scheme: str, reference: str) -> None:
        """Fetches a source soon: something about it changed."""
        self._manager.changed(scheme, reference, self._now())
        self._wake()

    def withdraw(self, key: SnapshotKey) -> None:
        """Removes a value that policy has not allowed for its grace time."""
        self._manager.states.withdraw(key, self._now())
        self._wake()

    def retire(self, key: SnapshotKey) -> None:
        """Removes all values of a snapshot that is kept only to know revoked ones again."""
        self._manager.states.retire(key, self._now())
        self._wake()

    def tombstone(self, key: SnapshotKey) -> None:
        """Publishes that nothing is served: the record was lost, and what pods have is revoked."""
        self._manager.states.tombstone(key, self._now())
        self._wake()

    def republish(self, key: SnapshotKey) -> None:
        """Writes a snapshot again as it should be, in case somebody changed it."""
        self._manager.states.republish(key, self._now())
        self._wake()

    def forget(self, key: SnapshotKey) -> None:
        """Drops what is known of a snapshot that nobody demands and whose objects are gone."""
        self._manager.forget(key, self._now())
        self._wake()

    def smallest_bursts(self) -> dict[str, int]:
        """By account whose burst is too small for some source: one that is enough for all."""
        return self._manager.smallest_bursts()

    def open_breakers(self) -> frozenset[str]:
        """The accounts whose provider is asked by one call at a time, for it was away or
        throttled.
        """
        return self._manager.open_breakers()

    def state(self, key: SnapshotKey) -> SnapshotState | None:
        """What is known of a snapshot; None: nothing."""
        return self._manager.states.get(key)

    def states(self) -> Mapping[SnapshotKey, SnapshotState]:
        """All that is known, to be read."""
        return self._manager.states.all

    def states_copied(self) -> Mapping[SnapshotKey, SnapshotState]:
        """The same as of now. The one method that any thread may call."""
        return self._manager.states.copied()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; then starts nothing more, waits `drain_s` for the fetches in
        progress, writes what they brought, and closes the sources.
        """
        writers = [asyncio.create_task(self._write()) for _ in range(WRITERS)]
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set() and self._broken is None:
                self._fetching.clear()
                wait_s = self._start_due()
                await self._pause(self._fetching, wait_s, stopping)
            await self._finish(writers)
        finally:
            tasks = (stopping, *writers, *self._in_flight())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._close()
        if self._broken is not None:
            raise self._broken

    def _start_due(self) -> float:
        """Starts all that is due and paid; answers the seconds until there may be more."""
        at = self._now()
        self._manager.states.tick(at)
        next_at = self._manager.states.ticks_at(at)
        for account in self._manager.accounts:
            in_flight = self._fetches.setdefault(account, set())
            while len(in_flight) < THREADS:
                work = self._manager.pick(account, at)
                if work is None:
                    next_at = min(next_at, self._manager.next_at(account, at))
                    break
                fetch = asyncio.create_task(self._fetch(account, work))
                in_flight.add(fetch)
                fetch.add_done_callback(in_flight.discard)
                fetch.add_done_callback(self._ended)
        return max(0.0, next_at - at.mono)

    async def _fetch(self, account: str, work: Work) -> None:
        requests = self._manager.requests(work)
        source = self._source(account, work.kind.identity, work.kind.scheme)
        asking = partial(_ask, source, requests, work.reserved)
        fetched = await self._ask(account, asking)
        self._manager.finish(account, work, fetched, self._now())
        self._wake()

    def _ended(self, fetch: asyncio.Task[None]) -> None:
        """A fetch that raised is a fault of ours: `run` ends with it rather than work by halves."""
        if not fetch.cancelled() and (error := fetch.exception()) is not None:
            self._broken = error
            self._wake()

    async def _write(self) -> None:
        """Writes what is due, one job at a time, until the engine closes."""
        while not self._closing:
            self._writing.clear()
            mono = self._clock.monotonic()
            taken = self._manager.states.writes.take(mono)
            if taken is None:
                await self._pause(self._writing, self._manager.states.writes.next_at() - mono)
                continue
            await self._write_job(*taken)

    async def _write_job(self, job: Job, parts: WriteParts) -> None:
        try:
            if job.namespace is not None:
                await self._sink.report(job.namespace, self._manager.states.entries(job.namespace))
            if job.key is not None:
                await self._write_snapshot(job.key, parts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the write is repeated
            mono, asked_s = self._clock.monotonic(), getattr(error, "delay_s", None)
            self._manager.states.writes.failed(job, mono, self._draw(), asked_s=asked_s)
            what = "freshness" if job.key is None else "snapshot"
            self._observer.sink_failed(what, type(error).__name__)
            return
        self._manager.states.writes.done(job, self._clock.monotonic())

    async def _write_snapshot(self, key: SnapshotKey, parts: WriteParts) -> None:
        publication = self._manager.states.publication(key) if parts.publish else None
        if publication is not None:
            await self._sink.publish(key, publication)
        state = self._manager.states.get(key)
        if parts.status and state is not None:
            await self._sink.status(key, state)

    async def _finish(self, writers: list[asyncio.Task[None]]) -> None:
        if fetches := self._in_flight():
            await asyncio.wait(fetches, timeout=self._drain_s)
        self._closing = True
        self._wake()
        await asyncio.gather(*writers)
        for _ in range(len(self._manager.states.writes)):
            taken = self._manager.states.writes.take(float("inf"))
            if taken is not None:
                await self._write_job(*taken)

    def _in_flight(self) -> list[asyncio.Task[None]]:
        return [fetch for in_flight in self._fetches.values() for fetch in in_flight]

    async def _pause(
        self, event: asyncio.Event, wait_s: float, *others: asyncio.Task[bool]
    ) -> None:
        """Waits for the event, the time, or one of the others, whichever is first."""
        waiting = asyncio.create_task(event.wait())
        timeout = None if wait_s == float("inf") else max(0.0, wait_s)
        try:
            await asyncio.wait(
                {waiting, *others}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()

    def _wake(self) -> None:
        self._fetching.set()
        self._writing.set()

    def _now(self) -> Moment:
        """Now; and when the wall clock was set back since the last time, no age shrinks by it."""
        at = Moment(self._clock.now(), self._clock.monotonic())
        offset_s = at.wall - at.mono
        back_s = 0.0 if self._offset_s is None else self._offset_s - offset_s
        self._offset_s = offset_s
        if back_s > CLOCK_STEP_S:
            self._manager.states.rewind(back_s, at)
        return at

    def _source(self, account: str, identity: str, scheme: str) -> Source:
        name = (account, identity, scheme)
        source = self._opened.get(name)
        if source is None:
            try:
                source = self._opened[name] = self._open(account, identity, scheme)
            except Exception as error:  # noqa: BLE001 - one account that can't be opened stops no other
                return UnopenedSource(type(error).__name__)  # tried again at the next fetch
        return source

    def _close(self) -> None:
        for source in self._opened.values():
            source.close()


async def in_thread(account: str, asking: Callable[[], Fetched]) -> Fetched:
    """What it answers, asked in a thread of its own. When this is cancelled, that goes on, and the
    end of the process does not wait for it, as it does for the threads of an executor.
    """
    answer: Future[Fetched] = Future()
    answer.set_running_or_notify_cancel()

    def run() -> None:
        try:
            answer.set_result(asking())
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            answer.set_exception(error)

    threading.Thread(target=run, name=f"fetch-{account}", daemon=True).start()
    return await asyncio.wrap_future(answer)


def _ask(source: Source, requests: Sequence[FetchRequest], most_calls: int) -> Fetched:
    """Asks in a thread. A source that breaks its word counts as not available."""
    try:
        fetched = source.fetch(requests)
    except Exception as error:  # noqa: BLE001 - a fault in one source stops no other
        code = type(error).__name__
    else:
        if len(fetched.results) == len(requests):
            return replace(fetched, results=tuple(map(_nameable, fetched.results)))
        code = "results-lost"
    failed = Failed(reason=FetchFailure.UNAVAILABLE, code=code)
    return Fetched(results=(failed,) * len(requests), calls=most_calls)


def _nameable(result: FetchResult) -> FetchResult:
    """A version of another form could be in no object, so what is served stays."""
    if not isinstance(result, Material | NotModified):
        return result
    mark = result.incarnation
    if is_version(result.version) and (mark is None or is_incarnation(mark)):
        return result
    return Failed(reason=FetchFailure.INVALID, code="version-name")

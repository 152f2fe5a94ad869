"""A simulated provider, and a clock that jumps from event to event: no time passes in tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from contract.freshness import FreshnessClass
from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import META, VALUE, from_wire
from providers.protocol import Alone, Failed, Fetched, Material, NotModified
from refresh.budget import RateLimit
from refresh.manager import SnapshotManager
from refresh.model import Checks, Demanded, Moment, SnapshotKey, SourceKey
from refresh.observer import Observer
from refresh.snapshot_data import history_data, published, secret_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from contract.ages import Entry
    from providers.protocol import FetchRequest, FetchResult
    from refresh.account_queue import Work
    from refresh.model import OperatorSpec, Task, Use
    from refresh.sink import Publication
    from refresh.step_events import Alarm
    from refresh.write_queue import Job, WriteParts

CLUSTER = "uid-1"
STEADY = FreshnessClass(
    name="steady", refresh_s=900.0, budget_s=3600.0, max_age_s=86400.0, on_expired="serve"
)
CRITICAL = FreshnessClass(
    name="critical", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="refuse"
)
CHECKS = Checks(max_bytes=65536)
BUDGET = RateLimit(calls_per_second=20, burst=40)


def source(reference: str, account: str = "aws", identity: str = "") -> SourceKey:
    """A source of the simulated provider."""
    return SourceKey(account, identity, "aws-sm", reference)


def snapshot(namespace: str, reference: str, account: str = "aws") -> SnapshotKey:
    """One source in one namespace."""
    return SnapshotKey(namespace, source(reference, account))


def demanded(
    namespace: str,
    reference: str,
    *,
    rules: FreshnessClass = STEADY,
    checks: Checks = CHECKS,
    properties: frozenset[str] = frozenset(),
    whole: bool = False,
    wanted: OperatorSpec | None = None,
    used: tuple[Use, ...] = (),
    hold_s: float | None = None,
) -> Demanded:
    """A demand with the usual rules and checks."""
    return Demanded(
        key=snapshot(namespace, reference),
        rules=rules,
        checks=checks,
        properties=properties,
        whole=whole,
        wanted=wanted,
        used=used,
        hold_s=hold_s,
    )


@dataclass
class Provider:
    """A Source whose faults are switched by the test. One call per fetch, as a batch API has."""

    batch_limit: int = 20
    cheap_checks: bool = True
    down: FetchFailure | None = None
    asked_s: float | None = None
    faults: dict[str, FetchFailure] = field(default_factory=dict)
    torn: dict[str, bytes] = field(default_factory=dict)
    """Bytes that are answered in the place of the real ones."""
    poison: set[str] = field(default_factory=set)
    """References that make every batch fail as a whole."""
    held: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """Versions by reference, the current one last."""
    marks: dict[str, str] = field(default_factory=dict)
    """Incarnations by reference; none: the provider does not say."""
    default: Callable[[str], tuple[str, bytes]] | None = None
    calls: int = 0
    asked: list[str] = field(default_factory=list)
    by_value: list[str] = field(default_factory=list)
    closed: bool = False

    def rotate(self, reference: str, version: str, value: bytes) -> None:
        self.held.setdefault(reference, []).append((version, value))

    def recreate(self, reference: str, version: str, value: bytes, mark: str) -> None:
        """Deletes the secret and makes it again."""
        self.held[reference], self.marks[reference] = [(version, value)], mark

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:  # noqa: ARG002 - always one
        return 1

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        self.calls += 1
        self.asked.extend(request.reference for request in requests)
        alone = len(requests) > 1 and any(one.reference in self.poison for one in requests)
        results = tuple(Alone() if alone else self._result(request) for request in requests)
        return Fetched(results=results, calls=1)

    def close(self) -> None:
        self.closed = True

    def _result(self, request: FetchRequest) -> FetchResult:
        fault = self.down or self.faults.get(request.reference)
        if fault is not None:
            return Failed(reason=fault, code=f"simulated-{fault}", delay_s=self.asked_s)
        known = self.held.get(request.reference)
        if known is None and self.default is not None:
            known = [self.default(request.reference)]
        wanted = [
            item for item in known or () if request.version is None or item[0] == request.version
        ]
        if not wanted:
            return Failed(reason=FetchFailure.ABSENT, code="simulated-absent")
        version, value = wanted[-1]
        mark = self.marks.get(request.reference)
        known_ = (request.known_version, request.known_incarnation)
        if self.cheap_checks and known_ == (version, mark):
            return NotModified(version=version, incarnation=mark)
        self.by_value.append(request.reference)
        value = self.torn.get(request.reference, value)
        return Material(version=version, value=SecretBytes(value), incarnation=mark)


class Recorder(Observer):
    """Remembers what an observer is told."""

    def __init__(self) -> None:
        self.alarms: list[tuple[SnapshotKey, Alarm]] = []
        self.results: list[tuple[Task, FetchFailure | None, str]] = []
        self.exhausted_accounts: list[str] = []
        self.sink_failures: list[tuple[str, str]] = []

    def refreshed(self, task: Task, reason: FetchFailure | None, code: str) -> None:
        self.results.append((task, reason, code))

    def alarmed(self, key: SnapshotKey, alarm: Alarm) -> None:
        self.alarms.append((key, alarm))

    def exhausted(self, account: str) -> None:
        self.exhausted_accounts.append(account)

    def sink_failed(self, what: str, error: str) -> None:
        self.sink_failures.append((what, error))


@dataclass
class Store:
    """A sink in memory, which can be made to fail."""

    failing: bool = False
    snapshots: dict[SnapshotKey, dict[str, bytes]] = field(default_factory=dict)
    histories: dict[SnapshotKey, dict[str, bytes]] = field(default_factory=dict)
    reports: dict[str, dict[str, Entry]] = field(default_factory=dict)
    writes: int = 0
    report_writes: int = 0
    statuses: int = 0

    def write(self, key: SnapshotKey, publication: Publication) -> None:
        self._fail()
        self.writes += 1
        self.snapshots[key] = secret_data(publication)
        self.histories[key] = history_data(publication.history)

    def read(self, key: SnapshotKey) -> Publication:
        """What was written, as a restart reads it."""
        return read(self.snapshots[key], self.histories.get(key, {}))

    def note(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        self._fail()
        self.report_writes += 1
        self.reports[namespace] = dict(entries)

    def _fail(self) -> None:
        if self.failing:
            raise OSError("the simulated sink is down")


def read(data: Mapping[str, bytes], history: Mapping[str, bytes]) -> Publication:
    """What was written, from the keys of a snapshot and of its history. WireError."""
    return published(from_wire(data[META]), data[VALUE], history)


class World:
    """A fleet, its provider and its store under a clock that the test moves."""

    def __init__(
        self,
        provider: Provider,
        *,
        draw: Callable[[], float],
        latency_s: float = 0.05,
        threads: int = 4,
        observer: Observer | None = None,
        wall: float = 1_000_000.0,
        store: Store | None = None,
        cluster: str = CLUSTER,
    ) -> None:
        self.provider = provider
        self.wall, self.mono = wall, 0.0
        self.store = Store() if store is None else store
        self.recorder = Recorder()
        self.draw = draw
        self.latency_s = latency_s
        self.call_times: list[float] = []
        self.manager = SnapshotManager(
            cluster=cluster,
            sources=lambda *_: provider,
            draw=draw,
            observer=observer or self.recorder,
        )
        self._threads = threads
        self._order = 0
        self._flying: list[tuple[float, int, str, Work, Fetched]] = []

    @property
    def at(self) -> Moment:
        return Moment(self.wall, self.mono)

    def jump(self, seconds: float) -> None:
        """The wall clock is set; as the engine does, a step back is told."""
        self.wall += seconds
        if seconds < -1:
            self.manager.states.rewind(-seconds, self.at)

    def restore(self) -> None:
        """As after a restart: takes over what the store holds."""
        for key in self.store.snapshots:
            entry = self.store.reports.get(key.namespace, {}).get(key.source.snapshot)
            self.manager.restore(key, self.store.read(key), entry, self.at)

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        end = self.mono + seconds
        while True:
            self.manager.states.tick(self.at)
            self._start()
            self.flush()
            next_at = min(
                [
                    self._flying[0][0] if self._flying else float("inf"),
                    self.manager.states.writes.next_at(),
                    self.manager.states.ticks_at(self.at),
                    *(self._next_at(account) for account in self.manager.accounts),
                ]
            )
            if next_at > end:
                self._pass(end)
                return
            self._pass(max(next_at, self.mono + 1e-6))
            self._land()

    def finish(self) -> None:
        """Writes everything, due or not, as the engine does when it ends in order."""
        self.flush(until=float("inf"))

    def flush(self, until: float | None = None) -> None:
        """Writes what is due; until: by then (None: now)."""
        writes = self.manager.states.writes
        while (taken := writes.take(self.mono if until is None else until)) is not None:
            job, parts = taken
            try:
                self._write(job, parts)
            except OSError:
                writes.failed(job, self.mono, self.draw())
            else:
                writes.done(job, self.mono)

    def _write(self, job: Job, parts: WriteParts) -> None:
        if job.namespace is not None:
            self.store.note(job.namespace, self.manager.states.entries(job.namespace))
        elif job.key is not None:
            publication = self.manager.states.publication(job.key) if parts.publish else None
            if publication is not None:
                self.store.write(job.key, publication)
            self.store.statuses += parts.status

    def _next_at(self, account: str) -> float:
        busy = sum(flying[2] == account for flying in self._flying) >= self._threads
        return float("inf") if busy else self.manager.next_at(account, self.at)

    def _pass(self, mono: float) -> None:
        self.wall += mono - self.mono
        self.mono = mono

    def _start(self) -> None:
        for account in self.manager.accounts:
            while sum(flying[2] == account for flying in self._flying) < self._threads:
                work = self.manager.pick(account, self.at)
                if work is None:
                    break
                before = self.provider.calls
                fetched = self.provider.fetch(self.manager.requests(work))
                self.call_times.extend([self.mono] * (self.provider.calls - before))
                self._order += 1
                heappush(
                    self._flying,
                    (self.mono + self.latency_s, self._order, account, work, fetched),
                )

    def _land(self) -> None:
        while self._flying and self._flying[0][0] <= self.mono:
            _, _, account, work, fetched = heappop(self._flying)
            self.manager.finish(account, work, fetched, self.at)


def most_over(times: Sequence[float], *, rate: float, burst: float) -> float:
    """The most calls by which any window exceeds `burst + rate * t`; at most 0 keeps the budget.

    With x(i) = i - rate * t(i), a window from call i to call j has j - i + 1 calls.
    """
    worst, least = float("-inf"), float("inf")
    for index, moment in enumerate(times):
        value = index - rate * moment
        least = min(least, value)
        worst = max(worst, value - least + 1 - burst)
    return worst


def plain(_: str) -> tuple[str, bytes]:
    """Every reference's first version."""
    return "v1", b'{"a":"x"}'


def governed(provider: Provider, budget: RateLimit = BUDGET, seed: int = 1) -> World:
    """A world whose account may be called that often."""
    world = World(provider, draw=Random(seed).random)
    world.manager.govern({"aws": budget}, world.at)
    return world


def served(world: World, key: SnapshotKey) -> str | None:
    """The version that a snapshot serves."""
    state = world.manager.states.get(key)
    return None if state is None or state.served is None else state.served.version

"""The engine with a real loop, real threads and real time."""

from __future__ import annotations

import asyncio
import threading
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.protocol import Fetched, Material
from refresh.budget import RateLimit
from refresh.engine import THREADS, Engine
from refresh.model import OperatorSpec
from tests.make import CANARY
from tests.refresh.driven import KEY, Setup, new_provider, until
from tests.refresh.world import CLUSTER, Provider, Recorder, demanded, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from providers.protocol import FetchRequest, Source
    from refresh.model import SnapshotKey
    from refresh.sink import Publication


def test_a_demanded_source_is_fetched_published_and_reported() -> None:
    """And at the end the source is closed."""
    provider = new_provider()
    setup = Setup(provider)

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await until(lambda: KEY in setup.store.snapshots and "a" in setup.store.reports)

    setup.run(story)
    assert setup.store.snapshots[KEY]["value"] == CANARY
    assert setup.sink.states[KEY].served is not None
    assert provider.closed
    assert list(setup.engine.states()) == [KEY]


def test_p12_an_operators_request_is_published_while_the_provider_hangs() -> None:
    """All fetch threads of the account are stuck; writes are not."""
    provider = new_provider()
    released = threading.Event()

    class Hanging(Provider):
        def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
            if any(request.reference != "/s" for request in requests):
                released.wait(30)
            return provider.fetch(requests)

    setup = Setup(Hanging(batch_limit=1))

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await until(lambda: KEY in setup.store.snapshots)
        stuck = [demanded("b", f"/stuck/{n}") for n in range(2 * THREADS)]
        setup.engine.demand([demanded("a", "/s"), *stuck])
        setup.engine.operate(KEY, OperatorSpec(revoked=frozenset({"v1"})))
        await until(lambda: setup.store.snapshots[KEY]["value"] == b"")
        released.set()

    setup.run(story)


def test_a_failing_sink_is_tried_again_until_it_takes_the_state() -> None:
    """Nothing is fetched again for it."""
    provider = new_provider()
    setup = Setup(provider)

    async def story() -> None:
        setup.store.failing = True
        setup.engine.demand([demanded("a", "/s")])
        await until(lambda: len(setup.recorder.sink_failures) >= 3)
        setup.store.failing = False
        await until(lambda: KEY in setup.store.snapshots and "a" in setup.store.reports)

    setup.run(story)
    assert provider.calls == 1
    assert {what for what, _ in setup.recorder.sink_failures} == {"snapshot", "freshness"}


def test_a_server_that_asks_for_a_delay_is_not_asked_before() -> None:
    """Retry-After of the API server, as `delay_s` of what the sink raises."""

    class ThrottledError(Exception):
        delay_s = 300.0

    setup = Setup(new_provider())

    async def publish(key: SnapshotKey, publication: Publication) -> None:
        raise ThrottledError(key, publication.meta)

    setup.sink.publish = publish  # type: ignore[method-assign]  # a server that is throttled
    writes = setup.engine._manager.states.writes

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await until(lambda: len(setup.recorder.sink_failures) == 1)
        await until(lambda: "a" in setup.store.reports)
        jobs = [job for job, _ in iter(lambda: writes.take(setup.clock.monotonic() + 290), None)]
        assert all(job.key is None for job in jobs)
        assert writes.next_at() > setup.clock.monotonic() + 290
        assert [what for what, _ in setup.recorder.sink_failures] == ["snapshot"]

    setup.run(story)


def test_what_was_fetched_when_it_was_stopped_is_still_written() -> None:
    """A fetch in progress is not cancelled, and its result is not lost."""
    provider = new_provider()
    started = threading.Event()

    class Slow(Provider):
        def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
            started.set()
            time.sleep(0.2)
            return provider.fetch(requests)

    setup = Setup(Slow())

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await until(started.is_set)

    setup.run(story)
    assert setup.store.snapshots[KEY]["value"] == CANARY


def test_a_fetch_that_never_returns_does_not_hold_up_the_end() -> None:
    """What others brought meanwhile is written, the sources are closed, and its thread is one that
    the end of the process does not wait for.
    """
    provider = new_provider()
    never, started = threading.Event(), threading.Event()
    threads = []

    class Hanging(Provider):
        def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
            if all(request.reference == "/s" for request in requests):
                return provider.fetch(requests)
            threads.append(threading.current_thread())
            started.set()
            never.wait()
            return provider.fetch(requests)

    hanging = Hanging(batch_limit=1)
    setup = Setup(hanging, drain_s=0.1)

    async def story() -> None:
        setup.engine.demand([demanded("b", "/stuck")])
        await until(started.is_set)
        setup.engine.demand([demanded("a", "/s"), demanded("b", "/stuck")])
        await until(lambda: KEY in setup.store.snapshots)

    setup.run(story)
    assert hanging.closed
    assert [(it.is_alive(), it.daemon) for it in threads] == [(True, True)]
    never.set()
    threads[0].join()


class Raising(Provider):
    """Breaks its word."""

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:  # noqa: ARG002 - never answers
        raise RuntimeError(CANARY.decode())


class Losing(Provider):
    """Answers of fewer sources than it was asked for."""

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:  # noqa: ARG002 - loses them
        return Fetched(results=(), calls=1)


def _closed(*_: str) -> Source:
    raise ValueError("no such identity")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        pytest.param(Raising(), "RuntimeError", id="raises"),
        pytest.param(Losing(), "results-lost", id="loses results"),
        pytest.param(_closed, "ValueError", id="can't be opened"),
    ],
)
def test_a_source_that_breaks_its_word_counts_as_unavailable(
    source: Source | Callable[[str, str, str], Source], code: str
) -> None:
    """By a word, never a message; the engine goes on."""
    setup = Setup(source)

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await until(lambda: len(setup.recorder.results) >= 2)

    setup.run(story)
    assert setup.recorder.results[0][1:] == (FetchFailure.UNAVAILABLE, code)
    assert CANARY.decode() not in repr(setup.recorder.results)


@pytest.mark.parametrize(
    "version",
    ["", "v" * 129, "v\u00fc", "v\n2", 'v"2', "v\\2", "\ud800"],
    ids=["empty", "long", "not ASCII", "a line end", "a quote", "a backslash", "a surrogate"],
)
def test_p2_a_version_that_no_object_can_name_is_not_served(version: str) -> None:
    """The API server would refuse the status or the record for ever. What is served stays."""
    provider = new_provider()
    setup = Setup(provider)

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await until(lambda: bool(setup.store.snapshots))
        provider.rotate("/s", version, b"other")
        setup.engine.operate(KEY, OperatorSpec(refresh_requested=setup.clock.now()))
        await until(lambda: setup.recorder.results[-1][2] == "version-name")

    setup.run(story)
    assert setup.recorder.results[-1][1] == FetchFailure.INVALID
    assert setup.store.snapshots[KEY]["value"] == CANARY


def test_p5_a_wall_clock_set_back_makes_nothing_look_fresh() -> None:
    """The engine tells it from the monotonic clock, also between two events of a snapshot."""
    setup = Setup(new_provider())

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await until(lambda: "a" in setup.store.reports)
        state = setup.engine.state(KEY)
        assert state is not None
        assert state.last_success is not None
        before = state.last_success
        setup.clock.offset_s = -3600
        setup.engine.demand([demanded("a", "/s")])
        state = setup.engine.state(KEY)
        assert state is not None
        assert state.last_success is not None
        assert abs(state.last_success - (before - 3600)) < 60
        setup.engine.withdraw(KEY)
        await until(lambda: setup.store.snapshots[KEY]["value"] == b"")

    setup.run(story)


def test_a_restored_snapshot_is_served_from_without_a_fetch() -> None:
    """Within its age, and only where it was: another namespace's is fetched. It is forgotten only
    when nobody demands it.
    """
    first = Setup(new_provider())

    async def fill() -> None:
        first.engine.demand([demanded("a", "/s")])
        await until(lambda: "a" in first.store.reports)

    first.run(fill)
    provider = new_provider()
    setup = Setup(provider)
    entry = first.store.reports["a"][KEY.source.snapshot]
    setup.engine.restore(KEY, first.store.read(KEY), entry)
    setup.engine.forget(snapshot("z", "/z"))

    async def story() -> None:
        setup.engine.demand([demanded("a", "/s")])
        await asyncio.sleep(0.2)
        assert provider.calls == 0
        setup.engine.demand([demanded("a", "/s"), demanded("b", "/s")])
        await until(lambda: snapshot("b", "/s") in setup.store.snapshots)

    setup.run(story)
    assert provider.calls == 1


def test_a_fault_of_the_engine_itself_ends_it() -> None:
    """It is better restarted than half alive; the error is the caller's to see."""
    setup = Setup(new_provider())

    class Broken(Recorder):
        def refreshed(self, *_: object) -> None:
            raise RuntimeError("an observer must not raise")

    setup.engine = Engine(
        sources=lambda *_: Provider(),
        sink=setup.sink,
        clock=setup.clock,
        rng=Random(1),
        cluster=CLUSTER,
        observer=Broken(),
    )
    setup.engine.govern({"aws": RateLimit(calls_per_second=100, burst=100)})
    setup.engine.demand([demanded("a", "/s")])
    with pytest.raises(RuntimeError, match="must not raise"):
        asyncio.run(asyncio.wait_for(setup.engine.run(asyncio.Event()), 20))


def test_single_flight_holds_in_threads() -> None:
    """Two namespaces and many demands: one fetch at a time of one source."""
    flying = threading.Lock()
    doubled: list[str] = []

    class Watching(Provider):
        def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
            if not flying.acquire(blocking=False):
                doubled.append("twice")
                return super().fetch(requests)
            time.sleep(0.02)
            flying.release()
            value = SecretBytes(b"x")
            return Fetched(
                results=tuple(Material(version="v1", value=value) for _ in requests), calls=1
            )

    setup = Setup(Watching())

    async def story() -> None:
        for count in range(1, 8):
            setup.engine.demand([demanded(f"ns{n}", "/s") for n in range(count)])
            key = snapshot("ns0", "/s")
            setup.engine.operate(key, OperatorSpec(refresh_requested=setup.clock.now()))
            await asyncio.sleep(0.01)
        await until(lambda: len(setup.store.snapshots) == 7)

    setup.run(story)
    assert doubled == []

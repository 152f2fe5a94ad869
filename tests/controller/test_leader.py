"""The election between processes on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from kube.api_resources import CONFIG_MAPS, LEASES
from tests.controller.candidate import LOST, TIMES
from tests.kube.cluster import cluster, kubeconfig
from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from kube.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SLACK_S = 5.0
"""For a machine that is busy."""
TAKE_OVER_S = TIMES.duration_s + TIMES.retry_s + SLACK_S


class Candidate:
    """One process and what it said."""

    def __init__(self, namespace: str, identity: str) -> None:
        self.identity = identity
        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.controller.candidate", namespace, identity],
            cwd=REPOSITORY,
            env={**os.environ, "KUBECONFIG": str(kubeconfig())},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(json.loads(line))

    def end(self) -> None:
        """Also when it stands still."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def times(self, event: str) -> list[float]:
        """When it said this."""
        return [line["at"] for line in list(self.lines) if line["event"] == event]

    @property
    def leads(self) -> bool:
        """Whether it has begun to."""
        return bool(self.times("wrote"))

    def signal(self, number: signal.Signals) -> float:
        """When it was sent."""
        self.process.send_signal(number)
        return time.monotonic()


async def until(true: Callable[[], bool], within_s: float = 30.0) -> None:
    """Fails after `within_s`."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - what processes say has no event
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def candidates(*, lease: bool = True) -> AsyncIterator[tuple[Api, str, list[Candidate]]]:
    """Two of them, and nobody leads yet; `lease`: it is there, as the chart makes it."""
    async with cluster() as (api, namespace):
        await api.create(CONFIG_MAPS.path(namespace), {"metadata": {"name": "written"}})
        if lease:
            await api.create(LEASES.path(namespace), {"metadata": {"name": "election"}})
        both = [Candidate(namespace, name) for name in ("one", "two")]
        try:
            await until(lambda: all(one.times("started") for one in both))
            yield api, namespace, both
        finally:
            for one in both:
                one.end()


async def elected(both: list[Candidate]) -> tuple[Candidate, Candidate]:
    """The leader, and the other."""
    await until(lambda: any(one.leads for one in both))
    leader, other = sorted(both, key=lambda one: not one.leads)
    assert not other.leads
    return leader, other


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """In a loop of its own."""
    asyncio.run(scenario())


def test_after_a_kill_the_other_takes_over() -> None:
    """`kill -9`: within the Lease's duration and a retry, and not before the leader was dead."""

    async def scenario() -> None:
        async with candidates() as (_, _, both):
            leader, other = await elected(both)
            await asyncio.sleep(2 * TIMES.duration_s)
            assert not other.leads
            killed = leader.signal(signal.SIGKILL)
            await until(lambda: other.leads, TAKE_OVER_S)
            assert other.times("leads")[0] >= killed

    run(scenario)


def test_a_leader_that_stood_still_writes_no_more() -> None:
    """SIGSTOP until the other has written, then SIGCONT: it finds its time over and ends."""

    async def scenario() -> None:
        async with candidates() as (_, _, both):
            leader, other = await elected(both)
            stopped = leader.signal(signal.SIGSTOP)
            await until(lambda: other.leads, TAKE_OVER_S)
            begun = other.times("wrote")[0]
            leader.signal(signal.SIGCONT)
            await until(lambda: leader.process.poll() is not None)
            assert leader.process.returncode == LOST
            assert stopped < begun
            late = [at for at in leader.times("wrote") if at > begun]
            # The answer to a write that had been granted before the stop may be read after it.
            assert len(late) <= 1

    run(scenario)


def test_a_leader_that_ends_lets_the_other_lead_at_once() -> None:
    """SIGTERM: the Lease is free before its time is over."""

    async def scenario() -> None:
        async with candidates() as (api, namespace, both):
            leader, other = await elected(both)
            leader.signal(signal.SIGTERM)
            await until(lambda: leader.process.poll() is not None)
            assert leader.process.returncode == 0
            ended = leader.times("wrote")[-1]
            await until(lambda: other.leads, 2 * TIMES.retry_s + 1.0)
            assert other.times("wrote")[0] > ended
            spec = (await api.get(LEASES.path(namespace, "election")))["spec"]
            assert (spec["holderIdentity"], spec["leaseTransitions"]) == (other.identity, 2)

    run(scenario)


def test_a_lease_that_is_deleted_makes_no_second_leader() -> None:
    """Anyone who makes it again; a new Lease is kept for its duration before it is used."""

    async def scenario() -> None:
        async with candidates(lease=False) as (api, namespace, both):
            leader, other = await elected(both)
            for _ in range(3):
                await api.delete(LEASES.path(namespace, "election"))
                await asyncio.sleep(TIMES.retry_s * 1.5)
            await asyncio.sleep(TIMES.duration_s)
            if other.leads:
                assert leader.times("wrote")[-1] < other.times("wrote")[0]
            assert leader.times("failed") + other.times("failed") == []

    run(scenario)

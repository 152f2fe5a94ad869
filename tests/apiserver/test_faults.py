"""What goes wrong in the stand-in on request, as our own client sees it."""

from __future__ import annotations

import asyncio
import contextlib
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from apiserver.faults import Fault, FaultRule
from kube.api import Api
from kube.api_resources import SECRETS
from kube.config import load
from kube.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from apiserver.running import Running
    from tests.apiserver.world import World

Json = dict[str, Any]
ALL, ONE = SECRETS.path("default"), SECRETS.path("default", "faults")
OBJECT = {"metadata": {"name": "faults"}, "data": {"a": "b25l"}}


class Faulty:
    """The stand-in, and a client of it."""

    def __init__(self, served: Running, kubeconfig: Path) -> None:
        self._served = served
        self._kubeconfig = kubeconfig

    def add(self, fault: Fault, **more: Any) -> FaultRule:  # noqa: ANN401 - fields of Rule
        """One rule, in force until the test ends."""
        rule = FaultRule(fault=fault, **{"path": f"{ALL}.*", **more})
        return self._served.call(lambda server: server.faults.add(rule))

    def clear(self) -> None:
        self._served.call(lambda server: server.faults.clear())

    def asked(self, act: Callable[[Api], Awaitable[Any]], *, timeout_s: float = 30.0) -> Any:  # noqa: ANN401 - what `act` answers
        """`timeout_s` counts from when there is a connection, which takes as long as it takes."""

        async def scenario() -> Any:  # noqa: ANN401 - as above
            try:
                async with Api(await load(self._kubeconfig), timeout_s=30) as api:
                    await api.get("/version")
                    api._timeout_s = timeout_s
                    return await act(api)
            finally:
                await _closed()

        return asyncio.run(scenario())


async def _closed() -> None:
    """Until this loop has no connection: a request that was given up takes its server's goodbye."""
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    while len(selector.get_map()) > 1:  # noqa: ASYNC110 - there is no such event
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)


@pytest.fixture
def faulty(stand_in: World, served: Running, tmp_path: Path) -> Iterator[Faulty]:
    """With one Secret."""
    found = Faulty(served, served.kubeconfig(tmp_path / "kubeconfig"))
    found.asked(lambda api: api.create(ALL, OBJECT))
    yield found
    found.clear()
    stand_in.admin.delete(ONE)


def test_a_reset_does_nothing(faulty: Faulty) -> None:
    """The client learns that there was no answer."""
    rule = faulty.add(Fault.RESET, method="DELETE")
    with pytest.raises(UnavailableError) as raised:
        faulty.asked(lambda api: api.delete(ONE))
    assert raised.value.status == 0
    assert rule.met == 1
    assert faulty.asked(lambda api: api.get(ONE))["data"] == {"a": "b25l"}


def test_a_lost_answer_comes_after_the_write(faulty: Faulty) -> None:
    """The client can't know which of the two it was."""
    faulty.add(Fault.LOST, method="DELETE")
    with pytest.raises(UnavailableError) as raised:
        faulty.asked(lambda api: api.delete(ONE))
    assert raised.value.status == 0
    with pytest.raises(NotFoundError):
        faulty.asked(lambda api: api.get(ONE))


def test_a_lost_answer_to_a_create_is_already_exists_at_the_next(faulty: Faulty) -> None:
    """As a client that tries again has to expect."""
    faulty.asked(lambda api: api.delete(ONE))
    faulty.add(Fault.LOST, method="POST")
    with pytest.raises(UnavailableError):
        faulty.asked(lambda api: api.create(ALL, OBJECT))
    with pytest.raises(AlreadyExistsError):
        faulty.asked(lambda api: api.create(ALL, OBJECT))


def test_silence_ends_with_the_clients_patience(faulty: Faulty) -> None:
    """Nothing is done, then or when the rule is gone."""
    faulty.add(Fault.SILENCE, method="DELETE")
    with pytest.raises(UnavailableError) as raised:
        faulty.asked(lambda api: api.delete(ONE), timeout_s=0.2)
    assert raised.value.reason == "TimedOut"
    faulty.clear()
    assert faulty.asked(lambda api: api.get(ONE))["data"] == {"a": "b25l"}


def test_silence_that_is_cleared_is_a_reset(faulty: Faulty) -> None:
    """So no client waits longer than the test."""
    rule = faulty.add(Fault.SILENCE, method="DELETE")

    async def act(api: Api) -> str:
        waiting = asyncio.create_task(api.delete(ONE))
        while not rule.met:  # noqa: ASYNC110 - the server is in another thread
            await asyncio.sleep(0.01)
        faulty.clear()
        with pytest.raises(UnavailableError) as raised:
            await waiting
        return raised.value.reason

    assert faulty.asked(act) == "DisconnectedError"
    assert faulty.asked(lambda api: api.get(ONE))["data"] == {"a": "b25l"}


def test_slow_is_done_all_the_same(faulty: Faulty) -> None:
    """It is answered later than a client with less patience waits, and it is done for both."""
    faulty.add(Fault.SLOW, method="PATCH", delay_s=0.5)
    with pytest.raises(UnavailableError):
        faulty.asked(lambda api: api.merge_patch(ONE, {"data": {"b": "b25l"}}), timeout_s=0.1)
    until("the write", lambda: "b" in faulty.asked(lambda api: api.get(ONE))["data"])
    faulty.add(Fault.SLOW, method="PATCH", delay_s=0.1)
    found = faulty.asked(lambda api: api.merge_patch(ONE, {"data": {"c": "b25l"}}))
    assert found["data"]["c"] == "b25l"


@pytest.mark.parametrize(
    ("code", "error"),
    [(429, ThrottledError), (500, UnavailableError), (503, UnavailableError), (409, ConflictError)],
)
def test_a_status_with_a_time_to_wait(
    faulty: Faulty, code: int, error: type[UnavailableError]
) -> None:
    """As Retry-After has it."""
    faulty.add(Fault.STATUS, method="PUT", code=code, retry_after_s=7)
    with pytest.raises(error) as raised:
        faulty.asked(lambda api: api.replace(ONE, OBJECT))
    assert (raised.value.status, raised.value.delay_s) == (code, 7.0)
    assert raised.value.reason != "Unknown"
    assert faulty.asked(lambda api: api.replace(ONE, OBJECT))["data"] == {"a": "b25l"}


def test_a_status_without_a_time_to_wait(faulty: Faulty) -> None:
    """The header is not there."""
    faulty.add(Fault.STATUS, code=503)
    with pytest.raises(UnavailableError) as raised:
        faulty.asked(lambda api: api.get(ONE))
    assert raised.value.delay_s is None


def test_a_rule_meets_as_many_requests_as_it_says(faulty: Faulty) -> None:
    """And those of its method and its path alone; the first that meets decides."""
    rule = faulty.add(Fault.STATUS, method="GET|PUT", times=2)
    later = faulty.add(Fault.STATUS, method="GET", times=inf, code=429)
    faulty.asked(lambda api: api.merge_patch(ONE, {}))
    faulty.asked(lambda api: api.get("/api/v1/namespaces/default"))

    async def codes(api: Api) -> list[int]:
        found = []
        for _ in range(4):
            with pytest.raises((UnavailableError, ThrottledError)) as raised:
                await api.get(ONE)
            found.append(raised.value.status)
        return found

    assert faulty.asked(codes) == [500, 500, 429, 429]
    assert (rule.met, later.met) == (2, 2)


def test_a_watch_can_be_refused_and_silent(faulty: Faulty) -> None:
    """It is a request as any other."""

    async def watched(api: Api) -> None:
        events = api.watch(ALL, resource_version="0", timeout_s=30)
        async with contextlib.aclosing(events):
            await anext(events)

    faulty.add(Fault.STATUS, method="GET", code=429)
    with pytest.raises(ThrottledError):
        faulty.asked(watched)
    faulty.add(Fault.SILENCE, method="GET")
    with pytest.raises(UnavailableError):
        faulty.asked(watched, timeout_s=0.2)
    faulty.clear()
    faulty.asked(watched)

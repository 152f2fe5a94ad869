"""Events: how often, and of whom."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from controller.event_recorder import (
    AGAIN_S,
    MOST_NOTE,
    OF_ONE_NAMESPACE,
    EventRecorder,
    regarding_pod,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.api import Api


class Clock:
    """Stands still until it is set."""

    mono = 0.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.mono

    def monotonic(self) -> float:
        return self.mono


class Server:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path.endswith("/events")
        self.bodies.append(body)
        return body

    def regarding(self) -> list[str]:
        return [body["regarding"]["name"] for body in self.bodies]


def _run(told: Callable[[EventRecorder, Clock], Awaitable[None]]) -> Server:
    server, clock = Server(), Clock()
    asyncio.run(
        cast("Any", told(EventRecorder(cast("Api", server), clock, "us", lambda: 0.5), clock))
    )
    return server


def _pod(namespace: str, number: int) -> Any:  # noqa: ANN401 - a Regarded
    return regarding_pod(namespace, f"{namespace}-{number}", f"uid-{namespace}-{number}")


def test_p13_one_tenants_many_waiting_pods_take_no_others_events() -> None:
    """A crowd is told at its own rate, second for second; the other one's only pod at once."""

    async def told(events: EventRecorder, clock: Clock) -> None:
        for second in range(20):
            clock.mono = float(second)
            for number in range(1000):
                await events.say(_pod("crowd", number), "db absent", "SecretNotSynced", "why")
        await events.say(_pod("payments", 1), "db absent", "SecretNotSynced", "why")

    found = _run(told).regarding()
    assert found[-1] == "payments-1"
    most = OF_ONE_NAMESPACE.burst + 20 * OF_ONE_NAMESPACE.calls_per_second
    assert len(set(found)) == len(found) <= most + 1


def test_the_same_is_said_again_after_ten_minutes_and_not_before() -> None:
    """Also when much else was said meanwhile."""

    async def told(events: EventRecorder, clock: Clock) -> None:
        for moment in (0.0, 61.0, AGAIN_S - 1, AGAIN_S, AGAIN_S + 1):
            clock.mono = moment
            await events.say(_pod("payments", 1), "db absent", "SecretNotSynced", "why")
            await events.say(_pod("payments", 2), f"at {moment}", "SecretNotSynced", "why")

    assert _run(told).regarding().count("payments-1") == 2


def test_p13_a_note_is_one_line_and_fits_whatever_a_tenant_wrote() -> None:
    """The API server counts bytes, and refuses the Event otherwise."""

    async def told(events: EventRecorder, clock: Clock) -> None:
        del clock
        pod = _pod("payments", 1)
        await events.say(pod, "a", "PinNotServed", "version v1\n\x1b[31mfine\u202e")
        await events.say(pod, "b", "PinNotServed", "\N{SNOWMAN}" * 600)

    steered, wide = (body["note"] for body in _run(told).bodies)
    assert steered == r"version v1\n\x1b[31mfine\u202e"
    assert wide == "\N{SNOWMAN}" * (MOST_NOTE // 3)

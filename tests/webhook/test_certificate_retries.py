"""How often the reconciler of certificates asks an API server that fails."""

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kube.errors import of_status
from webhook.certificates.locations import Locations
from webhook.certificates.reconciler import CertificateReconciler
from webhook.certificates.rotation import RotationTimes


class _Clock:
    """Time that stands still until the test moves it."""

    def __init__(self) -> None:
        self.mono = 0.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.mono

    def monotonic(self) -> float:
        return self.mono


class _Reconciler(CertificateReconciler):
    """Counts its reads. The first `failing` of them are refused."""

    reads = 0
    failing = 0
    asked_s: float | None = None

    async def act(self) -> bool:
        self.reads += 1
        if self.reads <= self.failing:
            raise of_status(503, reason="", method="GET", path="/s", delay_s=self.asked_s)
        return False


class _Draws(Random):
    """Draws 0.9 each time."""

    def random(self) -> float:
        return 0.9


def _reconciler(clock: _Clock) -> _Reconciler:
    telemetry = SimpleNamespace(
        reload_failed=lambda _: None, log=SimpleNamespace(write=lambda *_, **__: None)
    )
    place = Locations(namespace="system", configuration="lastgood", names=["localhost"])
    return _Reconciler(
        cast("Any", None),
        place,
        RotationTimes(),
        clock=clock,
        rng=_Draws(),
        telemetry=cast("Any", telemetry),
    )


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("asked_s", "first_s"), [(None, 0.9), (20.0, 20.0 * 1.09)])
def test_changes_of_the_objects_cost_no_more_tries_while_the_server_fails(
    asked_s: float | None, first_s: float
) -> None:
    """The delay grows with the failures, and the server's own Retry-After wins. After a success a
    change is read at once.
    """

    async def run() -> None:
        clock = _Clock()
        keeper = _reconciler(clock)
        keeper.failing, keeper.asked_s = 1, asked_s
        following = asyncio.create_task(keeper._follow())
        await _settle()
        for _ in range(50):
            keeper._due_now()
            await _settle()
        assert keeper.reads == 1
        clock.mono += first_s - 0.01
        keeper._due_now()
        await _settle()
        assert keeper.reads == 1
        clock.mono += 0.02
        keeper._due_now()
        await _settle()
        assert keeper.reads == 2
        keeper._due_now()
        await _settle()
        assert keeper.reads == 3
        following.cancel()

    asyncio.run(run())

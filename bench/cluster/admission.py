"""What the webhook adds to a pod's creation through the API server: dry runs at a steady rate, with
and without annotations in turns. Also what the API server itself measures of its calls of the
webhook, for of the difference more than the aim can be its own noise.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.cluster import apiserver_metrics
from bench.cluster.apiserver_metrics import Histogram
from bench.cluster.figures import line, percentile, say
from bench.cluster.installed import ASKS, TEAM, app
from kube.api_resources import PODS
from tests.e2e.install import world

if TYPE_CHECKING:
    from kube.api import Api
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings

AIM_MS = 5.0
RATE = 100
SLICE_S = 5.0
WARM_S = 2.0
WITHOUT, WITH = "without", "with"
CALLS = "apiserver_admission_webhook_admission_duration_seconds"
WEBHOOK = "pods.lastgood.dev"
BOUND_S = AIM_MS / 1000
"""The aim, which is a bound of the API server's buckets: whether the p99 exceeds it is exact."""


async def run(api: Api, settings: Settings, turns: int) -> None:
    """Prints the lines; `turns` of each."""
    pods = {WITHOUT: _pod(settings, {}), WITH: _pod(settings, ASKS)}
    took_ms: dict[str, list[float]] = {WITHOUT: [], WITH: []}
    for pod in pods.values():
        await _load(api, pod, WARM_S)
    before = await _calls()
    for _ in range(turns):
        for kind, pod in pods.items():
            took_ms[kind] += await _load(api, pod, SLICE_S)
    calls = (await _calls()).since(before)
    p50, p99 = (
        {kind: percentile(values, share) for kind, values in took_ms.items()} for share in (50, 99)
    )
    line("admission-added-p99-ms", p99[WITH] - p99[WITHOUT], AIM_MS)
    say(f"p50 added: {p50[WITH] - p50[WITHOUT]:.2f} ms")
    for kind, values in took_ms.items():
        say(
            f"{kind} the webhook: p50 {p50[kind]:.2f} ms, p99 {p99[kind]:.2f} ms, at most"
            f" {max(values):.1f} ms, of {len(values)} dry runs at {RATE} a second"
        )
    _tell(calls)


def _tell(calls: Histogram) -> None:
    p50_ms, p99_ms = (calls.quantile_s(share) * 1000 for share in (0.5, 0.99))
    line("admission-call-p99-ms", p99_ms, AIM_MS)
    say(
        f"the call by the API server's own clock: p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms, both as"
        f" if even within its buckets; mean {calls.mean_s * 1000:.2f} ms,"
        f" {calls.within(BOUND_S):.2%} within {AIM_MS:g} ms, of {calls.count:.0f} calls"
    )


async def _calls() -> Histogram:
    """So far, of our webhook."""
    return Histogram.of(await asyncio.to_thread(apiserver_metrics.read), CALLS, name=WEBHOOK)


async def _load(api: Api, pod: Json, seconds: float) -> list[float]:
    """Milliseconds of each, from the moment that it was meant to be sent."""
    loop = asyncio.get_running_loop()
    began = loop.time() + 0.1
    took_ms: list[float] = []

    async def one(at: float) -> None:
        await asyncio.sleep(max(0.0, at - loop.time()))
        await api.create(PODS.path(TEAM.namespace), pod, dry_run=True)
        took_ms.append((loop.time() - at) * 1000)

    count = int(RATE * seconds)
    await asyncio.gather(*(one(began + number / RATE) for number in range(count)))
    return took_ms


def _pod(settings: Settings, annotations: dict[str, str]) -> Json:
    made: Json = world.pod("", app(settings, {}), annotations)
    made["metadata"] = {"generateName": "dry-", "annotations": annotations}
    return made

"""A leader whose work's loop stands still over and over, as `python -m tests.controller.strained
API_URL STILL_S BLOCK_S`: the election's thread, and the pages, are the controller's own.

One line of JSON for each event. Exits with 0 when told to end, 3 when leadership was lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time

from kubernetes.aio.client.configuration import Configuration
from prometheus_client import CollectorRegistry, Gauge

from controller.leader import Leader, lead
from controller.lease_renewal import Renewal
from controller.metrics_server import serve
from controller.telemetry import log_to
from kube.api import Api
from workqueue.clock import SystemClock

LOST = 3
SNAPSHOTS = 2000
"""Series of the page, each of which costs the thread that makes it."""


def say(event: str, **members: object) -> None:
    """One line."""
    print(json.dumps({"event": event, **members}), flush=True)  # noqa: T201


async def main(url: str, still_s: float, block_s: float) -> int:
    """The exit code."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock = SystemClock()

    async def connect() -> Api:
        configuration = Configuration()
        configuration.host = url
        return Api(configuration)

    def candidate(api: Api) -> Leader:
        return Leader(
            api, namespace="a", name="election", identity="one", clock=clock, rng=random.Random()
        )

    renewal = Renewal(connect, candidate, clock.monotonic, still_s=still_s)
    registry = CollectorRegistry()
    ages = Gauge("age", "Of a snapshot.", ("snapshot",), registry=registry)
    for number in range(SNAPSHOTS):
        ages.labels(str(number)).set(number)
    server = serve("127.0.0.1", 0, registry, renewal.loop_runs, clock.monotonic)

    async def work(ending: asyncio.Event) -> None:
        say("leads", port=server.port)
        while not ending.is_set():
            time.sleep(block_s)  # noqa: ASYNC251 - so that the loop stands still
            say("turned", remaining_s=renewal.remaining_s())
            await asyncio.sleep(0.01)

    try:
        return 0 if await lead(renewal, stop, work) else LOST
    finally:
        say("ended", remaining_s=renewal.remaining_s())
        server.close()


if __name__ == "__main__":
    log_to()
    sys.exit(asyncio.run(main(sys.argv[1], *map(float, sys.argv[2:]))))

"""The composition root of a controller on a cluster, for `python -m controller --cluster`."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from controller.cluster.records import UntakenRecordError
from controller.cluster.run import Cluster, LostError
from controller.cluster.selfcheck import NotRefusedError
from controller.serve import serve
from controller.telemetry import say
from kube.api import Api
from kube.attempt import Attempts
from kube.clock import SystemClock
from kube.config import ConfigError, load
from kube.errors import ApiError

if TYPE_CHECKING:
    from controller.settings import ClusterSettings, Settings


def run(settings: Settings, cluster: ClusterSettings) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    try:
        asyncio.run(_run(settings, cluster))
    except (LostError, UntakenRecordError) as error:
        say(logging.ERROR, "controller.ended", why=str(error))
        return 1
    except (NotRefusedError, ConfigError, ApiError) as error:
        print(f"controller: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings, cluster: ClusterSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry, clock = CollectorRegistry(), SystemClock()
    agent = "lastgood-controller"

    async def connect() -> Api:
        return Api(await load(cluster.kubeconfig), user_agent=agent)

    reached = await load(cluster.kubeconfig)
    async with await connect() as api, Attempts(reached, user_agent=agent) as tries:
        replica = Cluster(
            api,
            cluster,
            connect=connect,
            clock=clock,
            rng=random.Random(),
            salt=os.urandom(16),
            registry=registry,
            attempts=tries,
        )
        server = serve(settings.host, settings.port, registry, replica.healthy, clock.monotonic)
        try:
            address = f"{settings.host}:{server.port}"
            say(logging.INFO, "controller.started", cluster=cluster.namespace, listen=address)
            await replica.run(stop)
        finally:
            server.close()
    say(logging.INFO, "controller.ended")

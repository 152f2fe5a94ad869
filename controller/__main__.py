"""`python -m controller`: the composition root."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

from controller.metrics_server import serve
from controller.record_store import UntakenRecordError
from controller.run import ControllerProcess, LostError
from controller.selfcheck import NotRefusedError
from controller.settings import from_arguments
from controller.telemetry import log_to, say
from kube.api import Api
from kube.config import ConfigError, load
from kube.errors import ApiError
from kube.forbidden_requests import Attempts
from providers.extra_ca import ExtraCa, ExtraCaError
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    os.umask(0o077)
    settings = from_arguments(argv)
    log_to()
    try:
        asyncio.run(_run(settings))
    except (LostError, UntakenRecordError) as error:
        say(logging.ERROR, "controller.ended", why=str(error))
        return 1
    except (NotRefusedError, ConfigError, ApiError, ExtraCaError) as error:
        print(f"controller: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = error.filename or f"{settings.host}:{settings.port}"
        print(f"controller: {where}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings) -> None:
    extra_ca = None if settings.extra_ca is None else ExtraCa(settings.extra_ca, _ca_unusable)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own
    registry, clock = CollectorRegistry(), SystemClock()
    ProcessCollector(registry=registry)
    agent = "lastgood-controller"

    async def connect() -> Api:
        return Api(await load(settings.kubeconfig), user_agent=agent)

    reached = await load(settings.kubeconfig)
    async with await connect() as api, Attempts(reached, user_agent=agent) as tries:
        replica = ControllerProcess(
            api,
            settings,
            connect=connect,
            clock=clock,
            rng=random.Random(),
            salt=os.urandom(16),
            registry=registry,
            attempts=tries,
            extra_ca=extra_ca,
        )
        server = serve(settings.host, settings.port, registry, replica.healthy, clock.monotonic)
        try:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            address = f"{host}:{server.port}"
            say(logging.INFO, "controller.started", namespace=settings.namespace, listen=address)
            await replica.run(stop)
        finally:
            server.close()
    if extra_ca is not None:
        extra_ca.close()
    say(logging.INFO, "controller.ended")


def _ca_unusable(why: str) -> None:
    say(logging.ERROR, "controller.extra_ca_unusable", why=why)


if __name__ == "__main__":
    sys.exit(main())

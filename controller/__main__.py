"""`python -m controller`: the composition root of the embedded controller."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from controller.accounts import Accounts
from controller.clock import SystemClock
from controller.controller import Controller
from controller.inputs import Pods, Specs
from controller.past import StorePast
from controller.serve import serve
from controller.settings import Settings, from_arguments
from controller.statuses import Statuses
from controller.store import Store, StoreRefusedError, create_store
from controller.telemetry import Ages, Telemetry, log_to, say
from controller.volumes import Volumes
from policy.load import FolderPolicies, PolicyError
from refresh.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    os.umask(0o077)
    settings = from_arguments(argv)
    log_to()
    try:
        if settings.cluster is not None:
            # Only there is a client of the API server needed.
            from controller.cluster.__main__ import run

            return run(settings, settings.cluster)
        return _embedded(settings)
    except OSError as error:
        where = error.filename or f"{settings.host}:{settings.port}"
        print(f"controller: {where}: {error.strerror}", file=sys.stderr)
        return 1


def _embedded(settings: Settings) -> int:
    clock = SystemClock()
    try:
        store = create_store(settings.store or Path())
        with store.control(clock.sleep):
            asyncio.run(_run(settings, store, clock))
    except (StoreRefusedError, PolicyError) as error:
        print(f"controller: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings, store: Store, clock: SystemClock) -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry)
    volumes = Volumes(store.volumes)
    statuses = Statuses(store, volumes)
    accounts = Accounts(
        observer=telemetry.requested, problem=_account_unusable, monotonic=clock.monotonic
    )
    engine = Engine(
        sources=accounts.source,
        sink=statuses,
        clock=clock,
        rng=random.Random(),
        cluster=store.cluster(),
        observer=telemetry,
    )
    controller = Controller(
        past=StorePast(store, volumes),
        ledger=statuses,
        policies=FolderPolicies(store.config),
        pods=Pods(store.pods, _file_passed_over),
        specs=Specs(store, _file_passed_over),
        accounts=accounts,
        engine=engine,
        clock=clock,
    )
    registry.register(Ages(engine.states, lambda: controller.decided))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = serve(settings.host, settings.port, registry, controller.healthy, clock.monotonic)
    try:
        address = f"{settings.host}:{server.port}"
        say(logging.INFO, "controller.started", store=str(store.root), listen=address)
        await controller.run(stop, settings.poll_s)
    finally:
        server.close()
    say(logging.INFO, "controller.ended")


def _account_unusable(account: str, why: str) -> None:
    say(logging.ERROR, "controller.account_unusable", account=account, why=why)


def _file_passed_over(file: str, why: str) -> None:
    decision = "what it said before stays"
    say(logging.WARNING, "controller.file_passed_over", file=file, why=why, decision=decision)


if __name__ == "__main__":
    sys.exit(main())

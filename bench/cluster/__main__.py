"""`python -m bench.cluster [NAME…]`: what is measured on the cluster of KUBECONFIG, which is this
run's alone and has nothing of ours installed. Images as `tests/e2e/images` builds them.

Prints, per figure, `bench NAME RATIO aim AIM ok|short` and then the absolute figures behind it.
Nothing fails for being short. All that was made is removed at the end, also of a run that is
interrupted. Whole it takes about 40 minutes, of which `controller` is one interval of 15 minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bench.cluster import admission, agent, controller, reach, restart, start
from bench.cluster.installed import installed
from bench.cluster.workload import Workload
from contract.spelling import suggestion
from kube.api import Api
from kube.config import load
from kube.errors import ApiError
from tests.e2e.install import settings as environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

INSTALLED = ("start", "reach", "admission", "agent")
NAMES = (*INSTALLED, "restart", "controller")
RESTART_INTERVAL_S = 30
"""A short one: until all are overdue nothing happens."""

FAILURES = (
    ApiError,
    AssertionError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    subprocess.SubprocessError,
)
"""What may end one bench; the others go on."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when all ran to their end, 2 when they can't."""
    words = _arguments(argv)
    unknown = [name for name in words.names if name not in NAMES]
    if unknown:
        hint = suggestion(unknown[0], NAMES)
        print(f'"{unknown[0]}" is no bench; there are {", ".join(NAMES)}{hint}', file=sys.stderr)
        return 2
    settings = environment.from_environment()
    if isinstance(settings, str):
        print(f"bench-cluster {settings}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupted)
    names = words.names or list(NAMES)
    failed = 0
    if set(names) & set(INSTALLED):
        with installed(settings) as provider:
            for name in INSTALLED:
                if name in names:
                    failed += _tried(name, partial(_with_chart, name, settings, provider, words))
    if "restart" in names:
        workload = _workload(words, words.records, RESTART_INTERVAL_S)
        failed += _tried("restart", partial(restart.run, workload))
    if "controller" in names:
        workload = _workload(words, words.snapshots, words.interval_s)
        failed += _tried("controller", partial(controller.run, workload))
    return min(failed, 1)


def _tried(name: str, run: Callable[[], None]) -> bool:
    """Whether it failed; then the others are measured all the same."""
    try:
        run()
    except FAILURES as error:
        print(f"{name} did not end: {type(error).__name__}: {error}", file=sys.stderr)
        return True
    return False


def _workload(words: argparse.Namespace, snapshots: int, interval_s: int) -> Workload:
    return Workload(
        kubeconfig=Path(os.environ["KUBECONFIG"]),
        snapshots=snapshots,
        namespaces=words.namespaces,
        interval_s=interval_s,
    )


def _with_chart(
    name: str, settings: Settings, provider: Provider, words: argparse.Namespace
) -> None:
    if name == "start":
        asyncio.run(_start(settings, provider, words.rounds))
    if name == "reach":
        reach.run(settings, provider, words.pods)
    if name == "admission":
        asyncio.run(_admission(settings, words.turns))
    if name == "agent":
        agent.run(settings, provider)


async def _start(settings: Settings, provider: Provider, rounds: int) -> None:
    async with Api(await load(Path(os.environ["KUBECONFIG"]))) as api:
        await start.run(api, settings, provider, rounds)


async def _admission(settings: Settings, turns: int) -> None:
    async with Api(await load(Path(os.environ["KUBECONFIG"])), timeout_s=60) as api:
        await admission.run(api, settings, turns)


def _interrupted(number: int, _: object) -> NoReturn:
    """So that what was made is removed."""
    raise SystemExit(128 + number)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    for name, default, what in (
        ("rounds", 15, "start: pods of each kind"),
        ("pods", 50, "reach: running pods"),
        ("turns", 6, "admission: turns of five seconds with and without the webhook"),
        ("snapshots", 10_000, "controller: how many"),
        ("records", 3_000, "restart: how many snapshots"),
        ("namespaces", 100, "restart, controller: in how many namespaces"),
        (
            "interval-s",
            900,
            "controller: the refresh interval, and how long it is watched",
        ),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=what)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())

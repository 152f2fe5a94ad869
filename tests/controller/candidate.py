"""A controller that does nothing but take part in the election, and write while it leads.

`python -m tests.controller.candidate NAMESPACE IDENTITY`; one line of JSON per granted write, with
the machine's monotonic clock, which all processes share. Exits with 0 when told to end, 3 when
leadership was lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from controller.leader import Leader, lead
from controller.lease import LeaseTimes
from controller.lease_renewal import Renewal
from kube.api import Api
from kube.api_resources import CONFIG_MAPS
from kube.config import load
from kube.errors import ApiError, FencedError
from workqueue.clock import SystemClock

TIMES = LeaseTimes(duration_s=6, renew_deadline_s=4.0, retry_s=1.0)
LOST = 3


def say(event: str, **members: object) -> None:
    """One line."""
    print(json.dumps({"event": event, "at": time.monotonic(), **members}), flush=True)  # noqa: T201


async def main(namespace: str, identity: str) -> int:
    """The exit code."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock = SystemClock()

    async def connect() -> Api:
        return Api(await load(Path(os.environ["KUBECONFIG"])))

    def candidate(api: Api) -> Leader:
        return Leader(
            api,
            namespace=namespace,
            name="election",
            identity=identity,
            clock=clock,
            rng=random.Random(),
            times=TIMES,
        )

    async with await connect() as api:
        leader = Renewal(connect, candidate, clock.monotonic)
        fenced = api.fenced(leader.remaining_s)

        async def work(ending: asyncio.Event) -> None:
            say("leads")
            path = CONFIG_MAPS.path(namespace, "written")
            while not ending.is_set():
                try:
                    await fenced.merge_patch(path, {"data": {"by": identity}})
                    say("wrote")
                except FencedError:
                    say("fenced")
                except ApiError as error:
                    say("failed", why=str(error))
                await asyncio.sleep(0.05)

        say("started")
        return 0 if await lead(leader, stop, work) else LOST


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))

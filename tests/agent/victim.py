"""A writer that kills itself: `victim.py STEPS --plan … --cache … --snapshots … --freshness …`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from agent import volume
from agent.cache import Cache
from agent.decide import decide, status
from contract import plan as plans
from tests.make import NOW


def main(steps: int, options: dict[str, str]) -> None:
    """The write of `agent.sync.sync_once`, driven step by step; SIGKILL after `steps`."""
    plan = plans.from_wire(options["--plan"])
    mounted = volume.read_snapshots(options["--snapshots"], plan)
    with Cache(options["--cache"], plan) as cache:
        decision = decide(plan, mounted, cache.copies(), {}, NOW)
        done = 1
        if done == steps:
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in cache.apply(
            decision.copies,
            decision.bundle,
            lambda revision: status(decision, revision, NOW),
            decision.allows,
            publish=decision.changes,
        ):
            done += 1
            if done == steps:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    words = sys.argv[2:]
    main(int(sys.argv[1]), dict(zip(words[::2], words[1::2], strict=True)))

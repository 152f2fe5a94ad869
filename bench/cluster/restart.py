"""A restart of the controller while every snapshot is older than its freshness budget: how fast the
records are restored, and when the first overdue secret is refreshed, both from the moment at which
the new process leads. Yardstick: the same records listed by the same client, and nothing more.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.cluster import apiserver_metrics
from bench.cluster.counted import reads
from bench.cluster.figures import line, say
from bench.cluster.standing import NotReadyError, check, standing, start_controller
from bench.cluster.workload import NAME
from controller.snapshot_record import RECORD_TYPE
from demo.processes import end
from kube.api import Api
from kube.api_resources import SECRETS
from kube.config import load

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from bench.cluster.workload import Workload

AIM_PER_S, AIM_FIRST_S = 1500.0, 5.0
ROUNDS = 3
PAGE = 500
"""Records in one answer of a list, as `kube.api` asks for."""
LATE_S = 5.0
"""After the last success is past its budget."""
WITHIN_S = 120.0
POLL_S = 0.02

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Durations in seconds; those of the new process since it leads."""

    listed_s: float
    """The records alone, listed before."""
    restored_s: float
    first_s: float
    """Until the first refresh that succeeded."""
    snapshots: int
    asked: Counter[str]
    """Requests for Secrets and ConfigMaps up to the end of the restore, those of others too."""


def run(workload: Workload) -> None:
    """Prints the lines; removes what it made, the definitions apart."""
    with standing(workload, quiet=False) as found:
        end([found.controller])
        say(f"stopped; each snapshot is past its budget in {workload.budget_s} s")
        time.sleep(workload.budget_s + LATE_S)
        rounds = [_restart(workload, found.folder / f"{number}.log") for number in range(ROUNDS)]
    _report(workload, rounds)


def _restart(workload: Workload, log: Path) -> Restart:
    """One of them. It ends after the first refreshes, so that most are overdue for the next."""
    listed_s = asyncio.run(_listed_s(workload))
    before = reads(apiserver_metrics.read())
    controller = start_controller(workload, log)
    try:
        deadline = time.monotonic() + WITHIN_S

        def wait(wanted: Callable[[Json], bool]) -> Json:
            while time.monotonic() < deadline:
                found = first(log.read_text(encoding="utf-8").splitlines(), wanted)
                if found is not None:
                    return found
                check(controller, log)
                time.sleep(POLL_S)
            raise NotReadyError(f"the controller did not restore in {WITHIN_S:.0f} s")

        restored = wait(lambda said: said["event"] == "controller.restored")
        asked = reads(apiserver_metrics.read()) - before
        refreshed = wait(has_refreshed)
        leads = wait(lambda said: said["event"] == "leader.elected")
    finally:
        end([controller])
    return Restart(
        listed_s=listed_s,
        restored_s=restored["at"] - leads["at"],
        first_s=refreshed["at"] - leads["at"],
        snapshots=restored["snapshots"],
        asked=asked,
    )


def first(lines: Iterable[str], wanted: Callable[[Json], bool]) -> Json | None:
    """The first JSON object of a log that is wanted. None: there is none yet; the last line may be
    half written.
    """
    for text in lines:
        try:
            said = json.loads(text)
        except ValueError:
            continue
        if wanted(said):
            return dict(said)
    return None


def has_refreshed(said: Json) -> bool:
    """Whether the provider has answered, by a log line."""
    return bool(said["event"] == "controller.refreshed" and said["result"] != "failed")


async def _listed_s(workload: Workload) -> float:
    """On a connection that is open."""
    async with Api(await load(workload.kubeconfig), user_agent="lastgood-bench") as api:
        await api.get("/version")
        begun = time.perf_counter()
        count = 0
        path = SECRETS.path(NAME)
        async for page in api.pages(path, field_selector=f"type={RECORD_TYPE}"):
            count += len(page["items"])
        if count != workload.snapshots:
            raise NotReadyError(f"there are {count} records of {workload.snapshots} snapshots")
        return time.perf_counter() - begun


def _report(workload: Workload, rounds: list[Restart]) -> None:
    """The quickest round counts: the others show what else this machine does."""
    lost = [one.snapshots for one in rounds if one.snapshots != workload.snapshots]
    if lost:
        raise NotReadyError(f"{lost} of {workload.snapshots} snapshots were restored")
    restored_s = min(one.restored_s for one in rounds)
    first_s = min(one.first_s for one in rounds)
    listed_s = min(one.listed_s for one in rounds)
    rate = workload.snapshots / restored_s
    line("restart-restore", AIM_PER_S / rate, 1.0)
    say(f"{workload.snapshots} records {restored_s:.2f} s after leading, {rate:.0f} a second")
    say(f"the same records listed alone: {listed_s:.2f} s, ratio {restored_s / listed_s:.2f}")
    line("restart-first-refresh", first_s / AIM_FIRST_S, 1.0)
    say(f"the first overdue secret was refreshed {first_s:.2f} s after leading; aim 5 s")
    needed = -(-workload.snapshots // PAGE) + workload.namespaces
    asked = min((one.asked for one in rounds), key=lambda found: found.total())
    line("restart-calls", asked.total() / needed, 1.0)
    each = ", ".join(f"{count} {name}" for name, count in sorted(asked.items()))
    say(f"{each}; {needed} needed: a page has {PAGE} records, and each namespace its ages")
    for one in rounds:
        say(
            f"restored {one.restored_s:.2f} s, first {one.first_s:.2f} s, list {one.listed_s:.2f} s"
        )

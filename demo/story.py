"""The story of `make demo`, step by step, each step checked. Exits 1 when a promise broke.

What happens to the secret store happens at a fault proxy in front of it; what an operator does is
done with the commands that a user has.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from demo import sinks
from demo.cast import DB, FETCHING, last_login, ready_at
from demo.gather import gather
from demo.provider import NotStartedError
from demo.report import Row, broken, table
from demo.workloads import Denied
from demo.world import ANSWERS_S, Broken, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from demo.cast import Cast
    from demo.pods import PodProcesses

MEMORY = Path("/dev/shm")  # noqa: S108 - secret values are written to memory only
BLACK_HOLE_S = 10.0
"""How long the secret store answers nothing while pods start."""
MANY = 20
VAULTED = 10
FEW = 10
"""Calls that two secrets need in the story's first seconds: a batch, and the changes."""
START_S = 30.0
"""A pod that has not started by then won't."""
FOLLOW_S = 20.0
"""Running pods that have not followed a command by then won't."""


def main(*, keep: bool = False, rows: list[Row] | None = None) -> int:
    """Tells the story. Exits 0; 1 when a promise broke; 2 where it can't run; 130 after Ctrl-C.
    `keep`: what was started runs on after the story until Ctrl-C, which is no failure then. What
    is found is added to `rows`.
    """
    rows = [] if rows is None else rows
    if not MEMORY.is_dir():
        print(f"the demo keeps secrets in memory only and needs {MEMORY}", file=sys.stderr)
        return 2
    name = {"prefix": "lastgood-demo-", "suffix": f"-{os.getpid()}"}
    world = World(Path(tempfile.mkdtemp(**name, dir=MEMORY)))
    world.listen_to_signals()
    try:
        cast = _tell(world, rows)
        mistakes = broken(rows)
        print(f"\n{table(rows)}\n")
        print("\n".join(mistakes) or f"every promise was kept; {world.elapsed_s():.0f} s")
        if keep:
            _keep(cast)
    except KeyboardInterrupt:
        print("\ninterrupted. All processes of the demo have been stopped", file=sys.stderr)
        return 130
    except (Broken, Denied, NotStartedError) as reason:
        print(f"\n{table(rows)}\n")
        print(f"the story ended early: {reason}", file=sys.stderr)
        return 1
    finally:
        world.close()
        shutil.rmtree(world.folder)
    return 1 if mistakes else 0


def _tell(world: World, rows: list[Row]) -> Cast:
    """Every step, with progress; the rows that were found so far stay in `rows`."""
    _say(world, "starting a secret store behind a fault proxy, the webhook and the controller")
    cast = gather(world)
    _say(world, f"to look at it: {_page(world)}")
    for number, (title, step) in enumerate(STEPS, start=1):
        _say(world, f"{number}/{len(STEPS)} {title}")
        for row in step(cast):
            rows.append(row)
            print("".join(f"        {line}\n" for line in broken([row])), end="", flush=True)
    return cast


def _page(world: World) -> str:
    """The address of `lastgood dashboard`, which runs as long as the story."""
    words = ["-m", "cli", "dashboard", "--no-open", "-A", "--kubeconfig", str(world.kubeconfig)]
    world.start("dashboard", words)
    log = world.logs / "dashboard.log"

    def found() -> list[str]:
        return [line for line in log.read_text().splitlines() if line.startswith("http://")]

    world.need("the dashboard to listen", lambda: bool(found()), ANSWERS_S)
    return found()[0]


def _keep(cast: Cast) -> None:
    """Everything runs on until Ctrl-C."""
    command = shutil.which("lastgood") or str(Path(sys.executable).with_name("lastgood"))
    pod = cast.ours[0].name
    print(
        f"""
Everything is still running: {len(cast.ours)} pods, webhook, controller, API server. Elsewhere:

  export KUBECONFIG={cast.world.kubeconfig}
  {command} status
  {command} explain {pod}
  {command} history {DB}
  {command} rollback {DB}
  kubectl get pods --watch

Ctrl-C ends it.""",
        flush=True,
    )
    with suppress(KeyboardInterrupt):
        while True:
            cast.stop(cast.deleted())
            cast.world.tick()


def _say(world: World, sentence: str) -> None:
    print(f"{world.elapsed_s():5.1f} s  {sentence}", flush=True)


def healthy(cast: Cast) -> Iterable[Row]:
    """Two secrets that nobody fetched before, then many pods of each app."""
    first = cast.start(cast.deployment, 3)
    cast.world.need("the first pods", lambda: _all_ready(first), START_S)
    yield from _counted(cast, [_started(cast, "secrets never fetched before", first)])
    ours, theirs = cast.start(cast.deployment, MANY), cast.start(cast.fetching, MANY)
    cast.world.need("pods", lambda: _all_ready([*ours, *theirs]), START_S)
    [row], asked = _counted(cast, [_started(cast, "provider healthy", ours)]), cast.calls()
    row.check("P4", f"{asked} calls for 2 secrets and 23 pods", kept=0 < asked <= FEW)
    yield row
    yield _fetched(cast, theirs)
    cast.stop(ours)


def black_hole(cast: Cast) -> Iterable[Row]:
    """The provider takes connections and answers nothing: 20 new pods of each app, and a Job."""
    cast.fault("blackhole")
    began, asked, fetched = time.time(), cast.calls(), cast.calls(FETCHING)
    job = cast.start(cast.job, 1)
    ours, theirs = cast.start(cast.deployment, MANY), cast.start(cast.fetching, MANY)
    cast.world.wait(lambda: _all_ready(ours), START_S)
    more = cast.calls() - asked
    cast.world.wait(lambda: time.time() - began > BLACK_HOLE_S, BLACK_HOLE_S)
    row = _started(cast, "provider black-holed", ours)
    row.check("P4", f"{more} calls by the controller while pods started", kept=more < MANY)
    rows = [row, _job(cast, job), _without_controller(cast)]
    cast.fault("pass")
    back = time.time()
    cast.world.need("the apps that fetch at start", lambda: _all_ready(theirs), START_S)
    yield from _counted(cast, rows)
    row = _fetched(cast, theirs, fetched)
    row.check("P1", "an app that fetches started without its store", kept=not _before(theirs, back))
    yield row


def vault(cast: Cast) -> Iterable[Row]:
    """The same app with its login in OpenBao: two pods, then more while that answers nothing."""
    cast.put_into_vault("v1")
    first = cast.start(cast.vaulted, 2)
    cast.world.need("the first pods with a secret of OpenBao", lambda: _all_ready(first), START_S)
    cast.vault_proxy.set("blackhole")
    pods = cast.start(cast.vaulted, VAULTED)
    cast.world.wait(lambda: _all_ready(pods), START_S)
    row = _started(cast, "OpenBao black-holed", pods, aged=pods)
    cast.vault_proxy.set("pass")
    yield from _counted(cast, [row])
    cast.stop([*first, *pods])


def _job(cast: Cast, job: Sequence[PodProcesses]) -> Row:
    """The Job's pod starts, does its work and ends, although an agent runs beside it."""
    cast.world.wait(lambda: job[0].phase == "Succeeded", START_S)
    row = Row(step="  a Job starts, works and ends", pods=1, seconds=_seconds(job))
    row.check("P1", f"the Job's pod is {job[0].phase}", kept=job[0].phase == "Succeeded")
    cast.stop(job)
    return row


def _without_controller(cast: Cast) -> Row:
    """The controller is stopped too: webhook and the node's files are all that a start needs."""
    cast.world.send("controller", signal.SIGSTOP)
    asked = cast.calls()
    pods = cast.start(cast.deployment, 2)
    cast.world.wait(lambda: _all_ready(pods), START_S)
    calls = cast.calls() - asked
    cast.world.send("controller", signal.SIGCONT)
    row = _started(cast, "  and the controller stopped", pods)
    row.check("P1", f"{calls} provider calls while it was stopped", kept=calls == 0)
    return row


def refused(mode: str, reason: str) -> Callable[[Cast], Iterable[Row]]:
    """A step in which the provider answers, but with nothing that may be served."""

    def step(cast: Cast) -> Iterable[Row]:
        cast.fault(mode)
        before, began = cast.snapshot(), time.time()
        cast.operate("refresh")
        pods = cast.start(cast.deployment, 2)
        cast.world.wait(lambda: _all_ready(pods), START_S)
        row, after = _started(cast, f"provider: {reason}", pods), cast.snapshot()
        cast.fault("pass")
        same = after["version"] == before["version"]
        row.check("P2", f"{before['version']} became {after['version']}", kept=same)
        row.check("P2", f"the status says {after['reason']}", kept=after["reason"] == reason)
        older = after["last_success"] <= began
        row.check("P5", "a failed refresh made the value look fresher", kept=older)
        yield from _counted(cast, [row])

    return step


def rotation(cast: Cast) -> Iterable[Row]:
    """A new password: one fetch, and every running pod has it."""
    yield _rotate(cast, "v2", "a rotation")


def bad_rotation(cast: Cast) -> Iterable[Row]:
    """A well-formed password that the database does not know: the mistake no check can see."""
    cast.put("mistake", valid=False)
    bad = cast.operate("refresh")["version"]
    spread = cast.world.wait(lambda: _all_say(cast, "refused"), FOLLOW_S)
    cast.fault("blackhole")
    began = time.time()
    cast.operate("rollback")
    cast.world.wait(lambda: _all_say(cast, "ok v2"), FOLLOW_S)
    row = _followed(cast, "  rolled back, provider down", "ok v2", began)
    row.check("P12", "the bad rotation never arrived, so nothing was shown", kept=spread)
    yield row
    cast.operate("revoke", bad)
    yield _revoked(cast)
    pods = cast.start(cast.deployment, 2)
    cast.world.wait(lambda: _all_ready(pods), START_S)
    row = _started(cast, "  new pods after that", pods, "ok v2")
    cast.fault("pass")
    yield from _counted(cast, [row])


def _revoked(cast: Cast) -> Row:
    """The revoked value is in no volume of the node and in no object of the API server."""
    bad = cast.passwords["mistake"]
    began = time.time()
    gone = cast.world.wait(lambda: not sinks.holders(cast, bad), FOLLOW_S)
    row = Row(step="  revoked: gone from every cache", pods=len(cast.ours))
    row.seconds = [time.time() - began] * row.pods if gone else []
    row.check("P12", f"it is still in {', '.join(sinks.holders(cast, bad)[:3])}", kept=gone)
    return row


def repaired(cast: Cast) -> Iterable[Row]:
    """The provider is back, and then has a password that works."""
    yield _rotate(cast, "v3", "provider back, repaired rotation")


def leaks(cast: Cast) -> Iterable[Row]:
    """No password of the story is where none belongs."""
    yield sinks.search(cast)


def _rotate(cast: Cast, label: str, step: str) -> Row:
    began = time.time()
    cast.put(label, valid=True)
    cast.operate("refresh")
    cast.world.wait(lambda: _all_say(cast, f"ok {label}"), FOLLOW_S)
    return _followed(cast, step, f"ok {label}", began)


def _started(
    cast: Cast,
    step: str,
    pods: Sequence[PodProcesses],
    login: str = "ok v1",
    *,
    aged: Sequence[PodProcesses] | None = None,
) -> Row:
    """The row of pods of ours that were started. `aged`: as `Cast.age` takes it."""
    row = Row(step=step, pods=len(pods), seconds=_seconds(pods))
    row.age_s, row.state = cast.age(aged)
    row.check("P1", f"{len(row.seconds)} of {len(pods)} started", kept=_all_ready(pods))
    said = {(last_login(pod) or ("nothing", 0.0))[0] for pod in pods}
    row.check("P2", f"the database said {', '.join(sorted(said))}", kept=said == {login})
    row.check("P5", f"the values are {row.state}", kept=row.state == "fresh")
    return row


def _counted(cast: Cast, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows with the provider calls that their pods' starts made; the provider answers again."""
    calls = cast.unexplained()
    for row in rows:
        row.calls = calls
        row.check("P1", f"{calls} provider calls by pod starts", kept=calls == 0)
    return rows


def _fetched(cast: Cast, pods: Sequence[PodProcesses], already: int = 0) -> Row:
    """The row of the same app, fetching at start; its pods end here."""
    cast.stop(pods)
    calls = cast.calls(FETCHING) - already
    return Row(
        step="  the same app, fetching at start",
        pods=len(pods),
        seconds=_seconds(pods),
        calls=calls,
    )


def _followed(cast: Cast, step: str, login: str, began: float) -> Row:
    """The row of running pods that follow a command: from the command to each app's login."""
    heard = [found for pod in cast.ours if (found := last_login(pod)) is not None]
    seconds = [at - began for word, at in heard if word == login and at >= began]
    row = Row(step=step, pods=len(cast.ours), seconds=seconds)
    row.age_s, row.state = cast.age()
    every = len(seconds) == len(cast.ours)
    row.check("P12", f"{len(seconds)} of {len(cast.ours)} pods follow", kept=every)
    return row


def _all_ready(pods: Sequence[PodProcesses]) -> bool:
    return all(ready_at(pod) is not None for pod in pods)


def _all_say(cast: Cast, login: str) -> bool:
    return all((last_login(pod) or ("", 0.0))[0] == login for pod in cast.ours)


def _before(pods: Sequence[PodProcesses], moment: float) -> bool:
    return any((ready_at(pod) or moment) < moment for pod in pods)


def _seconds(pods: Sequence[PodProcesses]) -> list[float]:
    """From each pod's creation to its app's first login; a pod without one is left out."""
    return [at - pod.created for pod in pods if (at := ready_at(pod)) is not None]


STEPS: tuple[tuple[str, Callable[[Cast], Iterable[Row]]], ...] = (
    (f"the provider is well: {MANY} pods start, beside {MANY} that fetch at start", healthy),
    (f"the provider is black-holed: {MANY} new pods start, beside {MANY} that fetch", black_hole),
    (f"a second store, OpenBao, is black-holed: {VAULTED} pods with a secret of it start", vault),
    ("the provider denies access", refused("access-denied", "denied")),
    ("the provider throttles", refused("throttle", "throttled")),
    ("the provider answers something malformed", refused("malformed", "invalid")),
    ("the provider answers an empty value", refused("empty", "empty")),
    ("a rotation arrives in running pods", rotation),
    ("a bad rotation is rolled back and revoked, while the provider is down", bad_rotation),
    ("the provider is back, with a password that works", repaired),
    ("logs, objects and processes are searched for secret values", leaks),
)

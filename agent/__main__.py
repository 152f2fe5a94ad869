"""`gate` and `follow`: reads the arguments and puts the parts together.

Usage: /usr/bin/python3 -I -S /opt/lastgood gate|follow --plan JSON --snapshots DIR --freshness DIR
[--cache DIR] [--needs WORD,…] [--listen HOST:PORT] [--termination-log FILE]
"""

from __future__ import annotations

import os
import sys

from agent.clock import MachineClock
from agent.log import Log
from agent.sync import Folders
from contract import plan as plans
from contract.plan import FOLLOW, NEEDS_BUNDLE
from contract.wire import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from agent.follow import Follow
    from agent.metrics_server import AgentMetricsServer
    from contract.plan import Plan

VERBS = ("gate", "follow")
OPTIONS = ("plan", "cache", "snapshots", "freshness", "needs", "listen", "termination-log")
NEEDS = (NEEDS_BUNDLE,)
FOLDERS = ("cache", "snapshots", "freshness")
TERMINATION_LOG = "/dev/termination-log"
IDLE_S = 3600.0


class MisusedError(ValueError):
    """Arguments that can't work; the message says which, and what is allowed. Caught by main."""


def main(argv: list[str] | None = None) -> NoReturn:
    """Runs a verb, and never returns: `follow` ends with 0 on SIGTERM, the gate by `os._exit`.
    Nothing is buffered then, and to take the interpreter apart would cost a fifteenth of its time.
    """
    words = sys.argv[1:] if argv is None else argv
    clock = MachineClock()
    log = Log(clock)
    if words[:1] == ["follow"]:
        _follow(words[1:], clock, log)
    os._exit(_gate(words, clock, log))


def _gate(words: list[str], clock: MachineClock, log: Log) -> int:
    from agent.gate import gate, misconfigured

    options: dict[str, str] = {}
    try:
        _verb(words)
        _options(words[1:], options)
        plan = _plan(options)
        folders = _folders(options, plan)
        _demand_folders(folders)
    except (MisusedError, WireError) as error:
        return misconfigured(str(error), log, options.get("termination-log", TERMINATION_LOG))
    return gate(plan, folders, clock, log, options.get("termination-log", TERMINATION_LOG))


def _follow(words: list[str], clock: MachineClock, log: Log) -> NoReturn:
    import signal

    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from agent.follow import Follow, follow

    options: dict[str, str] = {}
    try:
        _options(words, options)
        plan = _plan(options)
        work = Follow(plan, _folders(options, plan), clock, log)
        follow(work, _server(options.get("listen"), work, clock), clock, log)
    except (MisusedError, WireError) as error:
        log("agent.misconfigured", message=str(error))
    while True:
        clock.sleep(IDLE_S)


def _verb(words: list[str]) -> None:
    if not words or words[0] not in VERBS:
        raise MisusedError(f"the first argument must be one of {', '.join(VERBS)}")


def _options(words: list[str], options: dict[str, str]) -> None:
    """Fills `options` from `--name value` pairs."""
    for index in range(0, len(words), 2):
        name = words[index].removeprefix("--")
        if name not in OPTIONS or not words[index].startswith("--"):
            raise MisusedError(f"unknown argument. Allowed: --{', --'.join(OPTIONS)}")
        if index + 1 == len(words):
            raise MisusedError(f"--{name} has no value")
        options[name] = words[index + 1]


def _plan(options: dict[str, str]) -> Plan:
    if "plan" not in options:
        raise MisusedError("--plan is missing. It must be the plan as one line of JSON")
    for word in filter(None, options.get("needs", "").split(",")):
        if word not in NEEDS:
            raise MisusedError(
                "--needs has a word that this version does not know. Allowed: "
                f"{', '.join(NEEDS)}. Use the agent image of the webhook's version"
            )
    plan = plans.from_wire(options["plan"])
    if plan.bundle is not None:
        _demand_names(plan, plan.bundle)
    return plan


def _demand_names(plan: Plan, form: str) -> None:
    """The webhook denies names that a bundle can't have; a plan may be of somebody else."""
    from contract.bundle import faults

    found = faults(form, [file.name for each in plan.snapshots for file in each.files])
    for name, why in found.items():
        raise MisusedError(f"secret {name!a}: {why}")


def _folders(options: dict[str, str], plan: Plan) -> Folders:
    """The mounted volumes. In `mount` mode there is no cache."""
    wanted = FOLDERS if plan.mode == FOLLOW else FOLDERS[1:]
    for name in wanted:
        if name not in options:
            raise MisusedError(f"--{name} is missing. It must be the folder of that volume")
    return Folders(
        cache=options["cache"] if plan.mode == FOLLOW else None,
        snapshots=options["snapshots"],
        freshness=options["freshness"],
    )


def _demand_folders(folders: Folders) -> None:
    """The kubelet mounts volumes before it starts a container: one that is not there never comes.

    The freshness volume may be missing, since readers have the ages of meta.json then.
    """
    for name in FOLDERS[:2]:
        path = getattr(folders, name)
        if path is not None and not os.path.isdir(path):
            raise MisusedError(f"--{name} must be a folder, but {path} is not a folder")


def _server(listen: str | None, work: Follow, clock: MachineClock) -> AgentMetricsServer | None:
    if listen is None:
        return None
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        raise MisusedError("--listen must be HOST:PORT")
    from agent.metrics_server import AgentMetricsServer

    pages = {"/healthz": lambda: "ok\n", "/metrics": work.metrics}
    return AgentMetricsServer(host.strip("[]"), int(port), pages, clock)


if __name__ == "__main__":
    main()

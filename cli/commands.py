"""The verbs on snapshots: find what is meant, do it, print it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli import listing, operator_requests
from cli.exit_codes import Exit
from cli.find_by_name import find_snapshot, nothing
from cli.output import MACHINE, NAME, WIDE, name_of, written
from cli.terminal import plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from cli.cluster_snapshots import ClusterSnapshots
    from cli.terminal import Terminal
    from controller.snapshot_status import Status
    from controller.spec import Name
    from workqueue.clock import BlockingClock


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSession:
    """Where a verb is carried out."""

    cluster: ClusterSnapshots
    namespace: str | None
    """None: all."""
    clock: BlockingClock
    terminal: Terminal

    def say(self, text: str) -> None:
        """What was asked for."""
        print(plain(text), file=self.terminal.out, flush=True)

    def note(self, text: str) -> None:
        """What the user should know besides."""
        print(plain(text), file=self.terminal.err)


def carry_out(arguments: argparse.Namespace, session: CommandSession) -> int:
    """One verb; returns its exit code. CommandError when it can't be done."""
    try:
        return _VERBS[arguments.verb](arguments, session)
    finally:
        for note in session.cluster.notes:
            session.note(f"note: {note}")


def _status(arguments: argparse.Namespace, session: CommandSession) -> int:
    cluster = session.cluster
    found = cluster.statuses()
    if arguments.name is not None:
        name = find_snapshot(arguments.name, session.namespace, found)
        statuses = {name: cluster.named(name, found[name])}
    else:
        statuses = {
            name: s for name, s in found.items() if session.namespace in {None, name.namespace}
        }
    now = cluster.now()
    if arguments.output == NAME:
        _print_names(list(statuses), session)
    elif arguments.output in MACHINE:
        described = [listing.describe(name, status, now) for name, status in statuses.items()]
        _print(described, arguments.output, session)
    elif statuses:
        session.say(listing.overview(statuses, now, wide=arguments.output == WIDE))
        if arguments.name is not None:
            session.say(listing.pods(statuses[name]))
    else:
        session.note(nothing(session.namespace, found))
    if not _controlled(session):
        session.note(listing.NO_CONTROLLER)
    return Exit.DONE


def _controlled(session: CommandSession) -> bool:
    """Reads the Lease until it can tell."""
    while (found := session.cluster.controlled()) is None:
        session.clock.sleep(session.cluster.poll_s)
    return found


def _history(arguments: argparse.Namespace, session: CommandSession) -> int:
    statuses = session.cluster.statuses()
    name = find_snapshot(arguments.name, session.namespace, statuses)
    known = listing.versions(statuses[name], session.cluster.now())
    if arguments.output in MACHINE:
        _print(known, arguments.output, session)
        return Exit.DONE
    rows = [
        (
            item["version"],
            item["verdict"],
            listing.duration(item["age_s"]) + " ago" if item["stored"] else "not stored",
        )
        for item in known
    ]
    session.say(listing.table(listing.HISTORY_HEADINGS, rows))
    return Exit.DONE


def _operate(arguments: argparse.Namespace, session: CommandSession) -> int:
    cluster = session.cluster
    statuses = cluster.statuses()
    name = find_snapshot(arguments.name, session.namespace, statuses)
    change = _change(arguments, statuses[name], cluster.now())
    outcome = operator_requests.carry_out(cluster, name, change, arguments.wait, session.clock)
    status = cluster.named(name, outcome.status)
    now = cluster.now()
    if arguments.output == NAME:
        _print_names([name], session)
    elif arguments.output in MACHINE:
        document = {
            "said": change.said,
            "note": change.note,
            "done": outcome.code == Exit.DONE,
            **listing.describe(name, status, now),
        }
        _print(document, arguments.output, session)
    else:
        session.say(f"{name.namespace}/{name.snapshot}: {change.said}")
        session.say(listing.summary(name, status, now))
        held = listing.holders if arguments.verb == "revoke" else listing.pods
        session.say(held(status))
    if change.note is not None and arguments.output not in MACHINE - {NAME}:
        session.note(f"note: {change.note}")
    if outcome.code == Exit.NOT_RUNNING:
        session.note(f"no controller is running. {operator_requests.SAVED}")
    if outcome.code == Exit.NOT_YET:
        waited = f"the controller has not applied the change within {arguments.wait:g} s"
        session.note(f"{waited}. {operator_requests.SAVED}")
    return outcome.code


def _change(
    arguments: argparse.Namespace, status: Status, now: float
) -> operator_requests.SpecChange:
    match arguments.verb:
        case "refresh":
            return operator_requests.refresh(status, now)
        case "pin":
            return operator_requests.pin(status, arguments.version, now)
        case "unpin":
            return operator_requests.unpin(status)
        case "rollback":
            return operator_requests.roll_back(status)
        case _:
            return operator_requests.revoke(status, arguments.version)


def _print(document: object, output: str, session: CommandSession) -> None:
    session.say(written(document, output).removesuffix("\n"))


def _print_names(names: Sequence[Name], session: CommandSession) -> None:
    for name in names:
        session.say(name_of(name.snapshot))


_VERBS = {
    "status": _status,
    "history": _history,
    **dict.fromkeys(("refresh", "pin", "unpin", "rollback", "revoke"), _operate),
}

"""The verbs on the embedded store: find what is meant, do it, print it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from cli import fleet, operate
from cli.errors import CommandError, Exit
from cli.names import find_snapshot
from contract.wire import WireError
from controller.store import StoreRefusedError, open_store

if TYPE_CHECKING:
    import argparse

    from cli.clock import Clock
    from controller.objects import Status
    from controller.store import Store


def run(arguments: argparse.Namespace, clock: Clock, out: TextIO, err: TextIO) -> int:
    """Carries out one verb; returns its exit code. CommandError when it can't."""
    try:
        store = open_store(arguments.store)
        return _VERBS[arguments.verb](arguments, store, clock, out, err)
    except StoreRefusedError as error:
        raise CommandError(str(error)) from error
    except WireError as error:
        message = (
            f"{error}; nothing was changed. What it asked for can't be known: mend the file, or"
            f" remove it to go on from what the snapshot has recorded ({arguments.store}/snapshots)"
        )
        raise CommandError(message) from error
    except OSError as error:
        message = f"{error.filename or arguments.store}: {error.strerror}"
        raise CommandError(message) from error


def _status(
    arguments: argparse.Namespace, store: Store, clock: Clock, out: TextIO, err: TextIO
) -> int:
    statuses = store.statuses()
    if arguments.name is not None:
        name = find_snapshot(arguments.name, arguments.namespace, statuses)
        statuses = {name: statuses[name]}
    elif arguments.namespace is not None:
        statuses = {
            name: s for name, s in statuses.items() if name.namespace == arguments.namespace
        }
    now = clock.now()
    if arguments.output == "json":
        _print_json([fleet.describe(name, status, now) for name, status in statuses.items()], out)
    elif statuses:
        rows = [fleet.row(name, status, now) for name, status in statuses.items()]
        print(fleet.table(fleet.HEADINGS, rows), file=out)
        if arguments.name is not None:
            print(fleet.pods(statuses[name]), file=out)
    else:
        print("no snapshot is demanded yet", file=err)
    if not store.controlled():
        print("no controller is running: ages grow and nothing is fetched", file=err)
    return Exit.DONE


def _history(
    arguments: argparse.Namespace, store: Store, clock: Clock, out: TextIO, _: TextIO
) -> int:
    statuses = store.statuses()
    name = find_snapshot(arguments.name, arguments.namespace, statuses)
    now = clock.now()
    known = fleet.versions(statuses[name], now)
    if arguments.output == "json":
        _print_json(known, out)
        return Exit.DONE
    rows = [
        (
            item["version"],
            item["verdict"],
            fleet.duration(item["age_s"]) + " ago" if item["held"] else "not held",
        )
        for item in known
    ]
    print(fleet.table(fleet.HISTORY_HEADINGS, rows), file=out)
    return Exit.DONE


def _operate(
    arguments: argparse.Namespace, store: Store, clock: Clock, out: TextIO, err: TextIO
) -> int:
    statuses = store.statuses()
    name = find_snapshot(arguments.name, arguments.namespace, statuses)
    wish = _wish(arguments, statuses[name], clock.now())
    outcome = operate.carry_out(store, name, wish, arguments.wait, clock)
    now = clock.now()
    if arguments.output == "json":
        document = {
            "said": wish.said,
            "note": wish.note,
            "done": outcome.code == Exit.DONE,
            **fleet.describe(name, outcome.status, now),
        }
        _print_json(document, out)
    else:
        print(f"{name.namespace}/{name.snapshot}: {wish.said}", file=out)
        print(fleet.summary(name, outcome.status, now), file=out)
        print(_holders(arguments.verb, outcome.status), file=out)
    if wish.note is not None and arguments.output != "json":
        print(f"note: {wish.note}", file=err)
    if outcome.code == Exit.NOT_RUNNING:
        print("no controller is running; the wish is recorded and will hold", file=err)
    if outcome.code == Exit.NOT_YET:
        waited = f"the controller has not done it within {arguments.wait:g} s"
        print(f"{waited}; the wish is recorded and holds", file=err)
    return outcome.code


def _wish(arguments: argparse.Namespace, status: Status, now: float) -> operate.Wish:
    match arguments.verb:
        case "refresh":
            return operate.refresh(now)
        case "pin":
            return operate.pin(status, arguments.version, now)
        case "unpin":
            return operate.unpin(status)
        case "rollback":
            return operate.roll_back(status)
        case _:
            return operate.revoke(status, arguments.version)


def _holders(verb: str, status: Status) -> str:
    if verb == "revoke" and status.consumers:
        return f"these may still hold it, until their agents follow: {', '.join(status.consumers)}"
    return fleet.pods(status)


def _print_json(document: object, out: TextIO) -> None:
    print(json.dumps(document, indent=2), file=out)


_VERBS = {
    "status": _status,
    "history": _history,
    **dict.fromkeys(("refresh", "pin", "unpin", "rollback", "revoke"), _operate),
}

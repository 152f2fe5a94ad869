"""`lastgood check`: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cli.checks.facts import Facts
from cli.checks.model import Level, carried_out
from cli.checks.table import AFTER, BEFORE
from cli.exit_codes import Exit, UnreachableError
from cli.open_cluster import connected
from cli.output import MACHINE, written

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from cli.api_client import ApiConnection
    from cli.checks.model import Line
    from cli.settings import Settings
    from cli.terminal import Terminal
    from workqueue.clock import BlockingClock

_AGAIN_S = 2.0
_COLUMN = max(len(level) for level in Level) + 2


def check(
    arguments: argparse.Namespace, settings: Settings, clock: BlockingClock, terminal: Terminal
) -> int:
    """Every line once, or until none fails. CommandError: the API server cannot be asked."""
    with connected(arguments, settings, clock) as connection:
        deadline = clock.monotonic() + arguments.wait
        while True:
            last = clock.monotonic() >= deadline
            try:
                lines = _once(arguments, connection, clock)
            except UnreachableError:
                if last:
                    raise
                lines = None
            if lines is not None and (last or not failures(lines)):
                break
            clock.sleep(_AGAIN_S)
    if arguments.output in MACHINE:
        terminal.out.write(written(described(lines), arguments.output))
    else:
        terminal.say(shown(lines))
    return Exit.REFUSED if failures(lines) else Exit.DONE


def _once(
    arguments: argparse.Namespace, connection: ApiConnection, clock: BlockingClock
) -> list[Line]:
    facts = Facts(
        connection, clock, system=arguments.system_namespace, namespace=arguments.namespace
    )
    checks = BEFORE if arguments.pre else AFTER
    names = dict.fromkeys(name for it in checks for name in it.needs)
    return carried_out(checks, facts.known(names))


def failures(lines: Sequence[Line]) -> list[Line]:
    """Those that make the exit code 1."""
    return [line for line in lines if line.finding.level is Level.FAILED]


def shown(lines: Sequence[Line]) -> str:
    """For people: a line for each check, and what to do about those that are not ok."""
    found: list[str] = []
    group = None
    for line in lines:
        if line.check.group != group:
            group = line.check.group
            found += ["", group] if found else [group]
        found += _shown(line)
    count = Counter(line.finding.level for line in lines)
    summary = ", ".join(f"{count[level]} {level}" for level in Level)
    return "\n".join([*found, "", summary])


def _shown(line: Line) -> list[str]:
    level, said, hint = line.finding.level, line.finding.said, line.finding.hint
    margin = " " * (_COLUMN + 2)
    found = [f"  {level:<{_COLUMN}}{line.check.title}{f': {said}' if said else ''}"]
    if hint:
        found.append(f"{margin}{hint}")
    if level is not Level.OK:
        found.append(f"{margin}see {line.docs}")
    return found


def described(lines: Sequence[Line]) -> dict[str, Any]:
    """For programs."""
    return {
        "ok": not failures(lines),
        "checks": [
            {
                "group": line.check.group,
                "name": line.check.name,
                "title": line.check.title,
                "level": line.finding.level.value,
                "message": line.finding.said,
                "hint": line.finding.hint,
                "docs": line.docs,
            }
            for line in lines
        ],
    }

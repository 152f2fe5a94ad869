"""Lines of `lastgood check` and what they are decided on. Pure."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MOST_NAMED = 4
"""Names in one line."""
DOCS = "docs/check.md"


class Level(StrEnum):
    """The verdict of one line."""

    OK = "ok"
    WARNING = "warning"
    """Works, but something should be done."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It cannot be seen, mostly for want of rights."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one decision found."""

    level: Level
    said: str = ""
    """What was seen. Empty: the check's own sentence says all."""
    hint: str = ""
    """What to do; for lines that are not ok."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be had."""

    why: str
    """A sentence's part, as in "you may not list pods"."""
    failed: bool = False
    """Whether that is a fault of the cluster, and not of rights or of what is installed."""


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line. Its decision takes facts by the names of its parameters."""

    group: str
    name: str
    """Also the heading in docs/check.md."""
    title: str
    """What holds if it is ok."""
    decide: Callable[..., Finding]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the facts."""
        return tuple(inspect.signature(self.decide).parameters)


@dataclass(frozen=True, slots=True)
class Line:
    """One check with its finding."""

    check: CheckLine
    finding: Finding

    @property
    def docs(self) -> str:
        return f"{DOCS}#{self.check.name}"


def carried_out(checks: Iterable[CheckLine], facts: Mapping[str, object]) -> list[Line]:
    """Each check on the facts that it needs; without one of them it is skipped."""
    return [Line(check, _decided(check, facts)) for check in checks]


def _decided(check: CheckLine, facts: Mapping[str, object]) -> Finding:
    needed = {name: facts[name] for name in check.needs}
    for fact in needed.values():
        if isinstance(fact, Unknown):
            level = Level.FAILED if fact.failed else Level.SKIPPED
            hint = "" if not fact.failed else "Try again, and look at the API server"
            return Finding(level, fact.why, hint)
    return check.decide(**needed)


def ok(said: str = "") -> Finding:
    """All is well; `said` is what was seen."""
    return Finding(Level.OK, said)


def warning(said: str, hint: str) -> Finding:
    """It works, and something should be done."""
    return Finding(Level.WARNING, said, hint)


def failed(said: str, hint: str) -> Finding:
    """It does not work. The exit code is 1."""
    return Finding(Level.FAILED, said, hint)


def skipped(why: str) -> Finding:
    """It cannot be told."""
    return Finding(Level.SKIPPED, why)


def named(names: Iterable[str]) -> str:
    """The first names, and how many more."""
    found = sorted(set(names))
    more = len(found) - MOST_NAMED
    return ", ".join(found[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")

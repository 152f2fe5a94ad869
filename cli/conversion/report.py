"""What became of each field of what was imported. No line has a value: only names and paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from contract.quoted import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_FIELD = 200
_MOST_OBJECT = 330
_OURS = ("SecretAccount ", "SecretPolicy ")
"""Of the output, so they are not counted as imported."""


class FieldOutcome(StrEnum):
    """What became of one field, the worst last."""

    MAPPED = "mapped"
    """It is in the output."""
    DROPPED = "dropped"
    """It is not needed any more; the line says why."""
    DECIDE = "decide"
    """It is in the output, but somebody must check it or act on it."""
    NOT_MAPPED = "not-mapped"
    """It is not in the output, and what depends on it stays as it was."""
    REFUSED = "refused"
    """The result would be refused, by a CRD or by the webhook, so it is not in the output."""


LOST = frozenset({FieldOutcome.NOT_MAPPED, FieldOutcome.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """One sentence of the report."""

    level: FieldOutcome
    object: str
    """For example `SecretProviderClass payments/db`."""
    field: str
    """For example `spec.parameters.region`; empty: the object as a whole."""
    message: str
    """What became of it or why it is lost, and what to do."""

    def __str__(self) -> str:
        where = f"{self.object} {self.field}".rstrip()
        return f"{self.level}: {where}: {self.message}"

    def to_wire(self) -> dict[str, str]:
        """For `-o json`."""
        return {
            "level": str(self.level),
            "object": self.object,
            "field": self.field,
            "message": self.message,
        }


@dataclass(slots=True)
class ImportReport:
    """The lines of one run, in the order in which they were found."""

    lines: list[ReportLine] = field(default_factory=list)
    objects: dict[str, None] = field(default_factory=dict)
    """All that was looked at, also where nothing is to be said of it."""

    def add(self, level: FieldOutcome, of: str, path: str, message: str) -> None:
        """The same line is noted once."""
        if not of.startswith(_OURS):
            self.objects.setdefault(of)
        line = ReportLine(
            level=level,
            object=shown(of, _MOST_OBJECT),
            field=shown(path, _MOST_FIELD),
            message=message,
        )
        if line not in self.lines:
            self.lines.append(line)

    def lost(self) -> bool:
        """Whether something could not be mapped."""
        return any(line.level in LOST for line in self.lines)

    def undecided(self) -> bool:
        """Whether somebody must decide something."""
        return any(line.level is FieldOutcome.DECIDE for line in self.lines)

    def summary(self) -> str:
        """One sentence with the counts of objects: fully mapped, partly, and not."""
        counts = {"fully": 0, "partly": 0, "not": 0}
        for of in self.objects:
            counts[_outcome(self._levels(of))] += 1
        total = sum(counts.values())
        noun = "object" if total == 1 else "objects"
        return (
            f"{total} {noun} with secrets of other tools: {counts['fully']} mapped fully,"
            f" {counts['partly']} partly, {counts['not']} not"
        )

    def outcomes(self) -> dict[str, str]:
        """`fully`, `partly` or `not`, by object."""
        return {of: _outcome(self._levels(of)) for of in self.objects}

    def _levels(self, of: str) -> set[FieldOutcome]:
        name = shown(of, _MOST_OBJECT)
        return {line.level for line in self.lines if line.object == name}


def _outcome(levels: Iterable[FieldOutcome]) -> str:
    found = set(levels)
    if not found & LOST:
        return "fully"
    return "partly" if FieldOutcome.MAPPED in found and FieldOutcome.REFUSED not in found else "not"

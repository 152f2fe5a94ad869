"""What the story found: one row per step, each with the promises that it checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD = ("step", "pods", "ready after s", "provider calls", "age", "verdict")
SUBHEAD = ("", "", "median    max", "by pod starts", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPromise:
    """One promise in one step. `promise` is its number in the README."""

    promise: str
    what: str
    kept: bool


@dataclass(slots=True, kw_only=True)
class Row:
    """One line of the table."""

    step: str
    pods: int
    """How many started, or followed a change."""
    seconds: Sequence[float] = ()
    """From the pod's creation to its app's first login, or from an operator's command to it."""
    calls: int | None = None
    """Provider calls that pod starts made; None: nothing started."""
    age_s: float | None = None
    """The oldest value's age in the pods at the end of the step, in seconds; None: the app can't
    tell.
    """
    state: str = ""
    """fresh, stale or expired."""
    checks: list[CheckedPromise] = field(default_factory=list)

    def check(self, promise: str, what: str, *, kept: bool) -> None:
        """Note whether a promise was kept."""
        self.checks.append(CheckedPromise(promise=promise, what=what, kept=kept))

    @property
    def cells(self) -> tuple[str, ...]:
        """The line's text, column by column."""
        times = ""
        if len(self.seconds) < self.pods:
            times = f"{len(self.seconds) or 'none'} of {self.pods}"
        elif self.seconds:
            times = f"{median(self.seconds):6.2f} {max(self.seconds):6.2f}"
        age = "" if self.age_s is None else f"{self.age_s:.0f} s {self.state}"
        calls = "" if self.calls is None else str(self.calls)
        verdict = _promises(each for each in self.checks if each.kept)
        broken = [each for each in self.checks if not each.kept]
        if broken:
            verdict = "BROKEN " + _promises(broken)
        return (self.step, str(self.pods), times, calls, age, verdict)


def described(row: Row) -> dict[str, Any]:
    """All of a row, for programs; times in seconds."""
    return {
        "step": row.step.strip(),
        "pods": row.pods,
        "ready_s": list(row.seconds),
        "provider_calls": row.calls,
        "age_s": row.age_s,
        "state": row.state or None,
        "checks": [asdict(check) for check in row.checks],
    }


def _promises(checks: Iterable[CheckedPromise]) -> str:
    """Their numbers, each once, in order."""
    return " ".join(sorted({each.promise for each in checks}, key=lambda name: int(name[1:])))


def table(rows: Iterable[Row]) -> str:
    """The rows as aligned text."""
    lines = [HEAD, SUBHEAD, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    texts = [
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    texts.insert(2, "-" * (sum(widths) + 2 * len(widths) - 2))
    return "\n".join(text.rstrip() for text in texts)


def broken(rows: Iterable[Row]) -> list[str]:
    """A sentence for each promise that broke."""
    return [
        f"{row.step}: {check.promise} is broken: {check.what}"
        for row in rows
        for check in row.checks
        if not check.kept
    ]

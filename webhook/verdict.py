"""What an admission came to: values only, shared by the server and the command line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.plan import Plan

Pod = dict[str, Any]
"""A pod as JSON. Only what is used is read; everything else stays as it came."""

WARNING_LENGTH = 256
"""The longest warning that the API server passes on (KEP-1693)."""

MOST_MISTAKES = 50
"""Mistakes in one answer, which must stay small."""
ENOUGH = MOST_MISTAKES + 1
"""Mistakes of one kind that are looked for, so that it is known whether there are more."""
MOST_HINTS = 8
"""Mistakes of one kind that get the nearest valid spelling: finding it takes time."""


class Outcome(StrEnum):
    """What became of a pod."""

    INJECTED = "injected"
    UNCHANGED = "unchanged"
    DENIED = "denied"


class Denial(StrEnum):
    """Why a pod was denied: labels the metric, the log line and the answer's status."""

    UNKNOWN_ANNOTATION = "unknown-annotation"
    BAD_ANNOTATION = "bad-annotation"
    NO_POLICY = "no-policy"
    NOT_ALLOWED = "not-allowed"
    COLLISION = "collision"
    LIMIT = "limit"
    UNSUPPORTED_POD = "unsupported-pod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing to correct: what was wrong, what is allowed, and the nearest valid spelling."""

    reason: Denial
    field: str
    """An annotation's key, or a field of the pod."""
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision on one pod."""

    outcome: Outcome
    pod: Pod
    """The pod to admit: the very object that came in unless `outcome` is INJECTED."""
    plan: Plan | None = None
    """None unless the pod opts in and is allowed."""
    mistakes: tuple[Mistake, ...] = ()
    """Not empty exactly when `outcome` is DENIED."""
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.outcome is not Outcome.DENIED

    @property
    def message(self) -> str:
        """Every mistake, one per line; empty when allowed."""
        if len(self.mistakes) < 2:  # noqa: PLR2004 - one needs no list
            return "".join(map(str, self.mistakes))
        lines = "".join(f"\n- {mistake}" for mistake in self.mistakes)
        return f"{len(self.mistakes)} mistakes:{lines}"


def denied(pod: Pod, mistakes: list[Mistake]) -> Verdict:
    """No, for all of these reasons, as far as they can be told."""
    if len(mistakes) > MOST_MISTAKES:
        message = "there are more mistakes. Correct these first"
        rest = Mistake(reason=Denial.LIMIT, field="metadata.annotations", message=message)
        mistakes = [*mistakes[: MOST_MISTAKES - 1], rest]
    return Verdict(outcome=Outcome.DENIED, pod=pod, mistakes=tuple(mistakes))

"""What became of a snapshot from one status to the next, as its Events say it. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from contract.reasons import Found
from controller.remediation import reason_of
from refresh.versions import ROLLED_BACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Document = Mapping[str, Any]


class Severity(StrEnum):
    """An Event's `type`, as Kubernetes has it."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Transition(StrEnum):
    """Reasons of Events on a SecretSnapshot."""

    EXPIRED = "Expired"
    ROLLED_BACK = "RolledBack"
    AGES_NOT_WRITTEN = "AgesNotWritten"

    @property
    def severity(self) -> Severity:
        """What somebody asked for has been done, or something is wrong."""
        return Severity.NORMAL if self is Transition.ROLLED_BACK else Severity.WARNING


def transitions(before: Document, after: Document) -> Iterator[tuple[Transition, str]]:
    """What is new in a status, and a sentence on it. Told by what both say, so once for each
    change, also over a restart.
    """
    if _expired(after) and not _expired(before):
        yield Transition.EXPIRED, _expiry(after)
    late = Found.AGES_NOT_WRITTEN
    if after.get("reason") == late and before.get("reason") != late:
        yield Transition.AGES_NOT_WRITTEN, f"pods see older ages. {reason_of(late)}"
    left = before.get("version")
    is_same = _identity(before) == _identity(after)
    if left is not None and not is_same and left in _rolled_back_from(after):
        yield Transition.ROLLED_BACK, f"rolled back from version {left} to {after.get('version')}"


def _expired(status: Document) -> bool:
    """By its class; where policy gives none there is no age to tell."""
    return status.get("state") == "Expired" and status.get("rules") is not None


def _expiry(status: Document) -> str:
    rules, reason = status["rules"], status.get("reason")
    refused = rules["onExpired"] == "refuse"
    end = "New pods must wait" if refused else "The value is still served"
    message = status.get("message")
    tried = "No fetch has failed" if reason is None else reason_of(reason, message)
    return (
        f"version {status.get('version')} was last confirmed at {status.get('lastSuccess')}. That"
        f" is longer ago than maxAge ({rules['maxAgeSeconds']} s) of class {status.get('class')}."
        f" {end}. {tried}"
    )


def _identity(status: Document) -> tuple[object, object]:
    return status.get("version"), status.get("incarnation")


def _rolled_back_from(status: Document) -> list[str]:
    found = status.get("quarantined") or ()
    return [item["version"] for item in found if item["reason"] == ROLLED_BACK]

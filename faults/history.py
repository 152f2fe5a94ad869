"""What was seen in one run, oldest first. Times are seconds since the epoch by the simulation's own
clock, which no fault moves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    E = TypeVar("E", bound="Event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at `at`."""

    at: float

    def line(self) -> dict[str, Any]:
        """As it is compared and printed."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote(Event):
    """An owner put a new version into the provider."""

    secret: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """The provider named or gave a version as the current one. That was true at `at`."""

    secret: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called(Event):
    """The controller made calls to an account."""

    account: str
    by: str
    """The life of a replica that made them."""
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Event):
    """The API server acknowledged what an operator asked for."""

    verb: str
    """pin, unpin, rollback or revoke."""
    secret: str
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBegan(Event):
    """A fault is in force."""

    number: int
    kind: str
    target: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Died(Event):
    """A process was killed."""

    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCreated(Event):
    """A pod was created."""

    pod: str
    ready: bool
    """Whether everything that it needs was on the cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStarted(Event):
    """A pod's gate let its app start."""

    pod: str
    calls: int
    """Provider calls since it was created that were made for its own secrets alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRead(Event):
    """An app opened the files of one revision."""

    pod: str
    secret: str
    versions: tuple[str, ...]
    """The version of each of its files of this secret, by the bytes."""
    shown: str | None
    """The version that status.json names."""
    last_success: float | None
    """When that version was last confirmed, as status.json says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMissed(Event):
    """An app found no file of a secret that it could read before."""

    pod: str
    secret: str
    shown: str | None
    """Why, by status.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSeen(Event):
    """A SecretSnapshot as anybody can read it."""

    secret: str
    version: str | None
    last_success: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodWritten(Event):
    """The controller wrote to a pod, which it never may."""

    method: str
    path: str


@dataclass(slots=True)
class History:
    """The events of one run."""

    now: Callable[[], float]
    """The simulation's own clock."""
    events: list[Event] = field(default_factory=list)

    def add(self, event: type[E], /, **fields: Any) -> None:  # noqa: ANN401 - the event's own types
        """It happened now."""
        self.events.append(event(at=self.now(), **fields))

    def of(self, kind: type[E]) -> Iterator[E]:
        """All events of one kind, oldest first."""
        return (event for event in self.events if isinstance(event, kind))

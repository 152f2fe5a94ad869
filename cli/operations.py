"""What the verbs need of whoever keeps the snapshots: a folder, or the API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.objects import Name, Spec, Status


class Operations(Protocol):
    """What operators see and ask."""

    poll_s: float
    """How often it is looked whether a wish is carried out."""
    notes: list[str]
    """What the user should know of what could not be read; one sentence each."""

    def statuses(self) -> dict[Name, Status]:
        """The status of every snapshot that can be meant."""
        ...

    def status(self, name: Name) -> Status | None:
        """None: there is none."""
        ...

    def named(self, name: Name, status: Status) -> Status:
        """The status with the names of the pods that demand the snapshot, if they can be told."""
        ...

    def amend(self, name: Name, change: Callable[[Spec], Spec]) -> Spec:
        """Changes a spec so that no other change is lost. Returns the new one. The first one starts
        from what the snapshot has recorded.
        """
        ...

    def controlled(self) -> bool | None:
        """Whether a controller is at work; None: that takes another look to tell."""
        ...

    def now(self) -> float:
        """Seconds since the epoch, by the clock that ages are written by."""
        ...

"""What is known of one status: what it says, and what it is to say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from contract.ages import last_success
from refresh.model import SnapshotState

if TYPE_CHECKING:
    from contract.ages import Entry
    from contract.reasons import Found
    from contract.snapshot_format import Meta


@dataclass(slots=True)
class ReportedStatus:
    """One snapshot's status."""

    state: SnapshotState = field(default_factory=SnapshotState)
    written: dict[str, Any] | None = None
    """None: not yet by this process."""
    times: bool = False
    """Whether new times alone are worth a write."""
    observed: int = 0
    """The generation that the snapshot as it is written reflects."""
    handled: float | None = None
    """The request for a refresh that it answers."""
    found: Found | None = None
    """Why pods are not given what the state says; one of controller.conditions.NOT_GIVEN."""
    probed: bool = False
    """Whether it was looked what stands in the place of a snapshot that was never served."""

    def confirmed(self, state: SnapshotState | None) -> bool:
        """Whether the provider has confirmed what is said to be unconfirmed."""
        if state is None or self.written is None or self.written.get("unconfirmedSince") is None:
            return False
        return state.last_success != self.state.last_success


@dataclass(slots=True)
class Late:
    """The ages of one namespace that can't be written."""

    since: float
    """Monotonic."""
    told: bool = False


def as_pods_see(state: SnapshotState, published: Meta | None, entry: Entry | None) -> SnapshotState:
    """The state with the age that pods see: by the ages as they were written last."""
    if published is None or published.version is None:
        return state
    return replace(state, last_success=last_success(published, entry))

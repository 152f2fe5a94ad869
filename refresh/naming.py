"""Names for values of providers that name no versions: the time of first sight, which says nothing
of the value. Bytes that are known keep their name (docs/design/025). Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.protocol import Failed, Material, NotModified, Unversioned
from refresh.spent import FIRST_SEEN, digest
from refresh.step import known_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contract.secret_bytes import SecretBytes
    from refresh.model import Kept, SnapshotState

LAGGING = Failed(reason=FetchFailure.UNAVAILABLE, code="ReplicaLags")


def told(
    state: SnapshotState,
    others: Iterable[SnapshotState],
    found: Material | Unversioned | NotModified | Failed,
    now: float,
) -> Material | NotModified | Failed:
    """A result, as one snapshot has to see it. `others`: of the same source in other namespaces,
    so that one value has one name.
    """
    if not isinstance(found, Unversioned):
        return found
    known = _known(state, found.value)
    if found.confirms_only and state.current is not None and known != state.current.version:
        return LAGGING
    elsewhere = (name for other in others if (name := _known(other, found.value)) is not None)
    version = known or next(elsewhere, None) or _new(state, now)
    before = known_version(state)
    if before is not None and before.version == version:
        return NotModified(version=version, incarnation=before.incarnation, evidence=found.evidence)
    return Material(version=version, value=found.value, evidence=found.evidence)


def _known(state: SnapshotState, value: SecretBytes) -> str | None:
    """The name of these bytes: of the current version before others; None: they are new."""
    kept = _kept(state)
    equal = [item for item in kept if item.value == value]
    for item in equal:
        if item.identity == state.current:
            return item.version
    for spent in state.spent:
        if spent.digest == digest(spent.version, value):
            return spent.version
    return equal[0].version if equal else None


def _kept(state: SnapshotState) -> tuple[Kept, ...]:
    return state.history if state.served is None else (state.served, *state.history)


def _new(state: SnapshotState, now: float) -> str:
    """The time in milliseconds, or the next one that names nothing yet: a clock may go back."""
    taken = {item.version for item in _kept(state)} | {item.version for item in state.quarantined}
    taken |= {*state.revoked, state.latest or "", state.pin or ""}
    number = int(now * 1000)
    while (name := _name(number)) in taken:
        number += 1
    return name


def _name(milliseconds: int) -> str:
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{FIRST_SEEN}{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"

"""What an arrived value means for one snapshot, by its own checks: the events of `step`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refresh import properties, validate, versions
from refresh.step_events import Arrived, Weighed, Weight

if TYPE_CHECKING:
    from contract.secret_bytes import SecretBytes
    from providers.protocol import Material
    from refresh.model import Demanded, SnapshotState


def arrived(
    state: SnapshotState,
    demanded: Demanded,
    material: Material,
    *,
    current: bool = True,
    answered_at: float | None = None,
) -> Arrived:
    """The event of a value that arrived. The served value again needs no second verdict, unless
    the checks changed since (then `latest` is None).

    A JSON object is asked for where properties are demanded: of the first value, unless a pod
    takes it whole as well, and of the next ones if the served value is an object. So one pod that
    names a property of a plain text holds itself, and never stops the others' rotation.
    """
    served = state.served
    if served is None:
        object_needed = bool(demanded.properties) and not demanded.whole
    elif _is_judged(state, material):
        return Arrived(
            material=material,
            current=current,
            answered_at=answered_at,
            evidence=material.evidence,
        )
    else:
        object_needed = bool(demanded.properties) and validate.is_object(served.value)
    return Arrived(
        material=material,
        rejection=validate.check(
            material.value, demanded.checks, demanded.properties, object_needed=object_needed
        ),
        weight=weight(state, demanded, material.value) if current else None,
        suspicion=None if served is None else validate.suspicion(served.value, material.value),
        current=current,
        answered_at=answered_at,
        evidence=material.evidence,
    )


def weight(state: SnapshotState, demanded: Demanded, value: SecretBytes) -> Weight | None:
    """What speaks for the served version against this value: members that are in use and that the
    value has no more. A member that was never there is nothing to lose. None: nothing is in use.
    """
    if state.served is None or not demanded.used:
        return None
    names = [item.member for item in demanded.used]
    gone = properties.present(state.served.value.reveal(), names) - properties.present(
        value.reveal(), names
    )
    rules = demanded.rules
    return Weight(
        lost=tuple(item for item in demanded.used if item.member in gone),
        hold_s=rules.budget_s if demanded.hold_s is None else demanded.hold_s,
        max_age_s=rules.max_age_s,
    )


def weighed(state: SnapshotState, demanded: Demanded) -> Weighed | None:
    """The event of a held version that is compared again; None: none is held."""
    identity = versions.held_back(state)
    if identity is None:
        return None
    kept = versions.stored(state, identity)
    found = None if kept is None else weight(state, demanded, kept.value)
    if kept is None and demanded.used:
        found = Weight(
            lost=state.lost,
            hold_s=demanded.rules.budget_s if demanded.hold_s is None else demanded.hold_s,
            max_age_s=demanded.rules.max_age_s,
        )
    return Weighed(Weight() if found is None else found)


def _is_judged(state: SnapshotState, material: Material) -> bool:
    served = state.served
    return (
        served is not None
        and state.latest is not None
        and served.version == material.version
        and served.value == material.value
        and not versions.is_rejected(state, served.identity)
    )

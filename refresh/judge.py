"""The verdict on a value for one snapshot, by its own checks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refresh import validate, versions
from refresh.events import Arrived

if TYPE_CHECKING:
    from refresh.model import Demanded, SnapshotState
    from refresh.sources.protocol import Material


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
        return Arrived(material=material, current=current, answered_at=answered_at)
    else:
        object_needed = bool(demanded.properties) and validate.is_object(served.value)
    return Arrived(
        material=material,
        rejection=validate.check(
            material.value, demanded.checks, demanded.properties, object_needed=object_needed
        ),
        suspicion=None if served is None else validate.suspicion(served.value, material.value),
        current=current,
        answered_at=answered_at,
    )


def _is_judged(state: SnapshotState, material: Material) -> bool:
    served = state.served
    return (
        served is not None
        and state.latest is not None
        and served.version == material.version
        and served.value == material.value
        and not versions.is_rejected(state, served.identity)
    )

"""Policies, demand and specs, as the watches' copies have them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from controller.demand import Demand, DemandedParts
from controller.spec import SnapshotName
from policy.watched import WatchedPolicies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.informers import Informers
    from controller.snapshot_objects import WatchedSnapshot
    from controller.spec import Spec
    from controller.watched_pods import WatchedPod
    from kube.reflector import Change
    from policy.match import PolicySet
    from refresh.model import SnapshotKey

T_co = TypeVar("T_co", covariant=True)
DECLARED = DemandedParts(whole=True)
"""What a declaration takes of its source, so that a value of any form will do."""


class Lister(Protocol[T_co]):
    """Something that others change: policies, demand, specs."""

    def refresh(self) -> bool:
        """Looks for changes. True: `current` may answer otherwise than before."""
        ...

    def current(self) -> T_co:
        """As of the last `refresh`."""
        ...


class PolicyLister:
    """Policies, accounts and namespaces."""

    def __init__(self, informers: Informers) -> None:
        self._watched = WatchedPolicies(
            informers.accounts, informers.policies, informers.namespaces
        )
        self._last: PolicySet | None = None

    def refresh(self) -> bool:
        current = self._watched.current()
        changed = current is not self._last
        self._last = current
        return changed

    def current(self) -> PolicySet:
        return self._watched.current()


class DemandLister:
    """What pods demand and what is declared. Other changes of either are passed over."""

    def __init__(self, informers: Informers) -> None:
        self._pods = informers.pods
        self._snapshots = informers.snapshots
        self._changed = True
        self._demands: tuple[Demand, ...] = ()
        informers.pods.subscribe(self._pod)
        informers.snapshots.subscribe(self._snapshot)

    def refresh(self) -> bool:
        changed, self._changed = self._changed, False
        if changed:
            declared = (
                Demand(
                    namespace=seen.namespace,
                    pod="",
                    parts={seen.key: replace(DECLARED, properties=seen.properties)},
                    runs=bool(seen.properties),
                )
                for seen in self._snapshots.items.values()
                if seen.declared and seen.named
            )
            pods = (pod.demand for pod in self._pods.items.values())
            self._demands = (*pods, *declared)
        return changed

    def current(self) -> tuple[Demand, ...]:
        return self._demands

    def _pod(self, change: Change[WatchedPod]) -> None:
        before = None if change.before is None else change.before.demand
        after = None if change.after is None else change.after.demand
        self._changed |= before != after

    def _snapshot(self, change: Change[WatchedSnapshot]) -> None:
        before, after = _declares(change.before), _declares(change.after)
        self._changed |= before != after


class SpecLister:
    """What operators ask for, by snapshot. Statuses are passed over."""

    def __init__(self, informers: Informers) -> None:
        self._specs: dict[SnapshotName, Spec] = {}
        self._changed = True
        informers.snapshots.subscribe(self._snapshot)

    def refresh(self) -> bool:
        changed, self._changed = self._changed, False
        return changed

    def current(self) -> Mapping[SnapshotName, Spec]:
        return self._specs

    def _snapshot(self, change: Change[WatchedSnapshot]) -> None:
        name, seen = SnapshotName(*change.key), change.after
        if seen is None or not seen.named:
            self._changed |= self._specs.pop(name, None) is not None
        elif self._specs.get(name) != seen.spec:
            self._specs[name] = seen.spec
            self._changed = True


def _declares(seen: WatchedSnapshot | None) -> tuple[SnapshotKey, frozenset[str]] | None:
    counts = seen is not None and seen.declared and seen.named
    return (seen.key, seen.properties) if seen is not None and counts else None

"""Injected pods, as a watch keeps them: what each demands, and whether it has started. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from controller.demand import Demand, NotADemandError, from_pod
from controller.stale_starts import started_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from refresh.model import SnapshotKey, SourceKey

MOST_SOURCES = 5000
"""That the pods of one namespace may name together, so that one tenant's plans do not fill our
memory. A pod that names more is passed over."""
RUNNING = "status.phase!=Succeeded,status.phase!=Failed"
"""A field selector: ended pods are not watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedPod:
    """What is kept of an injected pod."""

    uid: str
    demand: Demand
    waiting: bool
    """Its containers have not started yet."""
    started_at: float | None
    """When the first of them did, in seconds since the epoch."""
    ending: bool
    """It is being deleted."""


class NamedSources:
    """The sources that pods name, each kept once however many name it, and as long as one does."""

    def __init__(self) -> None:
        self._kept: dict[str, WeakValueDictionary[SourceKey, SnapshotKey]] = {}

    def bounded(self, demand: Demand) -> Demand:
        """The same with the keys that are kept. NotADemandError: it is too much."""
        kept = self._kept.setdefault(demand.namespace, WeakValueDictionary())
        new = sum(key.source not in kept for key in demand.parts)
        if new and len(kept) + new > MOST_SOURCES:
            raise NotADemandError(
                f"its namespace's pods would name more than {MOST_SOURCES} sources"
            )
        parts = {kept.setdefault(key.source, key): taken for key, taken in demand.parts.items()}
        return replace(demand, parts=parts)


class PodReader:
    """Reads pods. `problem(what, why)` is told of each with a demand that can't be read or is too
    much.
    """

    def __init__(self, problem: Callable[[str, str], None]) -> None:
        self._problem = problem
        self._sources = NamedSources()

    def __call__(self, content: Mapping[str, Any]) -> WatchedPod | None:
        """As `pod_of`; None also for one that was told of."""
        try:
            found = pod_of(content)
            if found is None:
                return None
            return replace(found, demand=self._sources.bounded(found.demand))
        except NotADemandError as error:
            metadata = content["metadata"]
            self._problem(f"pod {metadata.get('namespace')}/{metadata.get('name')}", str(error))
            return None


def pod_of(content: Mapping[str, Any]) -> WatchedPod | None:
    """What is kept of a pod; None: it was not injected, or has ended. NotADemandError."""
    demand = from_pod(content)
    if demand is None:
        return None
    metadata, status = content["metadata"], content.get("status") or {}
    return WatchedPod(
        uid=str(metadata.get("uid")),
        demand=demand,
        waiting=status.get("phase", "Pending") == "Pending",
        started_at=started_at(status),
        ending=metadata.get("deletionTimestamp") is not None,
    )

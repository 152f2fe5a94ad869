"""What others want: policies, demand and specs, from copies that watches keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from pydantic import BaseModel

from api.account import SecretAccount
from api.policy import SecretPolicy
from controller.demand import Demand, DemandedParts, NotADemandError, from_pod
from controller.external_secrets import ExternalSecrets
from controller.in_use_protection import ProtectedObject
from controller.snapshot_objects import WatchedSnapshot, project
from controller.spec import SnapshotName
from controller.stale_starts import started_at
from kube.api_resources import NAMESPACES, PODS, SECRET_ACCOUNTS, SECRET_POLICIES, SECRET_SNAPSHOTS
from kube.filtered_view import View
from kube.reflector import Reflector
from policy.watched import ObjectReader, WatchedPolicies, labelled

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable, Coroutine, Mapping

    from controller.spec import Spec
    from kube.api import Api, Json
    from kube.api_resources import Resource
    from kube.reflector import Change, Key
    from policy.match import PolicySet
    from policy.watched import LastGoodObject
    from refresh.model import SnapshotKey, SourceKey
    from workqueue.clock import Clock

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
T_co = TypeVar("T_co", covariant=True)
DECLARED = DemandedParts(whole=True)
"""What a declaration takes of its source, so that a value of any form will do."""
MOST_SOURCES = 5000
"""That the pods of one namespace may name together, so that one tenant's plans do not fill our
memory. A pod that names more is passed over."""
MOST_OBJECTS = 5000
"""SecretSnapshots of one namespace that are kept: as many as its pods may name sources, far more
than a policy's limit, which is 200 unless it says so."""
MOST_MISNAMED = 32
"""Of those, with a name that is not their source's: they are only told so."""
RUNNING = "status.phase!=Succeeded,status.phase!=Failed"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminObject(Generic[M]):
    """An account or a policy: what its admin says, and what its status says. Of either the
    controller reads the former to decide, and writes the latter.
    """

    spec: LastGoodObject[M]
    status: ProtectedObject

    def said(self) -> LastGoodObject[M]:
        return self.spec

    def shown(self) -> ProtectedObject:
        return self.status


class NamedSources:
    """The sources that pods name, each kept once however many name it, and as long as one does."""

    def __init__(self) -> None:
        self._held: dict[str, WeakValueDictionary[SourceKey, SnapshotKey]] = {}

    def bounded(self, demand: Demand) -> Demand:
        """The same with the keys that are held. NotADemandError: it is too much."""
        held = self._held.setdefault(demand.namespace, WeakValueDictionary())
        new = sum(key.source not in held for key in demand.parts)
        if new and len(held) + new > MOST_SOURCES:
            raise NotADemandError(
                f"its namespace's pods would name more than {MOST_SOURCES} sources"
            )
        parts = {held.setdefault(key.source, key): taken for key, taken in demand.parts.items()}
        return replace(demand, parts=parts)


class Lister(Protocol[T_co]):
    """Something that others change: policies, demand, specs."""

    def refresh(self) -> bool:
        """Looks for changes. True: `current` may answer otherwise than before."""
        ...

    def current(self) -> T_co:
        """As of the last `refresh`."""
        ...


class Pods:
    """Reads pods. `problem(what, why)` is told of each with a demand that can't be read or is too
    much.
    """

    def __init__(self, problem: Callable[[str, str], None]) -> None:
        self._problem = problem
        self._sources = NamedSources()

    def __call__(self, content: Json) -> WatchedPod | None:
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


class Declarations:
    """The SecretSnapshots that are kept of each namespace. `problem(what, why)` is told once of
    each that has too many; the others have no part in that.
    """

    def __init__(self, problem: Callable[[str, str], None]) -> None:
        self._problem = problem
        self._held: dict[tuple[str, bool], WeakValueDictionary[str, WatchedSnapshot]] = {}
        self._told: set[tuple[str, bool]] = set()

    def __call__(self, content: Json) -> WatchedSnapshot | None:
        """None: it is being deleted, or one too many. ValueError: it is none that can be read."""
        seen = project(content)
        return None if seen is None else self._bounded(seen)

    def _bounded(self, seen: WatchedSnapshot) -> WatchedSnapshot | None:
        kind = seen.namespace, seen.named
        held = self._held.setdefault(kind, WeakValueDictionary())
        before = held.get(seen.name)
        if before == seen:
            return before
        most = MOST_OBJECTS if seen.named else MOST_MISNAMED
        if before is None and len(held) >= most:
            if kind not in self._told:
                self._told.add(kind)
                what = "SecretSnapshots" if seen.named else "SecretSnapshots of a wrong name"
                self._problem(f"namespace {seen.namespace}", f"it has more than {most} {what}")
            return None
        held[seen.name] = seen
        return seen


class Informers:
    """The copies, kept current while `run`. `problem(what, why)` is told what can't be read."""

    def __init__(
        self, api: Api, clock: Clock, rng: random.Random, problem: Callable[[str, str], None]
    ) -> None:
        def copy(
            resource: Resource, read: Callable[[Json], T | None], *, fields: str | None = None
        ) -> Reflector[T]:
            return Reflector(
                api,
                resource,
                read,
                field_selector=fields,
                clock=clock,
                rng=rng,
                problem=partial(problem, "watch"),
            )

        def admins(resource: Resource, model: type[M]) -> Reflector[AdminObject[M]]:
            def before(key: Key) -> LastGoodObject[M] | None:
                known = kept.items.get(key)
                return None if known is None else known.spec

            read = ObjectReader(model, before)
            kept = copy(
                resource,
                lambda found: AdminObject(
                    spec=read(found), status=ProtectedObject.from_wire(found)
                ),
            )
            return kept

        self._accounts = admins(SECRET_ACCOUNTS, SecretAccount)
        self._policies = admins(SECRET_POLICIES, SecretPolicy)
        self.accounts = View(self._accounts, AdminObject[SecretAccount].said)
        self.policies = View(self._policies, AdminObject[SecretPolicy].said)
        self.held_accounts = View(self._accounts, AdminObject[SecretAccount].shown)
        self.held_policies = View(self._policies, AdminObject[SecretPolicy].shown)
        self.namespaces = copy(NAMESPACES, labelled)
        self.pods = copy(PODS, Pods(problem), fields=RUNNING)
        self.snapshots = copy(SECRET_SNAPSHOTS, Declarations(problem))
        self.external_secrets = ExternalSecrets(api, clock, rng, problem)
        self._all: tuple[Reflector[Any], ...] = (
            self._accounts,
            self._policies,
            self.namespaces,
            self.pods,
            self.snapshots,
        )

    async def wait_synced(self) -> None:
        """Until each has been listed once."""
        for reflector in self._all:
            await reflector.wait_synced()

    def namespace_uid(self, namespace: str) -> str:
        """Of the namespace of that name; empty where there is none."""
        found = self.namespaces.items.get(("", namespace))
        return "" if found is None else found.uid

    def is_awake(self, namespace: str, pod: str) -> bool:
        """Whether a pod is there whose kubelet still looks at its volumes."""
        found = self.pods.items.get((namespace, pod))
        return found is not None and not found.ending

    def staleness_s(self, now: float) -> dict[str, float]:
        """Seconds since the API server was last heard of, by resource; `now` is monotonic."""
        found: dict[str, Reflector[Any]] = {
            "secretaccounts": self._accounts,
            "secretpolicies": self._policies,
            "namespaces": self.namespaces,
            "pods": self.pods,
            "secretsnapshots": self.snapshots,
        }
        return {name: reflector.staleness_s(now) for name, reflector in found.items()}

    def runs(self, stop: asyncio.Event) -> list[Coroutine[None, None, None]]:
        """A coroutine for each, which follows the API server until `stop`."""
        return [
            *(reflector.run(stop) for reflector in self._all),
            self.external_secrets.run(stop),
        ]


def pod_of(content: Json) -> WatchedPod | None:
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

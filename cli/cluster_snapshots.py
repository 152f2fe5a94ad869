"""The snapshots of a cluster as the verbs need them: SecretSnapshots, their ages, and the pods that
demand them, by the API server.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cli import controller_lease
from cli.api_errors import EDIT
from cli.exit_codes import CommandError
from contract import ages
from contract.wire import WireError
from controller.demand import NotADemandError, from_pod
from controller.lease import LEASE
from controller.snapshot_objects import patch, read
from kube.api_resources import CONFIG_MAPS, LEASES, PODS, SECRET_SNAPSHOTS
from kube.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.api_client import ApiConnection
    from cli.controller_lease import Heartbeat
    from controller.snapshot_objects import Snapshot
    from controller.snapshot_status import Status
    from controller.spec import SnapshotName, Spec
    from workqueue.clock import Clock

Json = dict[str, Any]
RUNNING = "status.phase!=Succeeded,status.phase!=Failed"
LEASE_READ_S = 1.0
_TRIES = 20
_IGNORED_SHOWN = 4


class ClusterSnapshots:
    """One namespace's snapshots, or all."""

    poll_s = 0.2

    def __init__(
        self, connection: ApiConnection, namespace: str | None, system: str | None, clock: Clock
    ) -> None:
        """`namespace` None: all. `system`: where lastgood is installed; None: all namespaces."""
        self._connection = connection
        self._api = connection.api
        self._namespace = namespace
        self._system = system
        self._clock = clock
        self._heartbeat: Heartbeat | None = None
        self._lease_read_at = float("-inf")
        self._blind = False
        self.notes: list[str] = []

    def statuses(self) -> dict[SnapshotName, Status]:
        """Of our namespace; where there is none, of all that may be seen, for spellings."""
        what = "list SecretSnapshots" + _in(self._namespace)
        listing = self._api.list_all(SECRET_SNAPSHOTS.path(self._namespace))
        found = [read(item) for item in self._connection.ask(listing, what).items]
        if not found and self._namespace is not None:
            everywhere = self._api.list_all(SECRET_SNAPSHOTS.path())
            listed = self._connection.allowed(everywhere, "list SecretSnapshots")
            found = [] if listed is None else [read(item) for item in listed.items]
        else:
            self._tell_ignored([item for item in found if not item.counts])
        counted = {item.name: item.status for item in found if item.counts}
        return self._aged(counted, self._namespace)

    def status(self, name: SnapshotName) -> Status | None:
        snapshot = self._find(name)
        if snapshot is None:
            return None
        return self._aged({name: snapshot.status}, name.namespace)[name]

    def named(self, name: SnapshotName, status: Status) -> Status:
        if not status.unnamed:
            return status
        path = PODS.path(name.namespace)
        listing = self._api.list_all(path, field_selector=RUNNING)
        listed = self._connection.allowed(listing, "list pods")
        if listed is None:
            self._note(f"you may not list pods{_in(name.namespace)}, so their names are not shown")
            return status
        pods = sorted(pod for item in listed.items if (pod := _consumer(item, name)) is not None)
        return replace(status, consumers=tuple(pods), unnamed=0) if pods else status

    def amend(self, name: SnapshotName, change: Callable[[Spec], Spec]) -> Spec:
        path = SECRET_SNAPSHOTS.path(name.namespace, name.snapshot)
        what = "patch SecretSnapshots" + _in(name.namespace)
        for _ in range(_TRIES):
            snapshot = self._find(name)
            if snapshot is None:
                message = f"{name.namespace}/{name.snapshot} no longer exists. Nothing was changed"
                raise CommandError(message)
            after = change(snapshot.spec)
            answer = self._connection.ask(self._patched(path, patch(snapshot, after)), what, EDIT)
            if answer is not None:
                return replace(after, generation=answer["metadata"]["generation"])
        message = (
            f"{name.namespace}/{name.snapshot} was changed by others each time. Nothing was changed"
            " by this command. Try again"
        )
        raise CommandError(message)

    def controlled(self) -> bool | None:
        """By the Lease of the controllers. True where that can't be seen, which is noted."""
        at = self._clock.monotonic()
        if not self._blind and at - self._lease_read_at >= LEASE_READ_S:
            self._lease_read_at = at
            self._read_lease(at)
        if self._blind or self._heartbeat is None:
            return True
        return controller_lease.beats(self._heartbeat, self.now(), at)

    def now(self) -> float:
        return self._connection.now()

    def _find(self, name: SnapshotName) -> Snapshot | None:
        path = SECRET_SNAPSHOTS.path(name.namespace, name.snapshot)
        found = self._connection.find(path, "get SecretSnapshots" + _in(name.namespace))
        return None if found is None else read(found)

    async def _patched(self, path: str, body: Json) -> Json | None:
        """None: somebody wrote since."""
        try:
            return await self._api.merge_patch(path, body)
        except ConflictError:
            return None

    def _aged(
        self, statuses: dict[SnapshotName, Status], namespace: str | None
    ) -> dict[SnapshotName, Status]:
        """With the times of the ConfigMaps of ages, which statuses are behind."""
        if not statuses:
            return statuses
        listing = self._api.list_all(
            CONFIG_MAPS.path(namespace), field_selector=f"metadata.name={ages.CONFIG_MAP}"
        )
        listed = self._connection.allowed(listing, "list ConfigMaps")
        if listed is None:
            self._note(
                f"you may not list ConfigMap {ages.CONFIG_MAP}{_in(namespace)}. Ages are those"
                " of the last status change, so values can be fresher than shown"
            )
            return statuses
        maps = {item["metadata"]["namespace"]: item.get("data") or {} for item in listed.items}
        found = {}
        for name, status in statuses.items():
            entry = _entry(maps.get(name.namespace, {}).get(name.snapshot))
            found[name] = status if entry is None else status.aged(entry)
        return found

    def _read_lease(self, at: float) -> None:
        """The controllers' Lease; of several, which old installations may have left, the newest."""
        listing = self._api.list_all(
            LEASES.path(self._system), field_selector=f"metadata.name={LEASE}"
        )
        listed = self._connection.allowed(listing, "list Leases")
        if listed is None:
            self._blind = True
            self._note(
                f"you may not list Lease {LEASE}{_in(self._system)}, so it is unknown whether a"
                " controller is running"
            )
            return
        newest = max(listed.items, key=_renewed, default=None)
        self._heartbeat = controller_lease.saw(self._heartbeat, newest, at)

    def _tell_ignored(self, ignored: list[Snapshot]) -> None:
        for item in ignored[:_IGNORED_SHOWN]:
            where = f"{item.name.namespace}/{item.name.snapshot}"
            self._note(
                f"SecretSnapshot {where} is ignored: the name for its source is {item.right_name}"
            )
        if len(ignored) > _IGNORED_SHOWN:
            self._note(f"{len(ignored) - _IGNORED_SHOWN} more are ignored because of their names")

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


def _consumer(pod: Json, name: SnapshotName) -> str | None:
    """The pod's name, if it demands the snapshot."""
    try:
        demand = from_pod(pod)
    except NotADemandError:
        return None
    if demand is None or all(key.source.snapshot != name.snapshot for key in demand.parts):
        return None
    return demand.pod


def _entry(raw: str | None) -> ages.Entry | None:
    """None: there is none, or none that can be read."""
    try:
        return None if raw is None else ages.from_wire(raw)
    except WireError:
        return None


def _renewed(lease: Json) -> str:
    return str((lease.get("spec") or {}).get("renewTime") or "")


def _in(namespace: str | None) -> str:
    return " in all namespaces" if namespace is None else f" in namespace {namespace}"

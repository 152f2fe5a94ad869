"""What the page asks for, read from the cluster: with the readers of `status`, `history` and
`explain`, and no request for a Secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli import listing
from cli.api_errors import POLICIES
from cli.cluster_snapshots import RUNNING, ClusterSnapshots
from cli.dashboard import fleet
from cli.diagnosis import secrets, standing
from cli.exit_codes import CommandError
from cli.explain import Explainer
from controller.demand import NotADemandError, plan_of
from controller.spec import SnapshotName
from kube.api_resources import PODS, SECRET_ACCOUNTS, SECRET_SNAPSHOTS
from kube.errors import ApiError, ForbiddenError

if TYPE_CHECKING:
    from cli.api_client import ApiConnection
    from controller.snapshot_status import Status
    from workqueue.clock import Clock

Json = dict[str, Any]
_FORBIDDEN = "you may not "
"""How notes about missing rights begin."""


class Reader:
    """One cluster. Not safe across threads. Each method raises CommandError."""

    def __init__(
        self, connection: ApiConnection, namespace: str | None, system: str | None, clock: Clock
    ) -> None:
        """`namespace` None: all. `system`: where lastgood is installed; None: all namespaces."""
        self._connection = connection
        self._namespace = namespace
        self._system = system
        self._clock = clock
        self._beats = ClusterSnapshots(connection, namespace, system, clock)
        """Remembers the Lease, which has to be seen twice."""

    def fleet(self) -> Json:
        """The overview: all snapshots, all accounts, and what may not be read."""
        namespace, notes = self._scope()
        cluster = ClusterSnapshots(self._connection, namespace, self._system, self._clock)
        statuses = {
            name: status
            for name, status in cluster.statuses().items()
            if namespace in {None, name.namespace}
        }
        running = self._beats.controlled()
        accounts = self._connection.allowed(
            self._connection.api.list_all(SECRET_ACCOUNTS.path()), "list SecretAccounts"
        )
        if accounts is None:
            notes.append(
                "you may not list SecretAccounts, so budgets and logins are not shown. The"
                f" ClusterRole {POLICIES} of lastgood's chart grants this"
            )
        notes += [*cluster.notes, *self._beats.notes]
        items = None if accounts is None else accounts.items
        now = cluster.now()
        return {
            "where": self._connection.where,
            "namespace": namespace,
            **fleet.document(statuses, items, now, running=running),
            **_told(notes),
        }

    def snapshot(self, namespace: str, name: str) -> Json:
        """One snapshot with its history, and its pods by name."""
        cluster = ClusterSnapshots(self._connection, namespace, self._system, self._clock)
        sought = SnapshotName(namespace, name)
        found = cluster.status(sought)
        if found is None:
            message = f"snapshot {namespace}/{name} not found"
            raise CommandError(message)
        status, now = cluster.named(sought, found), cluster.now()
        versions = [
            {**item, "age": listing.duration(item["age_s"]) if item["stored"] else None}
            for item in listing.versions(status, now)
        ]
        shown = {**fleet.row(sought, status, now), "podsSaid": listing.pods(status)}
        return {"snapshot": shown, "versions": versions, **_told(cluster.notes)}

    def pods(self, namespace: str) -> Json:
        """The pods of a namespace that need secrets: those that wait come first."""
        cluster = ClusterSnapshots(self._connection, namespace, self._system, self._clock)
        pods = self._connection.api.list_all(PODS.path(namespace), field_selector=RUNNING)
        what = f"list pods in namespace {namespace}"
        listed = self._connection.ask(pods, what, "view")
        statuses = {
            name.snapshot: status
            for name, status in cluster.statuses().items()
            if name.namespace == namespace
        }
        now = cluster.now()
        found = [shown for pod in listed.items if (shown := _pod(pod, statuses, now)) is not None]
        found.sort(key=lambda item: (item["verdict"] == "running", not item["wrong"], item["name"]))
        return {"namespace": namespace, "pods": found, **_told(cluster.notes)}

    def pod(self, namespace: str, name: str) -> Json:
        """What `lastgood explain` says of a pod."""
        found = Explainer(self._connection, namespace, self._clock).explain(name)
        for item in found["secrets"]:
            item["age"] = listing.duration(item["age_s"])
        for item in found["events"]:
            item["age"] = listing.duration(item["age_s"])
        return {**found, **_told(found["notes"])}

    def _scope(self) -> tuple[str | None, list[str]]:
        """The namespace to read, and what is missing: all are not for everybody."""
        if self._namespace is not None:
            return self._namespace, []
        try:
            self._connection.run(self._connection.api.list_(SECRET_SNAPSHOTS.path(), limit=1))
        except ForbiddenError:
            own = self._connection.namespace
            said = (
                "you may not list SecretSnapshots in all namespaces, so only namespace"
                f" {own} is shown. A ClusterRoleBinding to lastgood-view grants this"
            )
            return own, [said]
        except ApiError:
            pass  # what reads all of them next says it better
        return None, []


def _pod(pod: Json, statuses: dict[str, Status], now: float) -> Json | None:
    """None: it needs no secret of ours."""
    name = pod["metadata"]["name"]
    try:
        plan = plan_of(pod)
    except NotADemandError as error:
        said = str(error)
        return {"name": name, "verdict": "unknown", "sentence": said, "secrets": 0, "wrong": True}
    if plan is None:
        return None
    found = secrets(plan, statuses, {}, now)
    where = standing(pod, plan, found, now)
    return {
        "name": name,
        "verdict": where.verdict,
        "sentence": where.sentence,
        "secrets": len(found),
        "wrong": any(item.why is not None for item in found),
    }


def _told(notes: list[str]) -> Json:
    """Missing rights, apart from what else should be known."""
    missing = [note for note in notes if note.startswith((_FORBIDDEN, "you cannot "))]
    return {"missing": missing, "notes": [note for note in notes if note not in missing]}

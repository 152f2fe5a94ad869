"""The chart on a real API server, with others' objects around it, before and after an attack."""

from __future__ import annotations

import base64
import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from kube.api_resources import (
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    PODS,
    SECRET_SNAPSHOTS,
    SECRETS,
)
from tests.chart.rendering import of_kind, render
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.enforced import as_list, kubectl
from tests.e2e.installed import SYSTEM
from tests.e2e.leak import canary, foreign, rights
from tests.e2e.leak.attack import Outcome, attack
from tests.e2e.leak.requests import Generator
from tests.make.kinds import CUSTOM_RESOURCES, SERVICE_ACCOUNTS
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.chart.rendering import Manifest
    from tests.e2e.enforced import Server
    from tests.e2e.leak.canary import Canary
    from tests.e2e.leak.foreign import Foreign
    from tests.e2e.leak.requests import Request
    from tests.e2e.leak.rights import Identity, Known

Json = dict[str, Any]
CONTROLLER, WEBHOOK, TEST = "lastgood-controller", "lastgood-webhook", "lastgood-test"
SNAPSHOT, RECORD = "lastgood.dev/snapshot", "lastgood.dev/record"
CA_PATH = SECRETS.path(SYSTEM, foreign.CA)
_STATUS = frozenset({"secretsnapshots", "secretaccounts", "secretpolicies"})
_READABLE = {
    CONTROLLER: {"pods", "secretsnapshots", "secretaccounts", "secretpolicies"},
    WEBHOOK: {"secretaccounts", "secretpolicies"},
    TEST: set[str](),
}
"""What an identity reads of what others have, by docs/design/010. Anything else is a leak."""


def may_read(who: str, item: Foreign) -> bool:
    """Whether docs/design/010 says that this identity reads this object."""
    if item.resource.plural in _READABLE[who]:
        return True
    if item.resource != SECRETS or item.namespace != SYSTEM:
        return False
    return who == CONTROLLER or (who == WEBHOOK and item.name == foreign.CA)


def hooks() -> list[Manifest]:
    """Accounts and rights that exist while `helm test` runs."""
    return [
        document
        for document in of_kind(render(), "ServiceAccount", "Role", "RoleBinding")
        if document["metadata"].get("annotations", {}).get("helm.sh/hook")
    ]


def accounts() -> list[str]:
    """Each service account of the chart."""
    return [found["metadata"]["name"] for found in of_kind(render(), "ServiceAccount")]


@dataclass(slots=True)
class Scene:
    """Everything that stands in the cluster for one attack."""

    server: Server
    team: str
    other: str
    objects: list[Foreign]
    canaries: list[Canary]
    known: list[Known]
    address: rights.Address
    before: dict[str, Json] = field(default_factory=dict)

    @property
    def places(self) -> tuple[str, ...]:
        return (self.team, self.other, "kube-system", "default", SYSTEM)

    def identity(self, name: str) -> Identity:
        return rights.identity(name, SYSTEM, self.address, self.known, self.places)

    def generator(self, seed: int) -> Generator:
        return Generator(random.Random(seed), self.objects, self.places, self.known)

    def attack(self, who: str, requests: Iterator[Request]) -> Outcome:
        """Leaks are canaries of what `who` may not read."""
        hidden = {item.path for item in self.objects if not may_read(who, item)}
        search = canary.Search([one for one in self.canaries if one.owner in hidden])
        return attack(self.address, requests, search)

    def changed(self, who: str) -> list[str]:
        """Foreign objects that are not as they were, but for what 010 lets identities do up to
        `who`, in their order.
        """
        own = {CA_PATH} if who != CONTROLLER else set[str]()
        return [
            item.path
            for item in self.objects
            if item.path not in own
            and _kept(self.before[item.path], item) != _kept(self._read(item.path), item)
        ]

    def _read(self, path: str) -> Json:
        answer = self.server.act(None, "GET", path)
        return answer.body if answer.status == 200 else {}

    def record(self) -> None:
        self.before = {item.path: self._read(item.path) for item in self.objects}
        assert all(self.before.values())

    def secrets(self) -> dict[str, Json]:
        """All of the cluster, by their path."""
        found = self.server.act(None, "GET", SECRETS.path()).body["items"]
        return {
            SECRETS.path(item["metadata"]["namespace"], item["metadata"]["name"]): item
            for item in found
        }


def _kept(found: Json, item: Foreign) -> Json | None:
    """What no identity of ours may change. None: anything, by a right of its own."""
    if item.resource == SECRET_SNAPSHOTS:
        return None
    if item.resource != PODS and item.resource.plural not in _STATUS:
        return found
    metadata = dict(found.get("metadata", {}))
    metadata.pop("managedFields", None)
    metadata.pop("resourceVersion", None)
    notes = dict(metadata.get("annotations", {}))
    notes.pop("lastgood.dev/sync-requested", None)
    return {**found, "status": None, "metadata": {**metadata, "annotations": notes}}


def expected(path: str, body: Json) -> bool:
    """Whether an identity of ours may have made this, by docs/design/010 and 011."""
    if path.startswith(CONFIG_MAPS.path()) or "/configmaps/" in path:
        return bool(body["metadata"]["name"] == "lastgood-freshness")
    if "/secrets/" in path:
        types = {SNAPSHOT, RECORD} if body["metadata"]["namespace"] == SYSTEM else {SNAPSHOT}
        return path == CA_PATH or body.get("type") in types
    if "/leases/" in path:
        return bool(body["metadata"]["namespace"] == SYSTEM)
    return "/secretsnapshots/" in path or "/events/" in path


def of_the_cluster(body: Json) -> bool:
    """Whether Kubernetes itself has made this meanwhile."""
    managers = {one.get("manager", "") for one in body["metadata"].get("managedFields", [])}
    return bool(managers & {"kube-controller-manager", "kube-apiserver", "kubelet"})


WRITTEN = (SECRETS, CONFIG_MAPS, PODS, LEASES, EVENTS)


def all_objects(server: Server) -> dict[str, Json]:
    """Of the kinds that a right of ours or a mistake could make."""
    crd = CUSTOM_RESOURCES.path(name="secretsnapshots.lastgood.dev")
    there = server.act(None, "GET", crd).status == 200
    found = {}
    for resource in (*WRITTEN, *((SECRET_SNAPSHOTS,) if there else ())):
        for item in server.act(None, "GET", resource.path()).body["items"]:
            metadata = item["metadata"]
            found[resource.path(metadata["namespace"], metadata["name"])] = item
    return found


def build(server: Server, team: str, other: str) -> Scene:
    """Makes every foreign object and waits until each is as it stays."""
    kubectl("apply", "-f", "-", given=as_list(hooks()))
    for namespace in (team, other):
        path = SERVICE_ACCOUNTS.path(namespace, "default")
        until("its account", partial(_there, server, path), PATIENCE_S)
    return place(server, team, other, foreign.everything(team, other, SYSTEM))


def place(server: Server, team: str, other: str, objects: list[Foreign]) -> Scene:
    """Makes these objects in the cluster."""
    canaries: list[Canary] = []
    made = [item.make(_hiding(item, canaries)) for item in objects]
    kubectl("create", "-f", "-", given=as_list(made))
    for item in objects:
        if item.deleting:
            assert server.act(None, "DELETE", item.path).status == 200
    scene = Scene(
        server, team, other, objects, canaries, rights.discovered(server), rights.Address()
    )
    tokens = [item for item in objects if item.name == "leak-token"]
    for item in tokens:
        data = until("its token", partial(_token, server, item), PATIENCE_S)
        canaries.append(canary.Canary(item.path, "data.token", data[-24:]))
    time.sleep(1)  # the API server's own copies of policies and rights
    scene.record()
    return scene


def _there(server: Server, path: str) -> bool:
    return server.act(None, "GET", path).status == 200


def _token(server: Server, item: Foreign) -> str:
    """The end of a token is its signature, which no other token has."""
    answer = server.act(None, "GET", item.path)
    return base64.b64decode(answer.body.get("data", {}).get("token", "")).decode()


def _hiding(item: Foreign, canaries: list[Canary]) -> foreign.Hide:
    def hide(place: str) -> str:
        made = canary.new(item.path, place)
        canaries.append(made)
        return made.text

    return hide


def remove(server: Server, paths: Iterable[str]) -> None:
    """Also what waits for a finalizer."""
    for path in paths:
        if server.act(None, "DELETE", path).status == 200:
            server.act(None, "PATCH", path, {"metadata": {"finalizers": None}})


def unexpected(before: dict[str, Json], after: dict[str, Json]) -> list[str]:
    """What was made meanwhile, and neither by Kubernetes nor by a right that 010 lists."""
    return [
        path
        for path, body in after.items()
        if path not in before and not of_the_cluster(body) and not expected(path, body)
    ]

"""Who plays: the secret store, the proxy in front of it, the API server, the pods' node."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from contract import layout, status_file
from contract.reasons import Freshness
from contract.secret_bytes import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apiserver.running import Running
    from demo.bao import Bao
    from demo.database import Database
    from demo.pods import PodProcesses
    from demo.provider import DemoProvider, Proxy
    from demo.runner import Node
    from demo.workloads import Workloads
    from demo.world import World

    Manifest = dict[str, Any]

NAMESPACE = "payments"
CONTROLLER = "controller"
FETCHING = "fetching"
CALLERS = (CONTROLLER, FETCHING)
OUTAGE_SEEN_S = 15.0
"""Longer than the controller waits for one answer."""
DB = "aws-sm:/prod/payments/db"
VAULT_DB = "vault:secret/payments/db"


@dataclass(kw_only=True)
class Cast:
    """Everything that the steps of the story act on."""

    world: World
    node: Node
    cluster: Running
    api: Workloads
    database: Database
    provider: DemoProvider
    proxy: Proxy
    vault: Bao
    vault_proxy: Proxy
    deployment: Manifest
    fetching: Manifest
    """The same app as CSI drivers and injectors would start it."""
    job: Manifest
    vaulted: Manifest
    """The same app, with its login in Vault."""
    metrics: str
    """`host:port` of the controller's /metrics."""
    passwords: dict[str, SecretBytes] = field(default_factory=dict)
    """Every password that there ever was, by its label."""

    @property
    def ours(self) -> list[PodProcesses]:
        """The pods of the payments Deployment that run."""
        name = self.deployment["metadata"]["name"]
        return [pod for pod in self.node.pods.values() if pod.name.rpartition("-")[0] == name]

    def start(self, workload: Manifest, count: int) -> list[PodProcesses]:
        """Create `count` more pods of a workload; their time runs from before their admission."""
        found = []
        for _ in range(count):
            created = time.time()
            pod = self.node.add(self.api.create(workload))
            pod.created = created
            found.append(pod)
        return found

    def stop(self, pods: Sequence[PodProcesses]) -> None:
        """End pods and forget them."""
        self.node.remove([pod.name for pod in pods])
        for pod in pods:
            self.api.delete(pod)

    def deleted(self) -> list[PodProcesses]:
        """The pods that somebody else deletes, or deleted already."""
        pods, objects = self.node.pods.values(), self.world.objects
        found = [(pod, objects and objects.pods.get(pod.namespace, pod.name)) for pod in pods]
        return [pod for pod, it in found if not it or "deletionTimestamp" in it["metadata"]]

    def snapshot(self) -> Mapping[str, Any]:
        """What `lastgood status` says of the database's secret."""
        [found] = self.world.lastgood("status", DB, "-n", NAMESPACE)
        described: Mapping[str, Any] = found
        return described

    def operate(self, verb: str, *words: str) -> Mapping[str, Any]:
        """A command on the database's secret, and what it answered."""
        answer: Mapping[str, Any] = self.world.lastgood(verb, DB, *words, "-n", NAMESPACE)
        return answer

    def put(self, label: str, *, valid: bool) -> None:
        """A new password in the secret store; the database takes it too unless it is a mistake."""
        password = SecretBytes(secrets.token_urlsafe(24).encode())
        self.passwords[label] = password
        if valid:
            self.database.valid[label] = password
        value = {"username": "payments", "password": password.reveal().decode()}
        self.provider.put("/prod/payments/db", SecretBytes(json.dumps(value).encode()))

    def put_into_vault(self, label: str) -> None:
        """A password of the story, in the second store."""
        value = {"username": "payments", "password": self.passwords[label].reveal().decode()}
        self.vault.put(VAULT_DB.partition(":")[2], value)

    def fault(self, mode: str) -> None:
        """What goes wrong from here on; `pass`: nothing."""
        self.proxy.set(mode)

    def calls(self, caller: str = CONTROLLER) -> int:
        """Requests that reached the store from one caller, by the proxy's count."""
        return sum(self.proxy.counts().get(caller, {}).values())

    def vault_calls(self) -> int:
        """Requests that reached the second store."""
        return sum(sum(them.values()) for them in self.vault_proxy.counts().values())

    def unexplained(self) -> int:
        """Requests that came to a store and that neither the controller nor the app that fetches
        at start made: those of pod starts, since the beginning. The controller counts a request
        when it ends, so this is for a time at which the store answers.
        """
        left = 0

        def explained() -> bool:
            nonlocal left
            made = provider_requests(self.metrics)
            left = self.calls() + self.vault_calls() - made
            return left == 0

        self.world.wait(explained, OUTAGE_SEEN_S)
        return left

    def age(self, pods: Sequence[PodProcesses] | None = None) -> tuple[float, str]:
        """The oldest age of any secret in any of these pods, in seconds, and the worst state. None:
        all pods of the Deployment that run.
        """
        pods = self.ours if pods is None else pods
        found = [each for pod in pods for each in status_of(pod).secrets.values()]
        oldest = min(each.last_success or 0.0 for each in found)
        order = (Freshness.EXPIRED, Freshness.STALE, Freshness.FRESH)
        return time.time() - oldest, min((each.state for each in found), key=order.index)


def provider_requests(metrics: str) -> int:
    """What the controller says of its own calls: the sum of `lastgood_provider_requests_total`."""
    connection = HTTPConnection(metrics, timeout=5)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in text.splitlines()
        if line.startswith("lastgood_provider_requests_total{")
    )


def events(pod: PodProcesses, container: str | None = None) -> list[dict[str, Any]]:
    """What the app of a pod printed, line by line; lines that are not JSON are passed over."""
    found = []
    for line in pod.log(container or pod.containers[0].spec["name"]).splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [event for event in found if isinstance(event, dict) and "event" in event]


def ready_at(pod: PodProcesses) -> float | None:
    """When its app had logged in for the first time, in seconds since the epoch; None: not yet."""
    return next((event["at"] for event in events(pod) if event["event"] == "ready"), None)


def last_login(pod: PodProcesses) -> tuple[str, float] | None:
    """The database's last word to a pod's app, and when; None: none yet."""
    logins = [event for event in events(pod) if "login" in event]
    return (logins[-1]["login"], logins[-1]["at"]) if logins else None


def status_of(pod: PodProcesses) -> status_file.CacheStatus:
    """The pod's own status.json, as its app sees it."""
    files = pod.volume(layout.CACHE_VOLUME) / layout.FILES
    return status_file.from_wire((files / layout.STATUS).read_bytes())

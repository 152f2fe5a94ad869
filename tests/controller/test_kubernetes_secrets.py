"""Secrets of the pod's own namespace as a source: the controller's own process and the commands, on
the stand-in API server, where its rights are those of the chart.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cli.secret_grants import Grant, documents
from contract import ages
from contract.object_names import snapshot_name
from controller.snapshot_record import record_name
from controller.times import rfc3339
from kube.api_resources import (
    CONFIG_MAPS,
    NAMESPACES,
    PODS,
    ROLE_BINDINGS,
    SECRET_SNAPSHOTS,
    SECRETS,
)
from tests.make.external_secrets import Operator, external_secret, not_ready, secret
from tests.make.standin import SYSTEM
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.make.cluster import World

Json = dict[str, Any]
CANARY = b"canary-5f1d3c"
ADMIN = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: cluster}
spec:
  provider: kubernetes
  kubernetes: {}
  budget: {callsPerSecond: 50, burst: 50}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: [payments, orders]
  sources:
    - {account: cluster, allow: ["k8s:{namespace}/*"], class: steady}
  classes: {steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}}
"""
DB = "payments/db"
LOOKS_AGAIN_S = 60.0
"""Longer than the 30 s in which the controller sees that a definition came."""


class Team:
    """What pods of the namespaces see."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operator = Operator(world.server)

    def put(self, name: str, namespace: str = "payments", **data: bytes) -> None:
        """Writes a Secret."""
        self.world.server.apply(secret(name, data), namespace)

    def grant(self, name: str, namespace: str = "payments") -> None:
        """As `lastgood presync` prints it."""
        for _, body in documents(Grant(namespace, name), SYSTEM):
            self.world.server.apply(body)

    def pod(self, reference: str, *, namespace: str | None = None) -> None:
        """One that takes the whole value."""
        where = namespace or reference.partition("/")[0]
        name = f"pod-{reference.replace('/', '-')}"
        self.world.pod(name, reference, namespace=where, account="cluster", provider="k8s")

    def value(self, reference: str = DB, namespace: str | None = None) -> Json | None:
        """What pods are given; None: nothing yet."""
        where = namespace or reference.partition("/")[0]
        raw = self.world.keys(name_of(reference), where).get("value")
        return None if not raw else dict(json.loads(raw))

    def status(self, reference: str = DB, namespace: str | None = None) -> Json:
        """The SecretSnapshot's."""
        where = namespace or reference.partition("/")[0]
        found = self.world.server.get(SECRET_SNAPSHOTS, name_of(reference), where) or {}
        return dict(found.get("status") or {})

    def serves(self, value: str, reference: str = DB) -> None:
        """Waits until pods are given that password."""
        until(f"{value} in {reference}", lambda: (self.value(reference) or {}).get("p") == value)

    def says(self, reason: str | None, reference: str = DB, namespace: str | None = None) -> Json:
        """Waits until the status has that reason, and answers with it."""
        until(
            f"{reason} of {reference}",
            lambda: (found := self.status(reference, namespace)) and found.get("reason") == reason,
        )
        return self.status(reference, namespace)

    def refresh(self, reference: str = DB) -> None:
        """As an operator asks for it."""
        self.world.refresh(reference, "cluster", "k8s")

    def confirmed_at(self, reference: str = DB) -> float:
        """From which pods count the age of what they are given, in seconds since the epoch."""
        found: list[float] = []

        def told() -> bool:
            where = reference.partition("/")[0]
            written = self.world.server.get(CONFIG_MAPS, ages.CONFIG_MAP, where) or {}
            raw = (written.get("data") or {}).get(name_of(reference))
            entry = None if raw is None else ages.from_wire(raw)
            if entry is not None and entry.served is not None:
                found.append(entry.served.last_success)
            return bool(found)

        until("the age", told)
        return found[0]


def name_of(reference: str) -> str:
    """The snapshot's name."""
    return snapshot_name("cluster", "controller", "k8s", reference)


def ago(seconds_: float) -> str:
    """A time as the operator writes it, to the second."""
    return str(rfc3339(int(time.time() - seconds_)))


@pytest.fixture
def team(world: World) -> Team:
    """Two namespaces, each with a Secret `db` of its own."""
    world.apply(ADMIN)
    made = Team(world)
    made.put("db", p=b"of payments", k=CANARY)
    made.put("db", "orders", p=b"of orders")
    return made


def test_a_namespace_grants_a_secret_and_no_other_sees_it(team: Team) -> None:
    """Two Secrets of one name stay two: fetched, shared, restored from records, revoked. Without
    the grant the status says which one is missing.
    """
    world = team.world
    team.pod(DB)
    team.pod("orders/db")
    team.grant("db")
    world.start()
    team.serves("of payments")
    message = team.says("denied", "orders/db")["message"]
    assert "may not get the Secret db" in message
    assert "namespace orders" in message
    explained = world.lastgood("explain", "pod-orders-db", "-n", "orders").stdout
    assert "may not get the Secret db" in explained
    team.grant("db", "orders")
    world.server.apply(secret("other", {"p": b"x"}), "orders")
    world.lastgood("refresh", "k8s:db", "-n", "orders", "--wait", "30")
    team.serves("of orders", "orders/db")
    for namespace in ("payments", "orders"):  # a plan or a declaration that a tenant wrote
        other = "orders/db" if namespace == "payments" else DB
        team.pod(other, namespace=namespace)
        source = {"account": "cluster", "provider": "k8s", "reference": other}
        world.server.apply(
            {
                "apiVersion": SECRET_SNAPSHOTS.api_version,
                "kind": "SecretSnapshot",
                "metadata": {"name": name_of(other), "namespace": namespace},
                "spec": {"source": source},
            }
        )
    for namespace, other in (("payments", "orders/db"), ("orders", DB)):
        said = team.says("not-allowed", other, namespace)
        assert f"it is not in namespace {namespace}" in said["message"]
        assert team.value(other, namespace) is None
    world.end()
    for namespace in ("payments", "orders"):
        world.server.delete(ROLE_BINDINGS, "lastgood-get-db", namespace)
        world.server.delete(SECRETS, name_of(f"{namespace}/db"), namespace)
    world.start()
    team.serves("of payments")
    team.serves("of orders", "orders/db")
    version = team.status()["version"]
    world.lastgood("revoke", "k8s:db", version, "-n", "payments")
    until("the tombstone", lambda: team.status().get("serving") == "revoked")
    assert team.value("orders/db") == {"p": "of orders"}
    assert CANARY.decode() not in world.log()


def test_p12_a_revoked_value_stays_revoked_after_its_retention(team: Team) -> None:
    """Without its record the same bytes would have a new name. It is kept for that, without a
    value. One where nothing is revoked goes.
    """
    world = team.world
    team.put("plain", p=b"plain")
    team.put("db", p=b"one")
    for secret_ in ("db", "plain"):
        team.grant(secret_)
        team.pod(f"payments/{secret_}")
    world.start()
    team.serves("plain", "payments/plain")
    team.serves("one")
    version = team.says(None)["version"]
    team.put("db", p=b"two")
    team.refresh()
    team.serves("two")
    world.lastgood("revoke", "k8s:db", version, "-n", "payments")
    for reference in (DB, "payments/plain"):
        short = {"spec": {"retention": "1s"}}
        world.server.patch(SECRET_SNAPSHOTS, name_of(reference), short, namespace="payments")
        world.server.delete(PODS, f"pod-{reference.replace('/', '-')}", "payments")
    until("the other one to go", lambda: not _record("payments/plain", world))
    until("the value to go", lambda: b"two" not in _record(DB, world))
    assert b"spent" in _record(DB, world)
    world.end()
    team.put("db", p=b"one")
    world.start()
    team.pod(DB)
    until("a fetch", lambda: world.events("controller.refreshed"))
    world.lastgood("refresh", "k8s:db", "-n", "payments", "--wait", "30")
    assert team.value() is None
    team.put("db", p=b"three")
    world.lastgood("refresh", "k8s:db", "-n", "payments", "--wait", "30")
    team.serves("three")


def _record(reference: str, world: World) -> bytes:
    """All that the controller keeps of it; empty: nothing."""
    kept = world.keys(record_name("payments", name_of(reference)), SYSTEM)
    return b" ".join(value for _, value in sorted(kept.items()))


def test_an_external_secrets_status_is_the_age(team: Team) -> None:
    """Its refreshTime is when the provider confirmed the value. While the provider fails, the age
    goes on and the status says why. A change is fetched at once.
    """
    world, operator = team.world, team.operator
    operator.define()
    manifest = external_secret("payments-db", "db")
    operator.put("db", {"p": b"one"})
    operator.sync(manifest, ago(1000))
    team.grant("db")
    team.pod(DB)
    world.start()
    team.serves("one")
    first = team.confirmed_at()
    assert 1000 <= time.time() - first < 1100
    assert team.says(None)["state"] == "Fresh"
    failing = not_ready(ago(10))
    operator.sync(manifest, ago(1000), conditions=failing)
    said = team.says("not-confirmed")
    assert "not in sync" in said["message"]
    team.refresh()
    assert team.confirmed_at() == first
    results = {line["result"] for line in world.events("controller.refreshed")}
    assert {"fetched", "unconfirmed"} <= results <= {"fetched", "unchanged", "unconfirmed"}
    shown = world.lastgood("status", "k8s:db", "-n", "payments").stdout
    assert "not-confirmed" in shown
    operator.put("db", {"p": b"two"})
    operator.sync(manifest, ago(5))
    team.serves("two")
    until("the age", lambda: time.time() - team.confirmed_at() < 100)
    assert team.says(None)["state"] == "Fresh"


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        pytest.param({"target": {"deletionPolicy": "Merge"}}, "deletionPolicy", id="Merge"),
        pytest.param({"dataFrom": [{"find": {"name": {"regexp": "x"}}}]}, "find", id="find"),
        pytest.param({"refreshPolicy": "CreatedOnce"}, "not refreshed", id="CreatedOnce"),
    ],
)
def test_weak_evidence_renews_no_age_and_what_is_emptied_replaces_nothing(
    team: Team, spec: Json, word: str
) -> None:
    """Being in sync is no proof there. A new value is served, as old as its Secret.
    An emptied and a deleted Secret leave the last good one, and rollback works.
    """
    world, operator = team.world, team.operator
    operator.define()
    manifest = external_secret("payments-db", "db", **spec)
    operator.put("db", {"p": b"one"})
    operator.sync(manifest, ago(900))
    team.grant("db")
    team.pod(DB)
    world.start()
    team.serves("one")
    first = team.confirmed_at()
    assert word in team.says("weak-evidence")["message"]
    operator.sync(manifest, ago(0))
    team.refresh()
    assert team.confirmed_at() == first
    operator.put("db", {"p": b"two"})
    operator.sync(manifest, ago(0))
    team.refresh()
    team.serves("two")
    operator.put("db", {})
    operator.sync(manifest, ago(0))
    team.refresh()
    assert team.says("empty")["version"]
    operator.drop("db")
    team.refresh()
    assert team.says("absent")["version"]
    assert team.value() == {"p": "two"}
    world.lastgood("rollback", "k8s:db", "-n", "payments")
    team.serves("one")


def test_the_operator_may_come_later_and_go(team: Team) -> None:
    """Without its definition each read is a confirmation, and nothing is logged again and again.
    With it its status counts, without a restart, until the definition goes.
    """
    world, operator = team.world, team.operator
    team.grant("db")
    team.pod(DB)
    world.start()
    team.serves("of payments")
    assert team.says(None)
    assert time.time() - team.confirmed_at() < 60
    assert not [it for it in world.events("controller.passed_over") if "external" in str(it)]
    operator.put("db", {"p": b"managed"})
    team.refresh()
    assert "marks of External Secrets Operator" in team.says("not-confirmed")["message"]
    operator.define()
    manifest = external_secret("payments-db", "db")
    operator.sync(manifest, ago(1000), conditions=not_ready(ago(10)))
    until("its status", lambda: "not in sync" in str(team.status().get("message")), LOOKS_AGAIN_S)
    operator.sync(manifest, ago(5))
    assert team.says(None)["state"] == "Fresh"
    operator.undefine()
    until("the end of it", lambda: "marks of" in str(team.status().get("message")), LOOKS_AGAIN_S)
    assert team.value() == {"p": "managed"}


def test_p13_p14_what_a_hostile_tenant_tries_gives_nothing(team: Team) -> None:
    """Its RoleBinding grants too much, its statuses are forged, its Secrets are huge or of types
    that are refused, and an admin's mistake opens the release namespace. Others are served as ever.
    """
    world, operator = team.world, Operator(team.world.server, "orders")
    operator.define()
    wide = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}
    for _, body in documents(Grant("orders", "db"), SYSTEM):
        world.server.apply({**body, "rules": [wide]} if "rules" in body else body)
    for body in yaml.safe_load_all(ADMIN):
        if body["kind"] == "SecretPolicy":
            body["spec"]["namespaces"].append(SYSTEM)
            world.server.apply(body)
    label = {"metadata": {"labels": {"lastgood.dev/policy": "payments"}}}
    world.server.patch(NAMESPACES, SYSTEM, label)
    team.put("db", SYSTEM, p=CANARY)
    team.put("huge", "orders", p=b"x" * 1_000_000)
    token = {"type": "kubernetes.io/service-account-token"}
    notes = {"annotations": {"kubernetes.io/service-account.name": "default"}}
    body = secret("token", {"token": CANARY}, **token)
    body["metadata"] |= notes
    world.server.apply(body, "orders")
    forged = external_secret("db")
    operator.sync(forged, "2099-01-01T00:00:00Z")
    team.grant("db")
    for reference in (DB, "orders/db", "orders/huge", "orders/token", f"{SYSTEM}/db"):
        team.pod(reference)
    world.start()
    team.serves("of payments")
    assert "in the future" in team.says("not-confirmed", "orders/db")["message"]
    team.says("too-large", "orders/huge")
    assert "of a type that" in team.says("denied", "orders/token")["message"]
    assert "its own namespace" in team.says("denied", f"{SYSTEM}/db")["message"]
    for reference in ("orders/huge", "orders/token", f"{SYSTEM}/db"):
        assert team.value(reference) is None
    for number in range(100):
        operator.sync(forged, ago(number), conditions=[{"type": "Ready", "status": "True"}])
    team.says("not-confirmed", "orders/db")
    team.put("db", p=b"two")
    team.refresh()
    team.serves("two")
    assert CANARY.decode() not in world.log()

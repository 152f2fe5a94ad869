"""How an installation is broken: one change for each way."""

# ruff: noqa: D103 - each name says what is broken
from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any

from certs import dev_ca
from kube import api_resources as kinds
from tests import make
from tests.make import kinds as more_kinds
from tests.make.standin import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.installation import Installation


Json = dict[str, Any]
CONTROLLER, WEBHOOK = "lastgood-controller", "lastgood-webhook"
_RBAC = ("rbac.authorization.k8s.io", "v1")
CLUSTER_ROLES = kinds.Resource(*_RBAC, "clusterroles")
CLUSTER_BINDINGS = kinds.Resource(*_RBAC, "clusterrolebindings")
ROLES = kinds.Resource(*_RBAC, "roles")


def change_of(resource: kinds.Resource, name: str, change: Json) -> Callable[[Installation], None]:
    return lambda it: it.patch(resource, name, change)


def webhook_change(change: Json) -> Callable[[Installation], None]:
    def break_(it: Installation) -> None:
        found = it.server.get(kinds.MUTATING_WEBHOOKS, WEBHOOK)
        assert found is not None
        it.patch(kinds.MUTATING_WEBHOOKS, WEBHOOK, {"webhooks": [found["webhooks"][0] | change]})

    return break_


def without_webhook(it: Installation) -> None:
    it.delete(kinds.MUTATING_WEBHOOKS, WEBHOOK)


def called_twice(it: Installation) -> None:
    found = it.server.get(kinds.MUTATING_WEBHOOKS, WEBHOOK)
    assert found is not None
    copy = {"metadata": {"name": "lastgood-webhook-old"}, "webhooks": found["webhooks"]}
    it.create(kinds.MUTATING_WEBHOOKS, copy)


def unguarded(it: Installation) -> None:
    it.delete(kinds.MUTATING_WEBHOOKS, "zz-guards")


def neither(it: Installation) -> None:
    without_webhook(it)
    unguarded(it)


def bundle(folder: Path, ends: dt.datetime) -> str:
    """A caBundle of another CA, which ends a week after it was made."""
    folder.mkdir(exist_ok=True)
    dev_ca.write_pair(folder, ["other"], ends - dt.timedelta(days=7))
    return base64.b64encode((folder / dev_ca.CA_FILE).read_bytes()).decode()


def with_bundle(it: Installation, text: str) -> None:
    found = it.server.get(kinds.MUTATING_WEBHOOKS, WEBHOOK)
    assert found is not None
    client = found["webhooks"][0]["clientConfig"] | {"caBundle": text}
    webhook_change({"clientConfig": client})(it)


def other_ca(days: float) -> Callable[[Installation], None]:
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    return lambda it: with_bundle(it, bundle(it.server.folder / "other", ends))


def definition_change(name: str, change: Callable[[Json], None]) -> Callable[[Installation], None]:
    """Written as an older or newer chart would have it."""

    def break_(it: Installation) -> None:
        path = more_kinds.CUSTOM_RESOURCES.path(name=f"{name}.lastgood.dev")
        found = it.server.client.call("GET", path)
        change(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
        it.server.client.call("PUT", path, found)

    return break_


def older(spec: Json) -> None:
    del spec["properties"]["properties"]


def newer(spec: Json) -> None:
    spec["properties"]["region"] = {"type": "string"}


def other_rules(spec: Json) -> None:
    del spec["x-kubernetes-validations"][0]


def undefined(it: Installation) -> None:
    path = more_kinds.CUSTOM_RESOURCES.path(name="secretsnapshots.lastgood.dev")
    it.server.client.call("DELETE", path)


def account_status(status: Json) -> Callable[[Installation], None]:
    def break_(it: Installation) -> None:
        it.server.take_anything(kinds.SECRET_ACCOUNTS)
        it.status(kinds.SECRET_ACCOUNTS, "prod", status)

    return break_


def policy_of(*sources: Json, **spec: Any) -> Callable[[Installation], None]:  # noqa: ANN401 - manifests
    whole = {"namespaces": ["payments"], "classes": {"steady": make.STEADY}}
    wanted = make.policy(*sources, name="payments", **{**whole, **spec})
    return lambda it: it.server.apply(wanted)


def unreadable(it: Installation) -> None:
    it.server.take_anything(kinds.SECRET_POLICIES)
    it.patch(kinds.SECRET_POLICIES, "payments", {"spec": {"color": "red"}})


def narrow(it: Installation) -> None:
    """As `controller.namespaces` with a namespace that is not ours."""
    found = it.server.get(CLUSTER_ROLES, CONTROLLER)
    assert found is not None
    rules = [r for r in found["rules"] if not {"secrets", "configmaps"} & set(r["resources"])]
    it.patch(CLUSTER_ROLES, CONTROLLER, {"rules": rules})


def reader(it: Installation) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}
    it.create(CLUSTER_ROLES, {"metadata": {"name": "reader"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": SYSTEM}
    role = {"apiGroup": _RBAC[0], "kind": "ClusterRole", "name": "reader"}
    body = {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]}
    it.create(CLUSTER_BINDINGS, body)


def unused(it: Installation) -> None:
    status = {"consumers": 0, "unusedSince": "2026-01-01T00:00:00Z"}
    it.status(kinds.SECRET_SNAPSHOTS, "lg-db", status, "payments")


def two_leaders(it: Installation) -> None:
    it.second("lastgood-old")
    it.lead("lastgood-old")


def old_lease(it: Installation) -> None:
    it.server.apply(make.namespace("lastgood-old", None))
    it.lead("lastgood-old", renewed=it.clock.now() - 9999)


def free(it: Installation) -> None:
    it.patch(kinds.LEASES, CONTROLLER, {"spec": {"holderIdentity": ""}}, SYSTEM)


def replicas_of(component: str, available: int) -> Callable[[Installation], None]:
    status = {"availableReplicas": available}
    return lambda it: it.status(kinds.DEPLOYMENTS, f"lastgood-{component}", status, SYSTEM)


def other_version(name: str, resource: kinds.Resource) -> Callable[[Installation], None]:
    change = {"metadata": {"labels": {"app.kubernetes.io/version": "0.0.9"}}}
    return lambda it: it.patch(resource, name, change, SYSTEM)


def older_chart(it: Installation) -> None:
    for name in (WEBHOOK, CONTROLLER):
        other_version(name, kinds.DEPLOYMENTS)(it)
        for number in range(2):
            other_version(f"{name}-{number}", kinds.PODS)(it)


def old_agent(it: Installation) -> None:
    notes = {"lastgood.dev/injected": "0.0.9 limits.cpu=100m"}
    it.patch(kinds.PODS, "web-1", {"metadata": {"annotations": notes}}, "payments")

"""What `helm install` makes, as far as the stand-in enforces it: definitions, RBAC, the webhook's
configuration, the Lease.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from apiserver import kinds
from apiserver.authorization import User
from apiserver.operations import Target
from apiserver.server import ADMIN

if TYPE_CHECKING:
    from apiserver.server import ApiServer

INSTALLED = Path(__file__).with_name("installed.yaml")
"""Rendered by the chart with its default values; a test holds it to the chart."""
DEFINITIONS = Path(__file__).parents[1] / "charts" / "lastgood" / "crds"
SYSTEM = "lastgood-system"
CONTROLLER = User.service_account(SYSTEM, "lastgood-controller")
WEBHOOK = User.service_account(SYSTEM, "lastgood-webhook")
SERVICE = (SYSTEM, "lastgood-webhook")
KINDS = {
    kind.kind: kind
    for kind in (
        *(kinds.SERVICE_ACCOUNT, kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING, kinds.ROLE),
        *(kinds.ROLE_BINDING, kinds.LEASE, kinds.MUTATING_WEBHOOK),
    )
}
"""Of the chart's objects, those that are in the file."""


async def install(server: ApiServer, *, webhook: bool = True) -> None:
    """Without `webhook` pods are not admitted by one."""
    create = partial(server.registry.create, user=ADMIN, dry_run=False)
    for name in ("default", "kube-system", SYSTEM):
        target = Target(kind=kinds.NAMESPACE)
        await create(target, {"metadata": {"name": name}})
    for path in sorted(DEFINITIONS.glob("*.yaml")):
        await create(Target(kind=kinds.DEFINITION), yaml.safe_load(path.read_text()))
    for item in yaml.safe_load_all(INSTALLED.read_text()):
        kind = KINDS[item["kind"]]
        if webhook or kind is not kinds.MUTATING_WEBHOOK:
            await create(Target(kind=kind, namespace=item["metadata"].get("namespace", "")), item)

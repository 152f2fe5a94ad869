"""Rights that lastgood needs, and decisions about them. Pure.

What webhook and controller need is what the chart grants; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cli.checks.model import failed, named, ok, warning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.checks.model import Finding

_LASTGOOD = "lastgood.dev"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource. `namespace` "" is all namespaces, or a cluster-scoped resource."""

    verb: str
    resource: str
    """With its subresource: `pods/status`."""
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        name = f" {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{group}{name}{where}"


def _each(verbs: str, resources: str, group: str = "", name: str = "") -> tuple[Right, ...]:
    return tuple(
        Right(verb, resource, group, name=name)
        for resource in resources.split()
        for verb in verbs.split()
    )


_WRITES = _each("create update delete", "secrets") + _each("create", "configmaps")
_AGES = _each("get patch", "configmaps", name="lastgood-freshness")
IN_NAMESPACES = _WRITES + _AGES
"""Of the controller; with `controller.namespaces` in these alone."""
EVERYWHERE = (
    *_each("list watch", "secretaccounts secretpolicies", _LASTGOOD),
    *_each("list watch create delete", "secretsnapshots", _LASTGOOD),
    *_each(
        "patch",
        "secretaccounts/status secretpolicies/status secretsnapshots/status",
        _LASTGOOD,
    ),
    *_each("get list watch", "namespaces"),
    *_each("list watch patch", "pods"),
    *_each("create", "events", "events.k8s.io"),
    *_each("list watch", "externalsecrets", "external-secrets.io"),
)
"""Of the controller."""
_RECORDS = (
    *_each("get list create update delete", "secrets"),
    *_each("create", "leases", "coordination.k8s.io"),
    *_each("get patch", "leases", "coordination.k8s.io", "lastgood-controller"),
)
WEBHOOK = (
    *_each("list watch", "secretaccounts secretpolicies", _LASTGOOD),
    *_each("list watch", "namespaces"),
)
_OWN_CA = (
    *_each(
        "get list watch patch",
        "mutatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "lastgood-webhook",
    ),
)
_CA_SECRET = (
    *_each("create", "secrets"),
    *_each("get list watch patch", "secrets", name="lastgood-webhook-ca"),
)
FORBIDDEN = (
    *_each("get list watch patch", "secrets"),
    *(replace(it, namespace="kube-system") for it in _each("get list", "secrets")),
)
"""What the controller must not have: each answer can hold the content of any Secret."""
VERBS = {
    "status, history, explain": (
        *_each("get list", "secretsnapshots", _LASTGOOD),
        *_each("list", "configmaps"),
        *_each("get list", "pods"),
    ),
    "refresh, pin, rollback, revoke": _each("patch", "secretsnapshots", _LASTGOOD),
    "presync --apply": _each("create patch", "secretsnapshots", _LASTGOOD),
    "render, policy": _each("list", "secretaccounts secretpolicies", _LASTGOOD),
}
"""What the verbs of the command need (docs/design/014)."""
INSTALL = (
    *_each("create", "namespaces"),
    *_each("create patch", "customresourcedefinitions", "apiextensions.k8s.io"),
    *_each(
        "create", "clusterroles clusterrolebindings roles rolebindings", "rbac.authorization.k8s.io"
    ),
    *_each(
        "create",
        "mutatingwebhookconfigurations validatingadmissionpolicies"
        " validatingadmissionpolicybindings",
        "admissionregistration.k8s.io",
    ),
    *_each("create", "deployments", "apps"),
    *_each("create", "poddisruptionbudgets", "policy"),
    *_each("create", "networkpolicies", "networking.k8s.io"),
    *_each("create", "leases", "coordination.k8s.io"),
    *_each("create", "services serviceaccounts secrets"),
)
"""Of who installs the chart."""


def within(namespace: str) -> tuple[Right, ...]:
    """What the controller needs in a namespace with snapshots."""
    return tuple(replace(it, namespace=namespace) for it in IN_NAMESPACES)


def controller_rights(system: str) -> tuple[Right, ...]:
    """`system`: where lastgood is installed."""
    return EVERYWHERE + tuple(replace(it, namespace=system) for it in _RECORDS)


def webhook_rights(system: str, *, own_ca: bool) -> tuple[Right, ...]:
    """`own_ca`: whether it keeps its own CA (certificates.mode self)."""
    if not own_ca:
        return WEBHOOK
    return WEBHOOK + _OWN_CA + tuple(replace(it, namespace=system) for it in _CA_SECRET)


NAMESPACED = frozenset({"secretsnapshots", "configmaps", "pods"})
"""Of the resources in VERBS."""


def of_verbs(namespace: str) -> dict[str, tuple[Right, ...]]:
    """VERBS, as they are used in one namespace."""
    return {
        verbs: tuple(
            replace(it, namespace=namespace) if it.resource in NAMESPACED else it for it in needed
        )
        for verbs, needed in VERBS.items()
    }


def caller(caller: Mapping[str, Sequence[Right]]) -> Finding:
    """`caller`: for each group of verbs, the rights that are missing."""
    missing = [f"{verbs} ({rights[0]})" for verbs, rights in caller.items() if rights]
    if missing:
        return warning(
            f"you may not use all verbs here: {'; '.join(missing)}",
            "ClusterRoles lastgood-view, lastgood-edit and lastgood-view-policies grant this",
        )
    return ok()


def installer(installer: Mapping[Right, bool]) -> Finding:
    """That the caller may install the chart."""
    missing = [str(right) for right, allowed in installer.items() if not allowed]
    if missing:
        return failed(f"you may not {named(missing)}", "Install as a cluster administrator")
    return ok(f"{len(installer)} rights")


def granted(grants: Mapping[Right, bool], role: str) -> Finding:
    """Of webhook or controller."""
    missing = [str(right) for right, allowed in grants.items() if not allowed]
    if missing:
        return failed(
            f"it may not {named(missing)}",
            f"`helm upgrade` creates ClusterRole, Role and bindings {role} again",
        )
    return ok(f"{len(grants)} rights")


def webhook(webhook_grants: Mapping[Right, bool]) -> Finding:
    """That the webhook may what it needs."""
    return granted(webhook_grants, "lastgood-webhook")


def controller(controller_grants: Mapping[Right, bool]) -> Finding:
    """That the controller may what it needs, but for snapshots."""
    return granted(controller_grants, "lastgood-controller")


def writes(write_grants: Mapping[str, Sequence[Right]]) -> Finding:
    """`write_grants`: for each labelled namespace, "" for all, the rights that are missing."""
    if not write_grants.get("", ()):
        return ok("in all namespaces")
    if len(write_grants) == 1:
        return failed(
            f"it may not {write_grants[''][0]} in any namespace",
            "`helm upgrade` creates ClusterRole lastgood-controller and its binding again",
        )
    missing = {name: rights[0] for name, rights in write_grants.items() if name and rights}
    if missing:
        name, right = min(missing.items())
        return failed(
            f"in {named(missing)} it may not write snapshots, for example {right.verb}"
            f" {right.resource} in namespace {name}",
            "Add the namespaces to controller.namespaces of the chart",
        )
    return ok("in each labelled namespace")


def reads(read_grants: Mapping[Right, bool]) -> Finding:
    """What must not be granted."""
    found = [str(right) for right, allowed in read_grants.items() if allowed]
    if found:
        return failed(
            f"it may {named(found)}",
            "Remove this permission: kubectl get clusterrolebindings,rolebindings -A -o wide"
            " | grep lastgood-controller",
        )
    return ok()

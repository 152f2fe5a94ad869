"""The kinds of objects that are served: some of Kubernetes' own, and custom ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

GroupVersion = tuple[str, str]
"""Group, "" for the core group, and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind. Two kinds with equal `stored` are two views of the same objects."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    status: bool = False
    """Whether it has a status subresource, and its status changes nowhere else."""
    custom: bool = False
    """Defined by a CustomResourceDefinition."""
    schema: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)
    """Of a custom kind: its OpenAPI v3 schema."""
    unconditional: bool = True
    """Whether a PUT may leave out the resource version."""
    fields: frozenset[str] = frozenset()
    """Field selectors beside metadata.name and metadata.namespace, such as `status.phase`."""
    stored: str = ""
    """Under what name objects are kept; "": `group/plural`."""

    @property
    def api_version(self) -> str:
        """As objects spell it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def store(self) -> str:
        """The key of the store."""
        return self.stored or f"{self.group}/{self.plural}"

    @property
    def resource(self) -> str:
        """As messages of the API server spell it: `secretpolicies.lastgood.dev`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_RBAC = ("rbac.authorization.k8s.io", "v1")
_ADMISSION = ("admissionregistration.k8s.io", "v1")


def _own(at: GroupVersion, plural: str, kind: str, **more: Any) -> Kind:  # noqa: ANN401 - fields
    return Kind(group=at[0], version=at[1], plural=plural, kind=kind, **more)


def _of_event(about: str, by: str) -> frozenset[str]:
    parts = ("kind", "namespace", "name", "uid")
    return frozenset({*(f"{about}.{part}" for part in parts), by, "reason", "type"})


_CORE = ("", "v1")
_POD_FIELDS = frozenset({"status.phase", "spec.nodeName"})
NAMESPACE = _own(_CORE, "namespaces", "Namespace", namespaced=False, short=("ns",), status=True)
POD = _own(_CORE, "pods", "Pod", short=("po",), status=True, fields=_POD_FIELDS)
SECRET = _own(_CORE, "secrets", "Secret", fields=frozenset({"type"}))
CONFIG_MAP = _own(_CORE, "configmaps", "ConfigMap", short=("cm",))
SERVICE_ACCOUNT = _own(_CORE, "serviceaccounts", "ServiceAccount", short=("sa",))
CORE_EVENT = _own(
    *(_CORE, "events", "Event"),
    short=("ev",),
    stored="events",
    fields=_of_event("involvedObject", "reportingComponent"),
)
EVENT = _own(
    *(("events.k8s.io", "v1"), "events", "Event"),
    stored="events",
    fields=_of_event("regarding", "reportingController"),
)
LEASE = _own(("coordination.k8s.io", "v1"), "leases", "Lease", unconditional=False)
ROLE = _own(_RBAC, "roles", "Role")
ROLE_BINDING = _own(_RBAC, "rolebindings", "RoleBinding")
CLUSTER_ROLE = _own(_RBAC, "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = _own(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
RBAC = (ROLE, ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
MUTATING_WEBHOOK = _own(
    _ADMISSION, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False
)
GUARD = _own(
    *(_ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy"), namespaced=False
)
"""Kept and shown. They decide nothing here."""
GUARD_BINDING = _own(
    *(_ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    namespaced=False,
)
DEPLOYMENT = _own(("apps", "v1"), "deployments", "Deployment", short=("deploy",), status=True)
"""Nothing runs them here."""
DEFINITION = _own(
    *(("apiextensions.k8s.io", "v1"), "customresourcedefinitions", "CustomResourceDefinition"),
    namespaced=False,
    short=("crd",),
)

OWN = (
    *(NAMESPACE, POD, SECRET, CONFIG_MAP, SERVICE_ACCOUNT, CORE_EVENT, EVENT, LEASE),
    *(*RBAC, MUTATING_WEBHOOK, GUARD, GUARD_BINDING, DEPLOYMENT, DEFINITION),
)


def defined(definition: Mapping[str, Any]) -> list[Kind]:
    """The kinds of a CustomResourceDefinition, one for each version that is served."""
    spec = definition["spec"]
    names = spec["names"]
    return [
        _own(
            *((spec["group"], version["name"]), names["plural"], names["kind"]),
            namespaced=spec["scope"] == "Namespaced",
            short=tuple(names.get("shortNames", ())),
            status="status" in version.get("subresources", {}),
            schema=version["schema"]["openAPIV3Schema"],
            custom=True,
            unconditional=False,
        )
        for version in spec["versions"]
        if version["served"]
    ]

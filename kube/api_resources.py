"""Where objects are. https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects. `group` is "" for the core group."""

    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """As objects spell it: `v1`, `lastgood.dev/v1alpha1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """The URL path. Without `namespace`: cluster-scoped, or those of all namespaces."""
        root = f"/apis/{self.group}" if self.group else "/api"
        parts = [root, self.version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/".join(parts)


NAMESPACES = Resource("", "v1", "namespaces")
PODS = Resource("", "v1", "pods")
SECRETS = Resource("", "v1", "secrets")
CONFIG_MAPS = Resource("", "v1", "configmaps")
EVENTS = Resource("events.k8s.io", "v1", "events")
CORE_EVENTS = Resource("", "v1", "events")
"""The same objects, as those who may view a namespace may read them."""
LEASES = Resource("coordination.k8s.io", "v1", "leases")
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles")
CLUSTER_ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings")
MUTATING_WEBHOOKS = Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations")
GUARDS = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
GUARD_BINDINGS = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews")
SELF_ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
SELF_RULES_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews")
SECRET_ACCOUNTS = Resource("lastgood.dev", "v1alpha1", "secretaccounts")
SECRET_POLICIES = Resource("lastgood.dev", "v1alpha1", "secretpolicies")
SECRET_SNAPSHOTS = Resource("lastgood.dev", "v1alpha1", "secretsnapshots")
EXTERNAL_SECRETS = Resource("external-secrets.io", "v1", "externalsecrets")
"""Of External Secrets Operator, where it is installed."""

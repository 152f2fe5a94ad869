"""What this identity may do, by a SelfSubjectAccessReview, which every identity may create.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube.resources import SELF_ACCESS_REVIEWS

if TYPE_CHECKING:
    from kube.api import Api


async def may(api: Api, verb: str, resource: str, namespace: str | None) -> bool:
    """Whether RBAC and its like allow it; `namespace` None: in all namespaces. ApiError."""
    wanted = {"resource": resource, "verb": verb}
    if namespace is not None:
        wanted["namespace"] = namespace
    review = {
        "apiVersion": SELF_ACCESS_REVIEWS.api_version,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    }
    answer = await api.create(SELF_ACCESS_REVIEWS.path(), review)
    return (answer.get("status") or {}).get("allowed") is True

"""What this identity may do, by reviews of itself, which every identity may create.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kube.api_resources import SELF_ACCESS_REVIEWS, SELF_RULES_REVIEWS
from kube.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kube.api import Api

_CORE = frozenset({"", "*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRules:
    """What is allowed in one namespace, as far as authorizers can list it."""

    rules: tuple[Mapping[str, Any], ...]
    """ResourceRules. One that names objects counts for those only."""
    whole: bool
    """False: an authorizer can't list what it allows, or failed; `may` asks for one thing."""

    def allow(self, verb: str, resource: str, *, named: bool = True) -> bool:
        """Whether a rule gives this verb on any object of a resource of the core group. `named`:
        also one that is for single objects, by their names.
        """
        return any(
            (named or not rule.get("resourceNames"))
            and not _CORE.isdisjoint(rule.get("apiGroups") or ())
            and not {resource, "*"}.isdisjoint(rule.get("resources") or ())
            and not {verb, "*"}.isdisjoint(rule.get("verbs") or ())
            for rule in self.rules
        )


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


async def rules(api: Api, namespace: str) -> ResourceRules:
    """What is allowed in a namespace, by one request; rights in all namespaces are among it.
    ApiError.
    """
    review = {
        "apiVersion": SELF_RULES_REVIEWS.api_version,
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    try:
        answer = await api.create(SELF_RULES_REVIEWS.path(), review)
    except ForbiddenError:
        return ResourceRules(rules=(), whole=False)
    status = answer.get("status") or {}
    failed = status.get("incomplete") is not False or bool(status.get("evaluationError"))
    return ResourceRules(rules=tuple(status.get("resourceRules") or ()), whole=not failed)

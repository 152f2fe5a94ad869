"""Who may do what, by the RBAC objects of the store. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apiserver import kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from apiserver.store import Store

Json = dict[str, Any]
MASTERS = "system:masters"
"""Its members may do everything."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()

    @staticmethod
    def service_account(namespace: str, name: str) -> User:
        """As a pod with this ServiceAccount is known."""
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return User(f"system:serviceaccount:{namespace}:{name}", groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is asked for."""

    verb: str
    group: str
    resource: str
    """With its subresource: `pods/status`."""
    namespace: str = ""
    name: str = ""


def allowed(store: Store, user: User, act: Act) -> bool:
    """Whether a rule allows it."""
    return any(_covers(rule, act) for rule in rules(store, user, act.namespace))


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
"""Who gives no credentials."""


def rules(store: Store, user: User, namespace: str) -> Iterator[Json]:
    """What is allowed in a namespace; "": in all, and of what is cluster-scoped."""
    if MASTERS in user.groups:
        yield {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    bindings = _all(store, kinds.CLUSTER_ROLE_BINDING)
    if namespace:
        held = _all(store, kinds.ROLE_BINDING)
        bindings = [*bindings, *(b for b in held if b["metadata"]["namespace"] == namespace)]
    for binding in bindings:
        if any(_is(subject, user) for subject in binding.get("subjects") or ()):
            yield from _rules_of(store, binding)


def _rules_of(store: Store, binding: Json) -> Iterable[Json]:
    reference = binding["roleRef"]
    of_cluster = reference["kind"] == "ClusterRole"
    kind = kinds.CLUSTER_ROLE if of_cluster else kinds.ROLE
    namespace = "" if of_cluster else binding["metadata"]["namespace"]
    role = store.get(kind.store, (namespace, reference["name"]))
    return (role or {}).get("rules") or ()


def _all(store: Store, kind: kinds.Kind) -> list[Json]:
    return [content for _, content in store.list_at(kind.store, store.version)]


def _is(subject: Json, user: User) -> bool:
    if subject["kind"] == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}"
    if subject["kind"] == "Group":
        return subject["name"] in user.groups or (
            subject["name"] == "system:authenticated" and user is not ANONYMOUS
        )
    return bool(subject["name"] == user.name)


def _covers(rule: Json, act: Act) -> bool:
    names = rule.get("resourceNames") or ()
    return (
        _has(rule.get("verbs"), act.verb)
        and _has(rule.get("apiGroups"), act.group)
        and _has(rule.get("resources"), act.resource)
        and (not names or act.name in names)
    )


def _has(listed: Iterable[str] | None, value: str) -> bool:
    found = tuple(listed or ())
    return value in found or "*" in found

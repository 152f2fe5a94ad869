"""Roles by which a namespace lets the controller get single Secrets, by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cli.api_errors import refused
from cli.exit_codes import CommandError
from kube.api_resources import CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS, ROLES
from kube.errors import AlreadyExistsError, ApiError, TemporaryError
from providers.registry import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.api_client import ApiConnection
    from kube.api_resources import Resource

Json = dict[str, Any]
CONTROLLER = "lastgood-controller"
"""The controller's service account, and the ClusterRoleBinding of its rights."""
SYSTEM = "lastgood-system"
NEVER = frozenset({"default", "kube-system"})
"""The controller does not start with a right to read Secrets there (docs/design/010)."""


class Grant(NamedTuple):
    """One Secret that the controller has to read."""

    namespace: str
    secret: str

    @property
    def possible(self) -> bool:
        """Whether the namespace may grant it."""
        return self.namespace not in NEVER


def grants(sources: Iterable[tuple[str, str, str]]) -> list[Grant]:
    """What sources need, each once. A source is its namespace, provider and reference."""
    found = {
        Grant(namespace, reference.partition("/")[2])
        for namespace, scheme, reference in sources
        if scheme in SCHEMES and SCHEMES[scheme].local is not None
    }
    return sorted(found)


def documents(grant: Grant, system: str) -> list[tuple[Resource, Json]]:
    """The Role and its RoleBinding. `system` is where lastgood is installed."""
    group = ROLES.group
    metadata = {"name": f"lastgood-get-{grant.secret}", "namespace": grant.namespace}
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [grant.secret],
        "verbs": ["get"],
    }
    subject = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": system}
    role = {"apiVersion": ROLES.api_version, "kind": "Role", "metadata": metadata, "rules": [rule]}
    binding = {
        "apiVersion": ROLES.api_version,
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": metadata["name"]},
        "subjects": [subject],
    }
    return [(ROLES, role), (ROLE_BINDINGS, binding)]


def apply(connection: ApiConnection, grant: Grant, system: str) -> str:
    """Grants one, and tells what was done."""
    changed = False
    for resource, body in documents(grant, system):
        try:
            done = _applied(connection, resource, body)
        except _AnotherRoleError:
            name = body["metadata"]["name"]
            return (
                f"not granted: the RoleBinding {name} of namespace {grant.namespace} refers to"
                " another role, which cannot be changed. Delete it and try again: kubectl delete"
                f" rolebinding {name} -n {grant.namespace}"
            )
        if done is None:
            return (
                f"you may not create {body['kind']}s in namespace {grant.namespace}. Ask its admin"
                f" to apply what lastgood presync prints without --apply"
            )
        changed |= done
    return "granted to the controller" if changed else "already granted to the controller"


class _AnotherRoleError(Exception):
    """A RoleBinding of that name binds another role. Caught by `apply`."""


def _applied(connection: ApiConnection, resource: Resource, body: Json) -> bool | None:
    """Whether it was changed; None: that is not allowed. _AnotherRoleError: nothing was changed."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    what = f"create {body['kind']}s in namespace {namespace}"
    path = resource.path(namespace, name)

    async def create() -> bool:
        try:
            await connection.api.create(resource.path(namespace), body)
        except AlreadyExistsError:
            return False
        return True

    created = connection.allowed(create(), what)
    if created is not False:
        return created
    found = connection.allowed(connection.api.get(path), f"get {body['kind']} {name}")
    if found is not None and found.get("roleRef") != body.get("roleRef"):
        raise _AnotherRoleError
    wanted: Json = {key: body[key] for key in ("rules", "subjects") if key in body}
    if found is None or all(found.get(key) == value for key, value in wanted.items()):
        return None if found is None else False
    patched = connection.allowed(connection.api.merge_patch(path, wanted), f"patch {name}")
    return None if patched is None else True


def system_of(connection: ApiConnection | None, given: str | None) -> str:
    """Where lastgood is installed: as given, as the ClusterRoleBinding of its controller says, or,
    without a cluster, as usual. Nothing of a namespace is asked: a tenant who may write there would
    choose who is granted the Secrets. CommandError: it is not known.
    """
    if given is not None or connection is None:
        return given or SYSTEM
    request = connection.api.get(CLUSTER_ROLE_BINDINGS.path(name=CONTROLLER))
    try:
        found = connection.run(request)
    except TemporaryError as error:
        what = f"get ClusterRoleBinding {CONTROLLER}"
        raise refused(error, what, connection.where) from None
    except ApiError as error:
        raise _not_known(f"cannot be read ({error.status} {error.reason})") from None
    subjects = found.get("subjects") or ()
    places = [
        str(subject.get("namespace"))
        for subject in subjects
        if (subject.get("kind"), subject.get("name")) == ("ServiceAccount", CONTROLLER)
    ]
    if len(places) != 1:
        raise _not_known(f"does not name one service account {CONTROLLER}")
    return places[0]


def _not_known(why: str) -> CommandError:
    return CommandError(
        f"the ClusterRoleBinding {CONTROLLER} {why}, so it is not known which service account to"
        " grant Secrets to. Name the namespace that lastgood is installed in, for example"
        f" --system-namespace {SYSTEM}"
    )

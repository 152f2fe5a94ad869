"""Cases: who asks, and who may do what."""

from __future__ import annotations

from tests.apiserver.table import (
    ABSENT,
    ACCOUNTS,
    LEASES,
    MAPS,
    NOBODY,
    PRESENT,
    RBAC,
    SECRETS,
    SNAPSHOTS,
    Not,
    Part,
    Some,
    Step,
    Watching,
    case,
    delete,
    get,
    merge,
    named,
    post,
    put,
    secret,
    snapshot,
)

_ROLES = f"{RBAC}/namespaces/$ns/roles"

_BINDINGS = f"{RBAC}/namespaces/$ns/rolebindings"

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

_TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}

_SUBJECT = {"kind": "ServiceAccount", "name": "worker", "namespace": "$ns"}

_GROUP = "rbac.authorization.k8s.io"

_MINE = {"who": "$token"}


def _rule(verbs: str, resources: str, group: str = "", **more: object) -> dict[str, object]:
    return {
        "apiGroups": [group],
        "resources": resources.split(),
        "verbs": verbs.split(),
        **more,
    }


def _binding(role: str, kind: str = "Role", **subject: object) -> dict[str, object]:
    reference = {"apiGroup": _GROUP, "kind": kind, "name": role}
    return named(role, roleRef=reference, subjects=[subject or _SUBJECT])


def _worker(*rules: dict[str, object]) -> tuple[Part, ...]:
    """A ServiceAccount with these rights in the case's namespace, and its `$token`."""
    return (
        post(ACCOUNTS, named("worker")),
        post(f"{ACCOUNTS}/worker/token", _TOKEN, keep={"token": "status/token"}),
        post(_ROLES, named("worker", rules=list(rules))),
        post(_BINDINGS, _binding("worker")),
    )


def _refused(step: Step) -> Step:
    return Step(
        method=step.method,
        path=step.path,
        query=step.query,
        body=step.body,
        kind=step.kind,
        who="$token",
        code=403,
        reason="Forbidden",
    )


def _review(allowed: bool, verb: str, resource: str, **more: str) -> Step:  # noqa: FBT001 - a table
    attributes = {"verb": verb, "resource": resource, "namespace": "$ns", **more}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return post(_REVIEWS, body, who="$token", has={"status/allowed": allowed})


WHO = (
    case(
        "who-is-not-known",
        get(SECRETS, who="wrong", code=401, reason="Unauthorized"),
        get("/no/such/path", who="wrong", code=401, reason="Unauthorized"),
        post(SECRETS, secret("one"), who="wrong", code=401, reason="Unauthorized"),
    ),
    case(
        "who-has-no-credentials",
        get(SECRETS, who=NOBODY, code=403, reason="Forbidden"),
        get("/version", who=NOBODY),
        get("/readyz", who=NOBODY),
    ),
    case(
        "a-token-of-a-service-account",
        post(ACCOUNTS, named("worker")),
        post(
            f"{ACCOUNTS}/worker/token",
            {**_TOKEN, "spec": {"expirationSeconds": 700}},
            has={"kind": "TokenRequest", "status/expirationTimestamp": PRESENT},
            keep={"token": "status/token"},
        ),
        get(SECRETS, code=403, reason="Forbidden", **_MINE),
        post(f"{ACCOUNTS}/none/token", _TOKEN, code=404, reason="NotFound"),
        post(
            f"{ACCOUNTS}/worker/token",
            {**_TOKEN, "spec": {"expirationSeconds": 1}},
            code=422,
            reason="Invalid",
        ),
        post(
            f"{ACCOUNTS}/worker/token", {**_TOKEN, "spec": {"expirationSeconds": 1 << 33}}, code=422
        ),
        post(f"{ACCOUNTS}/worker/token", {**_TOKEN, "spec": {"expirationSeconds": "x"}}, code=400),
        get(f"{ACCOUNTS}/worker/token", code=405, reason="MethodNotAllowed"),
    ),
)

RIGHTS = (
    case(
        "verbs",
        *_worker(_rule("get create", "secrets")),
        post(SECRETS, secret("one"), at_last=True, **_MINE),
        get(f"{SECRETS}/one", **_MINE),
        get(f"{SECRETS}/two", code=404, **_MINE),
        _refused(get(SECRETS)),
        _refused(get(SECRETS, query={"watch": "true"})),
        _refused(put(f"{SECRETS}/one", secret("one"))),
        _refused(merge(f"{SECRETS}/one", {})),
        _refused(delete(f"{SECRETS}/one")),
        _refused(delete(SECRETS)),
        _refused(
            Step(
                method="PATCH",
                path=f"{SECRETS}/one",
                body={},
                kind="application/strategic-merge-patch+json",
            )
        ),
    ),
    case(
        "resources-and-namespaces",
        *_worker(_rule("list watch", "secrets")),
        get(SECRETS, at_last=True, **_MINE),
        _refused(get(MAPS)),
        _refused(get("/api/v1/secrets")),
        _refused(get("/api/v1/namespaces/default/secrets")),
        _refused(get(SNAPSHOTS)),
        _refused(get("/apis/none.example/v1/namespaces/$ns/secrets")),
        _refused(get("/api/v1/nothings")),
    ),
    case(
        "subresources",
        *_worker(
            _rule("get", "secretsnapshots", "lastgood.dev"),
            _rule("patch", "secretsnapshots/status", "lastgood.dev"),
        ),
        post(SNAPSHOTS, snapshot("one")),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "x"}}, at_last=True, **_MINE),
        get(f"{SNAPSHOTS}/one", **_MINE),
        _refused(get(f"{SNAPSHOTS}/one/status")),
        _refused(merge(f"{SNAPSHOTS}/one", {"spec": {"pin": "a"}})),
        _refused(put(f"{SNAPSHOTS}/one/status", snapshot("one"))),
        _refused(post(f"{ACCOUNTS}/worker/token", _TOKEN)),
    ),
    case(
        "names",
        *_worker(
            _rule(
                "get update list watch create",
                "leases",
                "coordination.k8s.io",
                resourceNames=["one"],
            )
        ),
        post(LEASES, named("one")),
        post(LEASES, named("two")),
        get(f"{LEASES}/one", at_last=True, keep={"version": "metadata/resourceVersion"}, **_MINE),
        _refused(get(f"{LEASES}/two")),
        _refused(put(f"{LEASES}/two", named("two"))),
        _refused(get(LEASES)),
        _refused(post(LEASES, named("one"))),
        get(LEASES, query={"fieldSelector": "metadata.name=one"}, **_MINE),
        _refused(get(LEASES, query={"fieldSelector": "metadata.name=two"})),
        Watching(path=LEASES, query={"resourceVersion": "$version"}),
    ),
    case(
        "stars",
        *_worker(_rule("*", "*", "*")),
        post(SECRETS, secret("one"), at_last=True, **_MINE),
        delete(f"{SECRETS}/one", **_MINE),
        post(SNAPSHOTS, snapshot("one"), **_MINE),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "x"}}, **_MINE),
        _refused(get("/api/v1/secrets")),
    ),
    case(
        "cluster-roles",
        *_worker(),
        post(f"{RBAC}/clusterroles", named("$id", rules=[_rule("list", "configmaps")])),
        post(_BINDINGS, _binding("$id", "ClusterRole")),
        get(MAPS, at_last=True, **_MINE),
        _refused(get("/api/v1/configmaps")),
        post(f"{RBAC}/clusterrolebindings", _binding("$id", "ClusterRole")),
        get("/api/v1/configmaps", query={"limit": "1"}, at_last=True, **_MINE),
        _refused(get("/api/v1/secrets")),
    ),
    case(
        "groups-of-service-accounts",
        post(ACCOUNTS, named("worker")),
        post(f"{ACCOUNTS}/worker/token", _TOKEN, keep={"token": "status/token"}),
        post(_ROLES, named("all", rules=[_rule("list", "configmaps")])),
        post(
            _BINDINGS,
            named(
                "all",
                roleRef={"apiGroup": _GROUP, "kind": "Role", "name": "all"},
                subjects=[
                    {"kind": "Group", "name": "system:serviceaccounts:$ns", "apiGroup": _GROUP}
                ],
            ),
        ),
        get(MAPS, at_last=True, **_MINE),
        _refused(get(SECRETS)),
    ),
    case(
        "rights-end-with-their-binding",
        *_worker(_rule("list", "configmaps")),
        get(MAPS, at_last=True, **_MINE),
        delete(f"{_BINDINGS}/worker"),
        get(MAPS, at_last=True, code=403, **_MINE),
    ),
    case(
        "self-subject-access-reviews",
        *_worker(
            _rule("get", "secrets"),
            _rule("patch", "secretsnapshots/status", "lastgood.dev"),
            _rule("update", "leases", "coordination.k8s.io", resourceNames=["one"]),
        ),
        get(f"{SECRETS}/one", at_last=True, code=404, **_MINE),
        _review(True, "get", "secrets"),
        _review(False, "list", "secrets"),
        _review(False, "get", "secrets", namespace="default"),
        _review(False, "get", "secrets", namespace=""),
        _review(False, "get", "secrets", group="lastgood.dev"),
        _review(True, "patch", "secretsnapshots", group="lastgood.dev", subresource="status"),
        _review(False, "patch", "secretsnapshots", group="lastgood.dev"),
        _review(True, "update", "leases", group="coordination.k8s.io", name="one"),
        _review(False, "update", "leases", group="coordination.k8s.io", name="two"),
        _review(False, "update", "leases", group="coordination.k8s.io"),
    ),
)

_LISTS = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"

REVIEWS = (
    case(
        "self-subject-rules-reviews",
        *_worker(_rule("get", "secrets"), _rule("update", "leases", "coordination.k8s.io")),
        get(f"{SECRETS}/one", at_last=True, code=404, **_MINE),
        post(
            _LISTS,
            {"spec": {"namespace": "$ns"}},
            has={
                "status/incomplete": False,
                "status/evaluationError": ABSENT,
                "status/resourceRules": Some(
                    {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
                ),
            },
            **_MINE,
        ),
        post(
            _LISTS,
            {"spec": {"namespace": "default"}},
            has={
                "status/resourceRules": Not(
                    Some({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]})
                )
            },
            **_MINE,
        ),
        post(_LISTS, {"spec": {}}, code=400, reason="BadRequest", **_MINE),
        post(_LISTS, {"spec": {"namespace": "$ns"}}, code=403, who=NOBODY),
        get(_LISTS, code=405, reason="MethodNotAllowed"),
    ),
)

CASES = (*WHO, *RIGHTS, *REVIEWS)

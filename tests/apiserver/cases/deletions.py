"""Cases: what is deleted, and when it is gone."""

from __future__ import annotations

from tests.apiserver.table import (
    ABSENT,
    NS,
    PODS,
    POLICIES,
    PRESENT,
    SECRETS,
    SNAPSHOTS,
    Not,
    case,
    delete,
    dry,
    get,
    merge,
    named,
    operations,
    pod,
    post,
    put,
    secret,
    snapshot,
)

_KEPT = {"version": "metadata/resourceVersion", "uid": "metadata/uid"}

DELETIONS = (
    case(
        "delete",
        post(SECRETS, secret("one")),
        delete(f"{SECRETS}/one", has={"kind": "Status", "status": "Success"}),
        get(f"{SECRETS}/one", code=404),
        delete(f"{SECRETS}/one", code=404, reason="NotFound"),
        post(SNAPSHOTS, snapshot("one")),
        delete(f"{SNAPSHOTS}/one", {"propagationPolicy": "Background"}, has={"status": "Success"}),
        get(f"{SNAPSHOTS}/one", code=404),
    ),
    case(
        "delete-with-preconditions",
        post(SECRETS, secret("one"), keep=_KEPT),
        delete(
            f"{SECRETS}/one",
            {"preconditions": {"uid": "d9607e19-f88f-11e6-a518-42010a800195"}},
            code=409,
            reason="Conflict",
        ),
        delete(
            f"{SECRETS}/one",
            {"preconditions": {"uid": "$uid", "resourceVersion": "1"}},
            code=409,
            reason="Conflict",
        ),
        delete(
            f"{SECRETS}/one",
            {
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "preconditions": {"uid": "$uid", "resourceVersion": "$version"},
            },
        ),
        delete(f"{SECRETS}/one", {"preconditions": {"uid": "$uid"}}, code=404, reason="NotFound"),
    ),
    case(
        "delete-with-options-that-are-none",
        post(SECRETS, secret("one"), keep=_KEPT),
        delete(f"{SECRETS}/one", {"propagationPolicy": "Other"}, code=422, reason="Invalid"),
        delete(f"{SECRETS}/one", [], code=500),
        get(f"{SECRETS}/one"),
        delete(f"{SECRETS}/one", {"dryRun": ["All"], "preconditions": {"uid": None}}),
        delete(f"{SECRETS}/one", {"preconditions": {"uid": "", "resourceVersion": "1"}}, code=409),
        delete(f"{SECRETS}/one", {"preconditions": {"resourceVersion": "$version", "other": "x"}}),
        get(f"{SECRETS}/one", code=404),
    ),
    case(
        "a-dry-delete-says-what-a-finalizer-keeps",
        post(SECRETS, {**secret("one"), "metadata": {"name": "one", "finalizers": ["a.b/c"]}}),
        dry(delete(f"{SECRETS}/one", has={"metadata/deletionTimestamp": PRESENT})),
        get(f"{SECRETS}/one", has={"metadata/deletionTimestamp": ABSENT}),
        merge(f"{SECRETS}/one", {"metadata": {"finalizers": None}}),
    ),
    case(
        "dry-delete",
        post(SECRETS, secret("one")),
        delete(f"{SECRETS}/one", {"dryRun": ["All"]}),
        get(f"{SECRETS}/one"),
        dry(delete(f"{SECRETS}/one")),
        get(f"{SECRETS}/one"),
        delete(f"{SECRETS}/one", {"dryRun": ["Some"]}, code=422, reason="Invalid"),
        dry(delete(f"{SECRETS}/one", {"kind": "DeleteOptions", "apiVersion": "v1"})),
        get(f"{SECRETS}/one", code=404),
    ),
    case(
        "a-finalizer-keeps-an-object",
        post(
            SECRETS,
            {**secret("one"), "metadata": {"name": "one", "finalizers": ["a.b/c"]}},
            keep=_KEPT,
        ),
        delete(f"{SECRETS}/one"),
        get(
            f"{SECRETS}/one",
            has={
                "metadata/deletionTimestamp": PRESENT,
                "metadata/deletionGracePeriodSeconds": 0,
                "metadata/resourceVersion": Not("$version"),
            },
            keep=_KEPT,
        ),
        delete(f"{SECRETS}/one"),
        get(f"{SECRETS}/one", has={"metadata/resourceVersion": "$version"}),
        merge(f"{SECRETS}/one", {"data": {"a": "dHdv"}}, has={"data/a": "dHdv"}),
        post(SECRETS, secret("one"), code=409, reason="AlreadyExists"),
        merge(f"{SECRETS}/one", {"metadata": {"finalizers": ["a.b/c", "a.b/d"]}}, code=422),
        merge(f"{SECRETS}/one", {"metadata": {"finalizers": None}}),
        get(f"{SECRETS}/one", code=404),
        post(SECRETS, secret("one"), has={"metadata/uid": Not("$uid")}),
    ),
    case(
        "a-finalizer-keeps-a-custom-object",
        post(SNAPSHOTS, {**snapshot("one"), "metadata": {"name": "one", "finalizers": ["a.b/c"]}}),
        delete(f"{SNAPSHOTS}/one", has={"metadata/deletionTimestamp": PRESENT}),
        get(f"{SNAPSHOTS}/one", has={"metadata/generation": 2}),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "x"}}),
        operations(f"{SNAPSHOTS}/one", {"op": "remove", "path": "/metadata/finalizers"}),
        get(f"{SNAPSHOTS}/one", code=404),
    ),
    case(
        "a-pod-without-a-node-is-gone-at-once",
        post(PODS, pod("one"), at_last=True),
        delete(f"{PODS}/one"),
        get(f"{PODS}/one", code=404),
    ),
    case(
        "a-pod-with-a-node-waits-for-its-kubelet",
        post(PODS, pod("one", nodeName="$id"), at_last=True, keep=_KEPT),
        delete(
            f"{PODS}/one",
            {"gracePeriodSeconds": 77, "preconditions": {"uid": "$uid"}},
            has={"metadata/deletionGracePeriodSeconds": 77},
        ),
        get(f"{PODS}/one", has={"metadata/deletionTimestamp": PRESENT}),
        delete(f"{PODS}/one", {"gracePeriodSeconds": 0}),
        get(f"{PODS}/one", code=404),
    ),
    case(
        "deletions-of-cluster-scoped-objects",
        post(
            POLICIES,
            {
                "apiVersion": "lastgood.dev/v1alpha1",
                "kind": "SecretPolicy",
                "metadata": {"name": "$id"},
                "spec": {
                    "namespaces": ["a"],
                    "sources": [
                        {"account": "prod", "allow": ["aws-sm:/prod/**"], "class": "steady"}
                    ],
                    "classes": {
                        "steady": {
                            "refreshInterval": "15m",
                            "freshnessBudget": "1h",
                            "maxAge": "24h",
                        }
                    },
                },
            },
            has={"metadata/namespace": ABSENT},
        ),
        delete(f"{POLICIES}/$id"),
        get(f"{POLICIES}/$id", code=404, reason="NotFound"),
    ),
)

DELETED_NAMESPACES = (
    case(
        "a-namespace-takes-its-objects-along",
        post("/api/v1/namespaces", named("$id")),
        post("/api/v1/namespaces/$id/secrets", secret("one")),
        post(f"{SNAPSHOTS.replace('$ns', '$id')}", snapshot("one")),
        delete("/api/v1/namespaces/$id"),
        get("/api/v1/namespaces/$id", code=404, reason="NotFound", at_last=True),
        get("/api/v1/namespaces/$id/secrets", has={"items": []}),
        get(f"{SNAPSHOTS.replace('$ns', '$id')}", has={"items": []}),
        post("/api/v1/namespaces/$id/secrets", secret("two"), code=404, reason="NotFound"),
    ),
    case(
        "a-namespace-has-its-name-as-a-label",
        get(
            NS,
            has={
                "metadata/labels/kubernetes.io~1metadata.name": "$ns",
                "status/phase": "Active",
                "spec/finalizers": ["kubernetes"],
            },
            keep={"version": "metadata/resourceVersion"},
        ),
        put(NS, named("$ns", spec={"finalizers": []}), has={"spec/finalizers": ["kubernetes"]}),
    ),
)

CASES = (*DELETIONS, *DELETED_NAMESPACES)

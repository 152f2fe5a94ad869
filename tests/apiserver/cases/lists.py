"""Cases: get, list, pages, and selectors."""

from __future__ import annotations

import base64
import json

from tests.apiserver.table import (
    ABSENT,
    LEASES,
    MAPS,
    PODS,
    POLICIES,
    PRESENT,
    SECRETS,
    SNAPSHOTS,
    Forgotten,
    case,
    delete,
    get,
    merge,
    named,
    pod,
    post,
    secret,
    snapshot,
)

_OURS = {"labelSelector": "a"}

_OLD = (
    base64.urlsafe_b64encode(
        json.dumps({"v": "meta.k8s.io/v1", "rv": 1, "start": "b\u0000"}).encode()
    )
    .decode()
    .rstrip("=")
)
"""A page token of the first version that there was."""


def _labelled(name: str, value: str = "1", **more: object) -> dict[str, object]:
    return {**secret(name), **more, "metadata": {"name": name, "labels": {"a": value}}}


LISTS = (
    case(
        "get-has-kind-and-names",
        post(SECRETS, secret("one"), keep={"uid": "metadata/uid"}),
        get(
            f"{SECRETS}/one",
            has={
                "kind": "Secret",
                "apiVersion": "v1",
                "metadata/name": "one",
                "metadata/namespace": "$ns",
                "metadata/uid": "$uid",
                "metadata/creationTimestamp": PRESENT,
                "data/a": "b25l",
                "type": "Opaque",
            },
        ),
        get(f"{SECRETS}/two", code=404, reason="NotFound"),
    ),
    case(
        "list-is-sorted-and-has-a-version",
        *(post(SECRETS, _labelled(name)) for name in ("c", "a", "b")),
        get(
            SECRETS,
            query=_OURS,
            has={
                "kind": "SecretList",
                "apiVersion": "v1",
                "metadata/resourceVersion": PRESENT,
                "metadata/continue": ABSENT,
                "items/*/metadata/name": ["a", "b", "c"],
            },
        ),
    ),
    case(
        "list-of-all-namespaces",
        post(SECRETS, _labelled("only", "$ns")),
        get(
            "/api/v1/secrets",
            query={"labelSelector": "a=$ns"},
            has={"items/*/metadata/namespace": ["$ns"]},
        ),
    ),
    case(
        "list-of-a-missing-namespace-is-empty",
        get("/api/v1/namespaces/$id-none/secrets", has={"items": []}),
    ),
    case(
        "list-has-no-kinds-of-items",
        post(SECRETS, _labelled("one")),
        post(SNAPSHOTS, snapshot("one")),
        get(SECRETS, query=_OURS, has={"items/0/kind": ABSENT, "items/0/apiVersion": ABSENT}),
        get(SNAPSHOTS, has={"items/*/kind": ["SecretSnapshot"], "kind": "SecretSnapshotList"}),
    ),
    case(
        "pages-are-as-of-the-first",
        *(post(SECRETS, secret(name)) for name in ("a", "b", "c", "d")),
        get(
            SECRETS,
            query={"limit": "2"},
            has={"items/*/metadata/name": ["a", "b"], "metadata/remainingItemCount": 2},
            keep={"token": "metadata/continue", "version": "metadata/resourceVersion"},
        ),
        post(SECRETS, secret("bb")),
        delete(f"{SECRETS}/c"),
        merge(f"{SECRETS}/d", {"data": {"a": "dHdv"}}),
        get(
            SECRETS,
            query={"limit": "2", "continue": "$token"},
            has={
                "items/*/metadata/name": ["c", "d"],
                "items/1/data/a": "b25l",
                "metadata/resourceVersion": "$version",
                "metadata/continue": ABSENT,
                "metadata/remainingItemCount": ABSENT,
            },
        ),
        get(SECRETS, has={"items/*/metadata/name": ["a", "b", "bb", "d"]}),
    ),
    case(
        "a-page-without-limit-is-the-rest",
        *(post(SECRETS, secret(name)) for name in ("a", "b", "c")),
        get(SECRETS, query={"limit": "1"}, keep={"token": "metadata/continue"}),
        get(SECRETS, query={"continue": "$token"}, has={"items/*/metadata/name": ["b", "c"]}),
    ),
    case(
        "pages-of-a-selection-count-what-is-selected",
        *(
            post(SECRETS, _labelled(name, value))
            for name, value in zip("abcd", "1212", strict=True)
        ),
        get(
            SECRETS,
            query={"limit": "1", "labelSelector": "a=1"},
            has={"items/*/metadata/name": ["a"], "metadata/remainingItemCount": ABSENT},
            keep={"token": "metadata/continue"},
        ),
        get(
            SECRETS,
            query={"limit": "5", "labelSelector": "a=1", "continue": "$token"},
            has={"items/*/metadata/name": ["c"], "metadata/continue": ABSENT},
        ),
    ),
    case(
        "a-token-that-is-too-old-is-gone",
        Forgotten(),
        get(SECRETS, query={"limit": "1", "continue": _OLD}, code=410, reason="Expired"),
    ),
    case(
        "a-token-that-is-none",
        get(SECRETS, query={"limit": "1", "continue": "x"}, code=400, reason="BadRequest"),
    ),
    case("a-limit-that-is-none", get(SECRETS, query={"limit": "x"}, code=400, reason="BadRequest")),
    case(
        "list-as-of-a-version",
        post(SECRETS, secret("one"), keep={"version": "metadata/resourceVersion"}),
        post(SECRETS, secret("two")),
        get(
            SECRETS,
            query={"resourceVersion": "$version", "resourceVersionMatch": "Exact"},
            has={"items/*/metadata/name": ["one"], "metadata/resourceVersion": "$version"},
        ),
        get(
            SECRETS,
            query={"resourceVersion": "$version"},
            has={"items/*/metadata/name": ["one", "two"]},
            at_last=True,
        ),
        get(
            SECRETS,
            query={"resourceVersion": "0"},
            has={"items/*/metadata/name": ["one", "two"]},
            at_last=True,
        ),
    ),
    case(
        "list-as-of-an-old-version-is-gone",
        Forgotten(),
        get(
            SECRETS,
            query={"resourceVersion": "1", "resourceVersionMatch": "Exact"},
            code=410,
            reason="Expired",
        ),
    ),
    case(
        "a-match-without-a-version",
        get(SECRETS, query={"resourceVersionMatch": "Exact"}, code=422, reason="Invalid"),
    ),
    case(
        "matches-that-are-none",
        *(
            get(SECRETS, query=query, code=422, reason="Invalid")
            for query in (
                {"resourceVersionMatch": "NotOlderThan"},
                {"resourceVersionMatch": "Other", "resourceVersion": "1"},
                {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
                {"resourceVersionMatch": "Exact", "watch": "true", "resourceVersion": "1"},
            )
        ),
        *(post(SECRETS, secret(name), keep={"one": "metadata/resourceVersion"}) for name in "ab"),
        get(SECRETS, query={"limit": "1"}, keep={"token": "metadata/continue"}),
        get(SECRETS, query={"continue": "$token", "resourceVersion": "$one"}, code=400),
        get(
            SECRETS,
            query={
                "continue": "$token",
                "resourceVersion": "$one",
                "resourceVersionMatch": "Exact",
            },
            code=422,
        ),
    ),
    case(
        "a-version-that-is-none",
        get(
            SECRETS,
            query={"resourceVersion": "x", "resourceVersionMatch": "Exact"},
            code=400,
            reason="BadRequest",
        ),
    ),
)

SELECTORS = (
    case(
        "label-selectors",
        post(SECRETS, {"metadata": {"name": "one", "labels": {"a": "1", "b": "x"}}}),
        post(SECRETS, {"metadata": {"name": "two", "labels": {"a": "2"}}}),
        post(SECRETS, {"metadata": {"name": "none"}}),
        *(
            get(SECRETS, query={"labelSelector": text}, has={"items/*/metadata/name": names})
            for text, names in (
                ("a=1", ["one"]),
                ("a==1", ["one"]),
                ("a!=1", ["none", "two"]),
                ("a", ["one", "two"]),
                ("!a", ["none"]),
                ("a in (1, 2)", ["one", "two"]),
                ("a in (1,3)", ["one"]),
                ("a notin (1)", ["none", "two"]),
                ("a,b=x", ["one"]),
                ("a in (1,2),!b", ["two"]),
            )
        ),
        get(SECRETS, query={"labelSelector": "a in(1)"}, has={"items/*/metadata/name": ["one"]}),
        *(
            get(SECRETS, query={"labelSelector": text}, code=400, reason="BadRequest")
            for text in (
                *("a in 1", "a in (1", "a=1,", ",", "a,,b", "a=b=c", "a=-", "-", "a=x y"),
                *("é", "a=!1", "a=" + "x" * 64),
            )
        ),
    ),
    case(
        "secrets-by-type",
        post(SECRETS, secret("one")),
        post(SECRETS, secret("two", type="lastgood.dev/snapshot")),
        get(
            SECRETS,
            query={"fieldSelector": "type=lastgood.dev/snapshot"},
            has={"items/*/metadata/name": ["two"]},
        ),
        get(
            SECRETS,
            query={"fieldSelector": "type!=lastgood.dev/snapshot"},
            has={"items/*/metadata/name": ["one"]},
        ),
    ),
    case(
        "by-name",
        post(LEASES, named("one")),
        post(LEASES, named("two")),
        get(
            LEASES,
            query={"fieldSelector": "metadata.name=two"},
            has={"items/*/metadata/name": ["two"], "kind": "LeaseList"},
        ),
        post(SNAPSHOTS, snapshot("one")),
        get(
            SNAPSHOTS,
            query={"fieldSelector": "metadata.name=one,metadata.namespace=$ns"},
            has={"items/*/metadata/name": ["one"]},
        ),
    ),
    case(
        "pods-by-phase-and-node",
        post(PODS, pod("one"), at_last=True),
        post(PODS, pod("two", nodeName="$id"), at_last=True),
        get(
            PODS,
            query={"fieldSelector": "status.phase!=Failed,status.phase!=Succeeded"},
            has={"items/*/metadata/name": ["one", "two"]},
        ),
        get(
            PODS,
            query={"fieldSelector": "status.phase=Running"},
            has={"items/*/metadata/name": []},
        ),
        get(
            PODS,
            query={"fieldSelector": "spec.nodeName=$id"},
            has={"items/*/metadata/name": ["two"]},
        ),
        get(
            PODS, query={"fieldSelector": "spec.nodeName="}, has={"items/*/metadata/name": ["one"]}
        ),
        delete(f"{PODS}/two", {"gracePeriodSeconds": 0}),
    ),
    case(
        "fields-that-no-selector-knows",
        get(SECRETS, query={"fieldSelector": "data=x"}, code=400, reason="BadRequest"),
        get(PODS, query={"fieldSelector": "spec.hostname=x"}, code=400, reason="BadRequest"),
        get(SNAPSHOTS, query={"fieldSelector": "spec.pin=x"}, code=400, reason="BadRequest"),
        get(MAPS, query={"fieldSelector": "metadata.name"}, code=400, reason="BadRequest"),
        get(SECRETS, query={"fieldSelector": "type=a=b"}, code=400, reason="BadRequest"),
        get(POLICIES, query={"fieldSelector": "metadata.namespace=a"}, code=400),
    ),
)

CASES = (*LISTS, *SELECTORS)

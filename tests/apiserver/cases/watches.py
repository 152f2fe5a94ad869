"""Cases: watches."""

from __future__ import annotations

from tests.apiserver.table import (
    ABSENT,
    LEASES,
    MAPS,
    PODS,
    PRESENT,
    SECRETS,
    SNAPSHOTS,
    Forgotten,
    Not,
    Told,
    Watching,
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


def _labelled(name: str, value: str = "1", **more: object) -> dict[str, object]:
    return {**secret(name), **more, "metadata": {"name": name, "labels": {"a": value}}}


_VERSION = {"resourceVersion": "$version"}

CASES = (
    case(
        "watch-continues-from-a-version",
        get(SECRETS, keep={"version": "metadata/resourceVersion"}),
        post(SECRETS, secret("one")),
        merge(f"{SECRETS}/one", {"data": {"a": "dHdv"}}),
        delete(f"{SECRETS}/one"),
        post(SECRETS, secret("last")),
        Watching(path=SECRETS, query=_VERSION),
        Told(
            events=(("ADDED", "one"), ("MODIFIED", "one")),
            has={
                "object/data/a": "dHdv",
                "object/kind": "Secret",
                "object/apiVersion": "v1",
            },
            keep={"seen": "object/metadata/resourceVersion"},
        ),
        Told(
            events=(("DELETED", "one"),),
            has={"object/metadata/resourceVersion": Not("$seen"), "object/data/a": "dHdv"},
        ),
        Told(events=(("ADDED", "last"),)),
        Watching(path=SECRETS, query={"resourceVersion": "$seen"}, name="later"),
        Told(events=(("DELETED", "one"), ("ADDED", "last")), name="later"),
    ),
    case(
        "watch-is-told-while-it-is-open",
        get(SECRETS, keep=dict(_OPENED := {"version": "metadata/resourceVersion"})),
        Watching(path=SECRETS, query=_VERSION),
        post(SECRETS, secret("one")),
        Told(events=(("ADDED", "one"),)),
        merge(f"{SECRETS}/one", {"data": {"a": "dHdv"}}),
        Told(events=(("MODIFIED", "one"),)),
        delete(f"{SECRETS}/one"),
        Told(events=(("DELETED", "one"),)),
    ),
    case(
        "watch-without-a-version-begins-with-what-is-there",
        post(SECRETS, secret("one")),
        post(SECRETS, secret("two")),
        Watching(path=SECRETS, query={"fieldSelector": "metadata.namespace=$ns"}),
        Told(events=(("ADDED", "one"), ("ADDED", "two"))),
        post(SECRETS, secret("three")),
        Told(events=(("ADDED", "three"),)),
        Watching(path=SECRETS, query={"resourceVersion": "0"}, name="any"),
        post(SECRETS, secret("four")),
        Told(events=tuple(("ADDED", name) for name in ("one", "three", "two", "four")), name="any"),
    ),
    case(
        "watch-of-other-kinds-and-namespaces-is-not-told",
        get(SECRETS, keep={"version": "metadata/resourceVersion"}),
        Watching(path=SECRETS, query=_VERSION),
        post(MAPS, named("one")),
        post("/api/v1/namespaces/default/secrets", secret("$id")),
        delete("/api/v1/namespaces/default/secrets/$id"),
        post(SECRETS, secret("last")),
        Told(events=(("ADDED", "last"),)),
    ),
    case(
        "watch-of-all-namespaces",
        get("/api/v1/secrets", query={"limit": "1"}, keep={"version": "metadata/resourceVersion"}),
        Watching(
            path="/api/v1/secrets", query={**_VERSION, "fieldSelector": "metadata.namespace=$ns"}
        ),
        post(SECRETS, secret("one")),
        Told(events=(("ADDED", "one"),), has={"object/metadata/namespace": "$ns"}),
    ),
    case(
        "watch-of-one-object-by-its-name",
        get(LEASES, keep={"version": "metadata/resourceVersion"}),
        Watching(path=LEASES, query={**_VERSION, "fieldSelector": "metadata.name=mine"}),
        post(LEASES, named("other")),
        post(LEASES, named("mine", spec={"holderIdentity": "a"})),
        merge(f"{LEASES}/other", {"spec": {"holderIdentity": "b"}}),
        merge(f"{LEASES}/mine", {"spec": {"holderIdentity": "b"}}),
        Told(
            events=(("ADDED", "mine"), ("MODIFIED", "mine")),
            has={"object/spec/holderIdentity": "b"},
        ),
    ),
    case(
        "an-object-enters-and-leaves-a-label-selector",
        get(SECRETS, keep={"version": "metadata/resourceVersion"}),
        Watching(path=SECRETS, query={**_VERSION, "labelSelector": "a=1"}),
        post(SECRETS, _labelled("one", "2")),
        merge(f"{SECRETS}/one", {"metadata": {"labels": {"a": "1"}}}),
        Told(events=(("ADDED", "one"),)),
        merge(f"{SECRETS}/one", {"data": {"a": "dHdv"}}),
        Told(events=(("MODIFIED", "one"),)),
        merge(
            f"{SECRETS}/one",
            {"metadata": {"labels": {"a": "3"}}},
            keep={"left": "metadata/resourceVersion"},
        ),
        Told(
            events=(("DELETED", "one"),),
            has={
                "object/metadata/labels/a": "1",
                "object/metadata/resourceVersion": "$left",
            },
        ),
        delete(f"{SECRETS}/one"),
        post(SECRETS, _labelled("last")),
        Told(events=(("ADDED", "last"),)),
    ),
    case(
        "a-pod-leaves-a-field-selector",
        get(PODS, keep={"version": "metadata/resourceVersion"}),
        Watching(
            path=PODS,
            query={**_VERSION, "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"},
        ),
        post(PODS, pod("one"), at_last=True),
        Told(events=(("ADDED", "one"),)),
        merge(f"{PODS}/one/status", {"status": {"phase": "Failed"}}),
        Told(events=(("DELETED", "one"),)),
        delete(f"{PODS}/one", {"gracePeriodSeconds": 0}),
        post(PODS, pod("last")),
        Told(events=(("ADDED", "last"),)),
    ),
    case(
        "watch-of-custom-objects",
        get(SNAPSHOTS, keep={"version": "metadata/resourceVersion"}),
        Watching(path=SNAPSHOTS, query=_VERSION),
        post(SNAPSHOTS, snapshot("one")),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "x"}}),
        delete(f"{SNAPSHOTS}/one"),
        Told(
            events=(("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")),
            has={"object/kind": "SecretSnapshot", "object/status/reason": "x"},
        ),
    ),
    case(
        "watch-of-what-a-finalizer-keeps",
        get(SECRETS, keep={"version": "metadata/resourceVersion"}),
        Watching(path=SECRETS, query=_VERSION),
        post(SECRETS, {"metadata": {"name": "one", "finalizers": ["a.b/c"]}}),
        delete(f"{SECRETS}/one"),
        merge(f"{SECRETS}/one", {"metadata": {"finalizers": None}}),
        Told(
            events=(("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")),
            has={"object/metadata/deletionTimestamp": PRESENT},
        ),
    ),
    case(
        "watch-ends-when-its-time-is-over",
        get(SECRETS, keep={"version": "metadata/resourceVersion"}),
        Watching(path=SECRETS, query={**_VERSION, "timeoutSeconds": "1"}),
        Told(events=(), end=True),
    ),
    case(
        "a-bookmark-says-how-far-a-watch-is",
        get(SECRETS, keep={"version": "metadata/resourceVersion"}),
        Watching(
            path=SECRETS,
            query={**_VERSION, "allowWatchBookmarks": "true", "timeoutSeconds": "4"},
        ),
        post(SECRETS, secret("one"), keep={"made": "metadata/resourceVersion"}),
        Told(events=(("ADDED", "one"),)),
        Told(
            events=(("BOOKMARK", ""),),
            has={
                "object/kind": "Secret",
                "object/apiVersion": "v1",
                "object/metadata/resourceVersion": PRESENT,
                "object/type": ABSENT,
            },
            keep={"mark": "object/metadata/resourceVersion"},
        ),
        post(SECRETS, secret("two")),
        Watching(path=SECRETS, query={"resourceVersion": "$mark"}, name="later"),
        Told(events=(("ADDED", "two"),), name="later"),
    ),
    case(
        "watch-from-a-forgotten-version-is-gone",
        post(SNAPSHOTS, snapshot("one")),
        Forgotten(),
        Watching(path=SNAPSHOTS, query={"resourceVersion": "1"}),
        Told(
            events=(("ERROR", ""),),
            has={
                "object/kind": "Status",
                "object/code": 410,
                "object/reason": "Expired",
            },
            end=True,
        ),
    ),
    case(
        "watch-with-a-time-that-is-none",
        get(SECRETS, query={"watch": "true", "timeoutSeconds": "x"}, code=400, reason="BadRequest"),
    ),
    case(
        "watch-of-a-field-that-no-selector-knows",
        get(SECRETS, query={"watch": "true", "fieldSelector": "data=x"}, code=400),
    ),
)

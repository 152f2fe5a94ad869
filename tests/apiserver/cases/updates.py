"""Cases: PUT, and the status subresource."""

from __future__ import annotations

from tests.apiserver.table import (
    ABSENT,
    LEASES,
    MAPS,
    NS,
    PODS,
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


def _put(name: str, version: str | None = None, **more: object) -> dict[str, object]:
    metadata = {"name": name} if version is None else {"name": name, "resourceVersion": version}
    return {**secret(name), **more, "metadata": metadata}


UPDATES = (
    case(
        "put-with-the-version-that-was-read",
        post(SECRETS, secret("one"), keep=_KEPT),
        put(
            f"{SECRETS}/one",
            _put("one", "$version", data={"a": "dHdv"}),
            has={
                "data/a": "dHdv",
                "metadata/resourceVersion": Not("$version"),
                "metadata/uid": "$uid",
                "metadata/creationTimestamp": PRESENT,
            },
        ),
        put(f"{SECRETS}/one", _put("one", "$version"), code=409, reason="Conflict"),
        dry(put(f"{SECRETS}/one", _put("one", "$version"), code=409, reason="Conflict")),
        put(f"{SECRETS}/two", _put("two"), code=404, reason="NotFound"),
        put(f"{SECRETS}/two", _put("two", "$version"), code=404, reason="NotFound"),
        put(f"{SECRETS}/one", _put("two"), code=400, reason="BadRequest"),
    ),
    case(
        "put-without-a-version",
        post(SECRETS, secret("one"), keep=_KEPT),
        put(f"{SECRETS}/one", secret("one", value="dHdv"), has={"data/a": "dHdv"}),
        post(MAPS, named("one", data={"a": "x"})),
        put(f"{MAPS}/one", named("one", data={"b": "x"}), has={"data/a": ABSENT, "data/b": "x"}),
        post(LEASES, named("one", spec={"holderIdentity": "a"})),
        put(f"{LEASES}/one", named("one", spec={"holderIdentity": "b"}), code=422),
        post(SNAPSHOTS, snapshot("one")),
        put(f"{SNAPSHOTS}/one", snapshot("one"), code=422, reason="Invalid"),
        put(f"{NS}", named("$ns", metadata={"name": "$ns", "labels": {"x": "y"}})),
        get(NS, has={"metadata/labels/x": "y"}),
    ),
    case(
        "put-of-a-version-that-is-none",
        post(SECRETS, secret("one"), keep=_KEPT),
        put(f"{SECRETS}/one", _put("one", "x"), code=500),
        put(f"{SECRETS}/one", _put("one", "0", data={"a": "dHdv"}), has={"data/a": "dHdv"}),
        put(f"{SECRETS}/one", {"data": {"a": "b25l"}}, code=400, reason="BadRequest"),
        merge(f"{SECRETS}/one", {"metadata": {"resourceVersion": "x"}}, code=500),
        merge(f"{SECRETS}/one", {"metadata": {"uid": None, "resourceVersion": None}}),
        merge(f"{SECRETS}/one", {"metadata": None}, code=400, reason="BadRequest"),
        post(SNAPSHOTS, snapshot("one")),
        put(f"{SNAPSHOTS}/one", {**snapshot("one"), "metadata": {"name": "one"}}, code=422),
        put(
            f"{SNAPSHOTS}/one",
            {**snapshot("one"), "metadata": {"name": "one", "resourceVersion": "0"}},
            code=422,
            reason="Invalid",
        ),
        merge(f"{SNAPSHOTS}/one", {"metadata": None}, code=400, reason="BadRequest"),
    ),
    case(
        "put-of-another-uid",
        post(SECRETS, secret("one"), keep=_KEPT),
        put(
            f"{SECRETS}/one",
            {"metadata": {"name": "one", "uid": "d9607e19-f88f-11e6-a518-42010a800195"}},
            code=409,
            reason="Conflict",
        ),
        put(f"{SECRETS}/one", {"metadata": {"name": "one", "uid": "$uid"}}),
    ),
    case(
        "put-that-changes-nothing-is-no-write",
        post(SECRETS, secret("one"), keep=_KEPT),
        put(f"{SECRETS}/one", secret("one"), has={"metadata/resourceVersion": "$version"}),
        merge(f"{SECRETS}/one", {}, has={"metadata/resourceVersion": "$version"}),
        merge(
            f"{SECRETS}/one", {"data": {"a": "b25l"}}, has={"metadata/resourceVersion": "$version"}
        ),
        operations(f"{SECRETS}/one", has={"metadata/resourceVersion": "$version"}),
        post(SNAPSHOTS, snapshot("one"), keep=_KEPT),
        put(
            f"{SNAPSHOTS}/one",
            {**snapshot("one"), "metadata": {"name": "one", "resourceVersion": "$version"}},
            has={"metadata/resourceVersion": "$version", "metadata/generation": 1},
        ),
    ),
    case(
        "put-takes-away-what-it-does-not-say",
        post(
            SECRETS,
            {
                "metadata": {"name": "one", "labels": {"a": "1"}, "annotations": {"a": "1"}},
                "data": {"a": "b25l"},
            },
        ),
        put(
            f"{SECRETS}/one",
            {"metadata": {"name": "one"}},
            has={"metadata/labels": ABSENT, "metadata/annotations": ABSENT, "data": ABSENT},
        ),
    ),
    case(
        "a-secrets-type-never-changes",
        post(SECRETS, secret("one", type="a.b/c")),
        put(f"{SECRETS}/one", secret("one", type="a.b/d"), code=422, reason="Invalid"),
        put(f"{SECRETS}/one", secret("one"), code=422, reason="Invalid"),
        merge(f"{SECRETS}/one", {"type": "a.b/d"}, code=422, reason="Invalid"),
        put(f"{SECRETS}/one", secret("one", value="dHdv", type="a.b/c")),
    ),
    case(
        "what-is-immutable",
        post(SECRETS, secret("one", immutable=True)),
        put(f"{SECRETS}/one", secret("one", value="dHdv", immutable=True), code=422),
        put(f"{SECRETS}/one", secret("one"), code=422, reason="Invalid"),
        merge(f"{SECRETS}/one", {"immutable": False}, code=422, reason="Invalid"),
        merge(f"{SECRETS}/one", {"metadata": {"labels": {"a": "1"}}}),
        post(MAPS, named("one", data={"a": "x"}, immutable=True)),
        merge(f"{MAPS}/one", {"data": {"a": "y"}}, code=422, reason="Invalid"),
        delete(f"{SECRETS}/one"),
    ),
    case(
        "dry-put-writes-nothing",
        post(SECRETS, secret("one"), keep=_KEPT),
        dry(
            put(
                f"{SECRETS}/one",
                secret("one", value="dHdv"),
                has={"data/a": "dHdv", "metadata/resourceVersion": "$version"},
            )
        ),
        get(f"{SECRETS}/one", has={"data/a": "b25l", "metadata/resourceVersion": "$version"}),
    ),
    case(
        "put-of-bad-data",
        post(SECRETS, secret("one")),
        put(f"{SECRETS}/one", secret("one", value="!!"), code=400, reason="BadRequest"),
        put(f"{SECRETS}/one", secret("one", key="a b"), code=422, reason="Invalid"),
    ),
)

STATUS = (
    case(
        "an-objects-endpoint-ignores-status",
        post(
            SNAPSHOTS,
            {**snapshot("one"), "status": {"reason": "x"}},
            has={"status": ABSENT, "metadata/generation": 1},
            keep=_KEPT,
        ),
        merge(f"{SNAPSHOTS}/one", {"status": {"reason": "x"}}, has={"status": ABSENT}),
        get(f"{SNAPSHOTS}/one", has={"metadata/resourceVersion": "$version"}),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "x"}}),
        merge(
            f"{SNAPSHOTS}/one",
            {"spec": {"pin": "a"}, "status": None},
            has={"status/reason": "x", "spec/pin": "a", "metadata/generation": 2},
        ),
    ),
    case(
        "the-status-endpoint-ignores-the-rest",
        post(SNAPSHOTS, snapshot("one"), keep=_KEPT),
        merge(
            f"{SNAPSHOTS}/one/status",
            {
                "metadata": {"labels": {"a": "1"}, "finalizers": ["a.b/c"]},
                "spec": {"pin": "a"},
                "status": {"reason": "x"},
            },
            has={
                "metadata/labels": ABSENT,
                "metadata/finalizers": ABSENT,
                "metadata/generation": 1,
                "metadata/resourceVersion": Not("$version"),
                "spec/pin": ABSENT,
                "status/reason": "x",
                "status/state": "NeverSynced",
                "status/failures": 0,
            },
            keep=_KEPT,
        ),
        merge(
            f"{SNAPSHOTS}/one/status",
            {"status": {"reason": "x"}},
            has={"metadata/resourceVersion": "$version"},
        ),
        put(
            f"{SNAPSHOTS}/one/status",
            {
                **snapshot("one"),
                "metadata": {"name": "one", "resourceVersion": "$version"},
                "status": {"reason": "y"},
            },
            has={"status/reason": "y"},
        ),
        get(f"{SNAPSHOTS}/one/status", has={"status/reason": "y", "spec/source/account": "prod"}),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"state": "x"}}, code=422, reason="Invalid"),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"failures": "x"}}, code=422),
        merge(f"{SNAPSHOTS}/two/status", {"status": {}}, code=404, reason="NotFound"),
        dry(merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "z"}})),
        get(f"{SNAPSHOTS}/one", has={"status/reason": "y", "metadata/generation": 1}),
    ),
    case(
        "a-status-that-is-taken-away",
        post(SNAPSHOTS, snapshot("one")),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "x"}}),
        merge(f"{SNAPSHOTS}/one/status", {"status": None}, has={"status": ABSENT}),
        merge(f"{SNAPSHOTS}/one/status", {"status": {}}, has={"status/state": "NeverSynced"}),
        get(f"{SNAPSHOTS}/one", keep=_KEPT),
        put(
            f"{SNAPSHOTS}/one/status",
            {**snapshot("one"), "metadata": {"name": "one", "resourceVersion": "$version"}},
            has={"status": ABSENT},
        ),
    ),
    case(
        "generation-counts-specs",
        post(SNAPSHOTS, snapshot("one"), has={"metadata/generation": 1}),
        merge(
            f"{SNAPSHOTS}/one", {"metadata": {"labels": {"a": "1"}}}, has={"metadata/generation": 1}
        ),
        merge(f"{SNAPSHOTS}/one", {"spec": {"pin": "a"}}, has={"metadata/generation": 2}),
        merge(f"{SNAPSHOTS}/one", {"spec": {"pin": "a"}}, has={"metadata/generation": 2}),
        merge(f"{SNAPSHOTS}/one", {"metadata": {"generation": 9}}, has={"metadata/generation": 2}),
    ),
    case(
        "statuses-of-own-kinds",
        post(PODS, pod("one"), at_last=True),
        merge(f"{PODS}/one", {"status": {"phase": "Running"}}, has={"status/phase": "Pending"}),
        merge(
            f"{PODS}/one/status", {"status": {"phase": "Running"}}, has={"status/phase": "Running"}
        ),
        merge(f"{SECRETS}/one/status", {}, code=404, reason="NotFound"),
        post(SECRETS, secret("one")),
        get(f"{SECRETS}/one/status", code=404),
    ),
)

CASES = (*UPDATES, *STATUS)

"""Cases: patches."""

from __future__ import annotations

from tests.apiserver.table import (
    ABSENT,
    SECRETS,
    SNAPSHOTS,
    Not,
    Step,
    case,
    dry,
    get,
    merge,
    operations,
    post,
    secret,
    snapshot,
)

_KEPT = {"version": "metadata/resourceVersion", "uid": "metadata/uid"}

CASES = (
    case(
        "merge-patch",
        post(
            SECRETS,
            {
                "metadata": {"name": "one", "labels": {"a": "1", "b": "2"}},
                "data": {"a": "b25l", "b": "b25l"},
            },
            keep=_KEPT,
        ),
        merge(
            f"{SECRETS}/one",
            {"metadata": {"labels": {"a": None}}, "data": {"b": None, "c": "dHdv"}},
            has={
                "metadata/labels": {"b": "2"},
                "data": {"a": "b25l", "c": "dHdv"},
                "metadata/uid": "$uid",
                "metadata/resourceVersion": Not("$version"),
            },
        ),
        merge(
            f"{SECRETS}/one",
            {"stringData": {"d": "two"}},
            has={"data/d": "dHdv", "stringData": ABSENT},
        ),
        merge(f"{SECRETS}/one", {"data": {"z": "!!"}}, code=422, reason="Invalid"),
        merge(f"{SECRETS}/one", {"data": None}, has={"data": ABSENT}),
        merge(f"{SECRETS}/two", {}, code=404, reason="NotFound"),
    ),
    case(
        "merge-patch-with-a-version",
        post(SECRETS, secret("one"), keep=_KEPT),
        merge(
            f"{SECRETS}/one",
            {"metadata": {"resourceVersion": "$version"}, "data": {"a": "dHdv"}},
            has={"data/a": "dHdv"},
        ),
        merge(
            f"{SECRETS}/one",
            {"metadata": {"resourceVersion": "$version"}, "data": {"a": "b25l"}},
            code=409,
            reason="Conflict",
        ),
        merge(
            f"{SECRETS}/one",
            {"metadata": {"uid": "d9607e19-f88f-11e6-a518-42010a800195"}},
            code=422,
            reason="Invalid",
        ),
        post(SNAPSHOTS, snapshot("one"), keep=_KEPT),
        merge(
            f"{SNAPSHOTS}/one", {"metadata": {"resourceVersion": "$version"}, "spec": {"pin": "a"}}
        ),
        merge(
            f"{SNAPSHOTS}/one/status",
            {"metadata": {"resourceVersion": "$version"}, "status": {"reason": "a"}},
            code=409,
            reason="Conflict",
        ),
    ),
    case(
        "patches-keep-what-is-the-servers",
        post(SECRETS, secret("one"), keep={**_KEPT, "time": "metadata/creationTimestamp"}),
        merge(
            f"{SECRETS}/one",
            {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}},
            has={"metadata/creationTimestamp": "$time", "metadata/uid": "$uid"},
        ),
        merge(f"{SECRETS}/one", {"metadata": {"name": "two"}}, code=400, reason="BadRequest"),
        merge(f"{SECRETS}/one", {"kind": "Other"}, code=422, reason="Invalid"),
        merge(f"{SECRETS}/one", {"metadata": {"namespace": "default"}}, code=400),
    ),
    case(
        "json-patch",
        post(SECRETS, secret("one"), keep=_KEPT),
        operations(
            f"{SECRETS}/one",
            {"op": "test", "path": "/data/a", "value": "b25l"},
            {"op": "add", "path": "/data/b", "value": "dHdv"},
            {"op": "remove", "path": "/data/a"},
            has={"data": {"b": "dHdv"}},
        ),
        operations(
            f"{SECRETS}/one",
            {"op": "test", "path": "/data/b", "value": "b25l"},
            code=422,
            reason="Invalid",
        ),
        operations(f"{SECRETS}/one", {"op": "remove", "path": "/data/a"}, code=422),
        operations(f"{SECRETS}/one", {"op": "replace", "path": "/x/y", "value": 1}, code=422),
        operations(
            f"{SECRETS}/one",
            {"op": "test", "path": "/metadata/resourceVersion", "value": "$version"},
            code=422,
        ),
        operations(f"{SECRETS}/one", {"op": "none", "path": "/data"}, code=422),
        dry(
            operations(f"{SECRETS}/one", {"op": "remove", "path": "/data/b"}, has={"data": ABSENT})
        ),
        get(f"{SECRETS}/one", has={"data": {"b": "dHdv"}}),
    ),
    case(
        "patches-of-the-wrong-shape",
        post(SECRETS, secret("one")),
        Step(method="PATCH", path=f"{SECRETS}/one", body={}, code=415),
        Step(
            method="PATCH",
            path=f"{SECRETS}/one",
            body={},
            kind="application/merge-patch+yaml",
            code=415,
        ),
        merge(f"{SECRETS}/one", b"{", code=400, reason="BadRequest"),
        merge(f"{SECRETS}/one", [], code=400, reason="BadRequest"),
        Step(
            method="PATCH",
            path=f"{SECRETS}/one",
            body={},
            kind="application/json-patch+json",
            code=400,
            reason="BadRequest",
        ),
        merge(SECRETS, {}, code=405, reason="MethodNotAllowed"),
    ),
    case(
        "dry-patch-writes-nothing",
        post(SECRETS, secret("one"), keep=_KEPT),
        dry(merge(f"{SECRETS}/one", {"data": {"b": "dHdv"}}, has={"data/b": "dHdv"})),
        get(f"{SECRETS}/one", has={"data/b": ABSENT, "metadata/resourceVersion": "$version"}),
    ),
)

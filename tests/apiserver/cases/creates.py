"""Cases: what is created, and what is refused."""

from __future__ import annotations

import base64

from tests.apiserver.table import (
    ABSENT,
    LEASES,
    MAPS,
    PODS,
    PRESENT,
    SECRETS,
    SNAPSHOTS,
    Not,
    Step,
    case,
    dry,
    get,
    merge,
    named,
    pod,
    post,
    secret,
    snapshot,
)

_MIB = 1 << 20


def _raw(content: bytes, **more: object) -> Step:
    return Step(method="POST", path=SECRETS, body=content, **more)  # type: ignore[arg-type]


CASES = (
    case(
        "create-gives-uid-version-and-time",
        post(
            SECRETS,
            {
                "metadata": {
                    "name": "one",
                    "uid": "mine",
                    "creationTimestamp": "2001-01-01T00:00:00Z",
                    "deletionTimestamp": "2001-01-01T00:00:00Z",
                },
                "stringData": {"a": "one"},
            },
            has={
                "metadata/uid": Not("mine"),
                "metadata/resourceVersion": PRESENT,
                "metadata/creationTimestamp": Not("2001-01-01T00:00:00Z"),
                "metadata/deletionTimestamp": ABSENT,
                "data/a": "b25l",
                "stringData": ABSENT,
                "type": "Opaque",
            },
        ),
    ),
    case(
        "create-draws-a-name",
        post(
            SECRETS,
            {"metadata": {"generateName": "one-"}},
            has={"metadata/name": Not("one-"), "metadata/generateName": "one-"},
            keep={"name": "metadata/name"},
        ),
        get(f"{SECRETS}/$name"),
        post(SECRETS, {"metadata": {"generateName": "one-"}}, has={"metadata/name": Not("$name")}),
    ),
    case(
        "create-again-is-already-exists",
        post(SECRETS, secret("one")),
        post(SECRETS, secret("one"), code=409, reason="AlreadyExists"),
        dry(post(SECRETS, secret("one"), code=409, reason="AlreadyExists")),
        post(SNAPSHOTS, snapshot("one")),
        post(SNAPSHOTS, snapshot("one"), code=409, reason="AlreadyExists"),
    ),
    case(
        "create-in-a-missing-namespace",
        post("/api/v1/namespaces/$id/secrets", secret("one"), code=404, reason="NotFound"),
        post(SNAPSHOTS.replace("$ns", "$id"), snapshot("one"), code=404, reason="NotFound"),
    ),
    case(
        "create-with-a-bad-name",
        *(
            post(SECRETS, secret(name), code=422, reason="Invalid")
            for name in ("One", "-one", "one.", "o_ne", "a..b", "x" * 254)
        ),
        post(SECRETS, {"data": {}}, code=422, reason="Invalid"),
        post("/api/v1/namespaces", named("a.b"), code=422, reason="Invalid"),
        post("/api/v1/namespaces", named("x" * 64), code=422, reason="Invalid"),
        post(SNAPSHOTS, snapshot("One"), code=422, reason="Invalid"),
        post(LEASES, named("One"), code=422, reason="Invalid"),
    ),
    case(
        "create-with-bad-labels-and-annotations",
        *(
            post(SECRETS, {"metadata": {"name": "one", **part}}, code=422, reason="Invalid")
            for part in (
                {"labels": {"a": "-"}},
                {"labels": {"a": "x" * 64}},
                {"labels": {"a/b/c": "x"}},
                {"labels": {"-": "x"}},
                {"annotations": {"-": "x"}},
                {"annotations": {"a": "x" * (256 << 10)}},
                {"finalizers": ["plain name"]},
            )
        ),
        post(SECRETS, {"metadata": {"name": "one", "labels": {"a": 1}}}, code=400),
        post(SECRETS, {"metadata": {"name": "one", "annotations": {"a": 1}}}, code=400),
        post(SECRETS, {"metadata": {"name": "one", "labels": ["a"]}}, code=400),
        post(SECRETS, {"metadata": ["one"]}, code=400, reason="BadRequest"),
    ),
    case(
        "create-of-what-the-path-does-not-name",
        post(SECRETS, {**secret("one"), "kind": "ConfigMap"}, code=400, reason="BadRequest"),
        post(SECRETS, {**secret("one"), "apiVersion": "v2"}, code=400, reason="BadRequest"),
        post(SECRETS, {"metadata": {"name": "one", "namespace": "default"}}, code=400),
        post(SNAPSHOTS, {**snapshot("one"), "kind": "Other"}, code=422, reason="Invalid"),
        post(SNAPSHOTS, {**snapshot("one"), "apiVersion": "v1"}, code=400, reason="BadRequest"),
        post(SNAPSHOTS, {"metadata": {"name": "one"}}, code=400, reason="BadRequest"),
        post(f"{SECRETS}/one", secret("one"), code=405, reason="MethodNotAllowed"),
    ),
    case(
        "create-from-what-is-no-object",
        _raw(b"{", code=400, reason="BadRequest"),
        _raw(b"[]", code=400, reason="BadRequest"),
        _raw(b"", code=400, reason="BadRequest"),
        _raw(b'{"metadata":{"name":"one"}}', kind="text/plain", code=415),
        _raw(
            b'{"metadata":{"name":"one"}}',
            kind="application/x-www-form-urlencoded",
            code=415,
            reason="UnsupportedMediaType",
        ),
        _raw(b'{"metadata":{"name":"' + b"x" * (3 << 20) + b'"}}', code=413),
    ),
    case(
        "secrets-data",
        post(SECRETS, secret("one", value="!!"), code=400, reason="BadRequest"),
        post(SECRETS, {**secret("one"), "data": {"a": 1}}, code=400, reason="BadRequest"),
        post(SECRETS, {**secret("one"), "data": "x"}, code=400, reason="BadRequest"),
        *(
            post(SECRETS, secret("one", key=key), code=422, reason="Invalid")
            for key in ("", "a b", "a/b", "..", ".", "..a", "x" * 254)
        ),
        post(SECRETS, secret("two", key=".a-B_1"), has={"data/.a-B_1": "b25l"}),
        post(
            SECRETS,
            secret("big", value=base64.b64encode(b"x" * (_MIB + 1)).decode()),
            code=422,
            reason="Invalid",
        ),
        post(SECRETS, secret("big", value=base64.b64encode(b"x" * _MIB).decode())),
        post(
            SECRETS,
            {**secret("both"), "stringData": {"a": "two"}},
            has={"data/a": "dHdv", "stringData": ABSENT},
        ),
        post(SECRETS, named("none", data={"a": None}), has={"data/a": ""}),
    ),
    case(
        "what-has-another-type-or-is-unknown",
        *(
            post(SECRETS, {**secret("one"), **part}, code=400, reason="BadRequest")
            for part in (
                {"immutable": "x"},
                {"type": 5},
                {"metadata": {"name": 5}},
                {"metadata": {"name": "one", "finalizers": "a.b/c"}},
                {"metadata": {"name": "one", "resourceVersion": 5}},
            )
        ),
        post(
            SECRETS,
            {
                "metadata": {
                    "name": "one",
                    "labels": {},
                    "annotations": None,
                    "finalizers": [],
                    "other": 1,
                },
                "immutable": None,
                "other": 1,
                "type": "",
            },
            has={
                "metadata/labels": ABSENT,
                "metadata/annotations": ABSENT,
                "metadata/finalizers": ABSENT,
                "metadata/other": ABSENT,
                "immutable": ABSENT,
                "other": ABSENT,
                "type": "Opaque",
            },
        ),
        merge(
            f"{SECRETS}/one",
            {"metadata": {"annotations": {"a": None}}, "other": 1},
            has={"metadata/annotations": ABSENT, "other": ABSENT},
        ),
        post(SNAPSHOTS, {**snapshot("one"), "metadata": {"name": "one", "labels": {}, "other": 1}}),
        get(f"{SNAPSHOTS}/one", has={"metadata/labels": ABSENT, "metadata/other": ABSENT}),
        post(MAPS, named("one", data={"a": None}), has={"data/a": ""}),
        post(MAPS, named("two", binaryData={"a": "!!"}), code=400, reason="BadRequest"),
    ),
    case(
        "create-of-what-was-read",
        *(
            post(path, {**body, "metadata": {"name": "one", "resourceVersion": "5"}}, code=500)
            for path, body in ((SECRETS, secret("one")), (SNAPSHOTS, snapshot("one")))
        ),
        get(f"{SECRETS}/one", code=404),
        post(SECRETS, {**secret("one"), "metadata": {"name": "one", "resourceVersion": "0"}}),
    ),
    case(
        "keys-of-annotations-and-finalizers",
        *(
            post(SECRETS, {"metadata": {"name": "one", **part}}, code=422, reason="Invalid")
            for part in (
                {"annotations": {"a": "é" * (128 << 10)}},
                {"labels": {"a..b/c": "x"}},
                {"labels": {"A.b/c": "x"}},
                {"finalizers": ["plain"]},
                {"ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "x"}]},
            )
        ),
        post(SECRETS, {"metadata": {"name": "one", "annotations": {"A.b/C": "x"}}}),
        post(
            SECRETS,
            {"metadata": {"generateName": "x" * 63}},
            keep={"name": "metadata/name"},
            has={"metadata/generateName": "x" * 63},
        ),
        get(f"{SECRETS}/$name"),
    ),
    case(
        "config-maps-data",
        post(MAPS, named("one", data={"a": "x" * (_MIB + 1)}), code=422, reason="Invalid"),
        post(MAPS, named("one", data={"a b": "x"}), code=422, reason="Invalid"),
        post(MAPS, named("one", data={"a": 1}), code=400, reason="BadRequest"),
        post(MAPS, named("one", data={"a": "é"}), has={"data/a": "é", "kind": "ConfigMap"}),
        post(MAPS, named("empty"), has={"data": ABSENT}),
    ),
    case(
        "dry-create-writes-nothing",
        dry(
            post(
                SECRETS,
                secret("one"),
                has={"metadata/uid": PRESENT, "metadata/resourceVersion": ABSENT},
            )
        ),
        get(f"{SECRETS}/one", code=404),
        post(SECRETS, secret("two"), query={"dryRun": "Some"}, code=422, reason="Invalid"),
    ),
    case(
        "a-pod-is-filled-in",
        post(
            PODS,
            pod("one"),
            at_last=True,
            has={
                "status/phase": "Pending",
                "spec/restartPolicy": "Always",
                "spec/serviceAccountName": "default",
                "spec/terminationGracePeriodSeconds": 30,
            },
        ),
        post(PODS, named("two", spec={"containers": []}), code=422, reason="Invalid"),
        merge(
            f"{PODS}/one",
            {"metadata": {"annotations": {"a": "b"}}},
            has={"metadata/annotations/a": "b"},
        ),
        merge(f"{PODS}/one", {"spec": {"nodeName": "x"}}, code=422, reason="Invalid"),
        get(f"{PODS}/one", has={"spec/nodeName": ABSENT}),
    ),
)

"""Cases: custom objects by their definitions."""

from __future__ import annotations

from typing import Any

from tests.apiserver.table import (
    ABSENT,
    POLICIES,
    SNAPSHOTS,
    case,
    delete,
    dry,
    get,
    merge,
    post,
    snapshot,
)

Json = dict[str, Any]

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_STEADY = {"refreshInterval": "15m", "freshnessBudget": "1h", "maxAge": "24h"}

_SOURCE = {"account": "prod", "allow": ["aws-sm:/prod/**"], "class": "steady"}


def _policy(**spec: object) -> Json:
    whole = {"namespaces": ["a"], "sources": [_SOURCE], "classes": {"steady": _STEADY}}
    return {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretPolicy",
        "metadata": {"name": "$id"},
        "spec": {**whole, **spec},
    }


def _class(**rules: object) -> Json:
    return _policy(classes={"steady": {**_STEADY, **rules}})


CASES = (
    case(
        "defaults-and-unknown-fields",
        post(
            SNAPSHOTS,
            {**snapshot("one", unknown=1), "other": {"a": 1}},
            has={
                "spec/unknown": ABSENT,
                "other": ABSENT,
                "spec/source/identity": "controller",
                "spec/quarantined": [],
                "spec/revoked": [],
                "spec/retention": "168h",
                "spec/pin": ABSENT,
                "status": ABSENT,
            },
        ),
        get(f"{SNAPSHOTS}/one", has={"spec/unknown": ABSENT, "spec/retention": "168h"}),
        merge(f"{SNAPSHOTS}/one", {"spec": {"retention": None}}, has={"spec/retention": "168h"}),
        merge(f"{SNAPSHOTS}/one", {"spec": {"source": {"x": 1}}}, has={"spec/source/x": ABSENT}),
        merge(
            f"{SNAPSHOTS}/one/status",
            {
                "status": {
                    "history": [{"version": "1", "fetchedAt": "2026-01-01T00:00:00Z", "x": 1}]
                }
            },
            has={
                "status/history": [{"version": "1", "fetchedAt": "2026-01-01T00:00:00Z"}],
                "status/consumers": 0,
            },
        ),
    ),
    case(
        "nulls",
        post(SNAPSHOTS, snapshot("one", retention=None), has={"spec/retention": "168h"}),
        post(SNAPSHOTS, snapshot("pin", pin=None), has={"spec/pin": ABSENT}),
        post(SNAPSHOTS, snapshot("two", revoked=[None]), code=422, reason="Invalid"),
        post(SNAPSHOTS, snapshot("two", source=None), code=422, reason="Invalid"),
        post(
            POLICIES,
            _policy(classes={"steady": _STEADY, "other": None}),
            has={"spec/classes/other": ABSENT},
        ),
        post(SNAPSHOTS, {**snapshot("two"), "spec": None}, code=422, reason="Invalid"),
        post(SNAPSHOTS, {**snapshot("two"), "status": None}),
    ),
    case(
        "what-a-schema-refuses",
        *(
            post(SNAPSHOTS, body, code=422, reason="Invalid")
            for body in (
                {key: item for key, item in snapshot("one").items() if key != "spec"},
                snapshot("one", retention=1),
                snapshot("one", retention="x"),
                snapshot("one", retention="1h\n"),
                snapshot("one", revoked="x"),
                snapshot("one", revoked=[""]),
                snapshot("one", pin="x" * 513),
                snapshot("one", revoked=["x"] * 129),
                snapshot("one", reference=""),
                {**snapshot("one"), "spec": {"source": {"account": "prod"}}},
                {**snapshot("one"), "spec": {"source": []}},
            )
        ),
        *(
            post(POLICIES, body, code=422, reason="Invalid")
            for body in (
                _policy(namespaces=[]),
                _policy(sources=[{**_SOURCE, "allow": []}]),
                _class(onExpired="x"),
                _policy(allowEnvValue="true"),
                _policy(limits={"secretsPerPod": 0}),
                _policy(limits={"secretsPerPod": 1.5}),
            )
        ),
        dry(post(SNAPSHOTS, snapshot("one", retention="x"), code=422, reason="Invalid")),
        get(f"{SNAPSHOTS}/one", code=404),
    ),
    case(
        "what-a-rule-refuses",
        post(SNAPSHOTS, snapshot("one", retention="0s"), code=422, reason="Invalid"),
        post(POLICIES, _class(maxAge="30m"), code=422, reason="Invalid"),
        post(POLICIES, _class(freshnessBudget="16m"), code=422, reason="Invalid"),
        post(POLICIES, _policy(sources=[{**_SOURCE, "class": "other"}]), code=422),
        post(
            POLICIES,
            _policy(sources=[{**_SOURCE, "allow": ["aws-sm:/prod/**x"]}]),
            code=422,
        ),
        post(POLICIES, {**_policy(), "metadata": {"name": "x" * 64}}, code=422, reason="Invalid"),
        post(POLICIES, _policy(), has={"spec/classes/steady/onExpired": "serve"}),
        merge(
            f"{POLICIES}/$id",
            {"spec": {"classes": {"steady": {"maxAge": "30m"}}}},
            code=422,
            reason="Invalid",
        ),
        merge(f"{POLICIES}/$id", {"spec": {"classes": {"steady": {"maxAge": "2h"}}}}),
    ),
    case(
        "rules-on-what-was",
        post(SNAPSHOTS, snapshot("one", revoked=["a", "b"])),
        merge(f"{SNAPSHOTS}/one", {"spec": {"revoked": ["a"]}}, code=422, reason="Invalid"),
        merge(f"{SNAPSHOTS}/one", {"spec": {"revoked": None}}, code=422, reason="Invalid"),
        merge(f"{SNAPSHOTS}/one", {"spec": {"revoked": ["c", "b", "a"]}}),
        merge(
            f"{SNAPSHOTS}/one",
            {"spec": {"source": {"reference": "/other"}}},
            code=422,
            reason="Invalid",
        ),
        merge(f"{SNAPSHOTS}/one/status", {"status": {"reason": "x"}}),
    ),
    case(
        "lengths-count-characters",
        post(SNAPSHOTS, snapshot("one", reference="é" * 512)),
        post(SNAPSHOTS, snapshot("two", reference="é" * 513), code=422, reason="Invalid"),
    ),
    case(
        "times-and-numbers",
        post(SNAPSHOTS, snapshot("one")),
        *(
            merge(f"{SNAPSHOTS}/one/status", {"status": status}, code=422, reason="Invalid")
            for status in (
                {"lastSuccess": "x"},
                {"lastSuccess": "2026-01-01 00:00:00"},
                {"lastSuccess": "2026-01-01T00:00:00"},
                {"lastSuccess": 1.5},
                {"history": [{"version": "1", "fetchedAt": "today"}]},
                {"consumers": 1.5},
                {"consumers": True},
            )
        ),
        merge(
            f"{SNAPSHOTS}/one/status",
            {"status": {"lastSuccess": "2026-01-01T00:00:00.5Z", "consumers": 2.0}},
            has={"status/lastSuccess": "2026-01-01T00:00:00.5Z", "status/consumers": 2},
        ),
    ),
    case(
        "a-definition-comes-and-goes",
        post(
            _DEFINITIONS,
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": "things.$id.example"},
                "spec": {
                    "group": "$id.example",
                    "scope": "Namespaced",
                    "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
                    "versions": [
                        {
                            "name": "v1",
                            "served": True,
                            "storage": True,
                            "schema": {
                                "openAPIV3Schema": {
                                    "type": "object",
                                    "properties": {
                                        "spec": {
                                            "type": "object",
                                            "x-kubernetes-preserve-unknown-fields": True,
                                        },
                                        "status": {"type": "object"},
                                    },
                                }
                            },
                        }
                    ],
                },
            },
        ),
        get("/apis/$id.example/v1/namespaces/$ns/things", at_last=True, has={"items": []}),
        post(
            "/apis/$id.example/v1/namespaces/$ns/things",
            {
                "apiVersion": "$id.example/v1",
                "kind": "Thing",
                "metadata": {"name": "one"},
                "spec": {"a": {"b": [1]}},
            },
            at_last=True,
            has={"spec": {"a": {"b": [1]}}, "metadata/generation": 1},
        ),
        merge("/apis/$id.example/v1/namespaces/$ns/things/one/status", {}, code=404),
        delete(f"{_DEFINITIONS}/things.$id.example"),
        get("/apis/$id.example/v1/namespaces/$ns/things", code=404, at_last=True),
    ),
)

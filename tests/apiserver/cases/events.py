"""Cases: Events and Leases, and what is served at all."""

from __future__ import annotations

from tests.apiserver.table import (
    ABSENT,
    LEASES,
    NS,
    PRESENT,
    SECRETS,
    Step,
    case,
    delete,
    get,
    merge,
    named,
    post,
    put,
    secret,
)

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

_EVENT = {
    "metadata": {"name": "one"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "lastgood.dev/controller",
    "reportingInstance": "one",
    "action": "Refresh",
    "reason": "SecretStale",
    "type": "Warning",
    "note": "Words.",
    "regarding": {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "app",
        "namespace": "$ns",
        "uid": "u-1",
    },
}

_NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/$ns/events"

_OLD_EVENTS = f"{NS}/events"

EVENTS_AND_LEASES = (
    case(
        "an-event-in-both-versions",
        post(_NEW_EVENTS, _EVENT, has={"apiVersion": "events.k8s.io/v1", "note": "Words."}),
        get(
            f"{_OLD_EVENTS}/one",
            has={
                "apiVersion": "v1",
                "kind": "Event",
                "message": "Words.",
                "note": ABSENT,
                "involvedObject/name": "app",
                "regarding": ABSENT,
                "reason": "SecretStale",
                "reportingComponent": "lastgood.dev/controller",
                "reportingController": ABSENT,
            },
        ),
        get(
            _NEW_EVENTS,
            query={"fieldSelector": "regarding.name=app,reason=SecretStale"},
            has={"items/*/note": ["Words."], "kind": "EventList"},
        ),
        *(
            get(_OLD_EVENTS, query={"fieldSelector": text}, has={"items/*/metadata/name": names})
            for text, names in (
                ("involvedObject.name=app,involvedObject.kind=Pod", ["one"]),
                ("involvedObject.uid=u-1", ["one"]),
                ("involvedObject.name=other", []),
                ("reason=SecretStale", ["one"]),
                ("type=Warning", ["one"]),
                ("type!=Warning", []),
            )
        ),
        get(_OLD_EVENTS, query={"fieldSelector": "message=x"}, code=400),
    ),
    case(
        "an-event-counts",
        post(_NEW_EVENTS, _EVENT),
        merge(
            f"{_NEW_EVENTS}/one",
            {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}},
            has={"series/count": 2},
        ),
        get(f"{_OLD_EVENTS}/one", has={"series/count": 2}),
        post(_NEW_EVENTS, _EVENT, code=409, reason="AlreadyExists"),
    ),
    case(
        "an-event-that-is-incomplete",
        *(
            post(
                _NEW_EVENTS,
                {key: value for key, value in _EVENT.items() if key != missing},
                code=422,
                reason="Invalid",
            )
            for missing in (
                "eventTime",
                "reportingController",
                "reportingInstance",
                "action",
                "reason",
            )
        ),
        post(_NEW_EVENTS, {**_EVENT, "type": "Bad"}, code=422, reason="Invalid"),
        post(_NEW_EVENTS, {**_EVENT, "note": "x" * 1025}, code=422, reason="Invalid"),
    ),
    case(
        "events-have-limits",
        *(
            post(_NEW_EVENTS, {**_EVENT, **part}, code=422, reason="Invalid")
            for part in (
                {"note": "é" * 513},
                {"reason": "x" * 129},
                {"action": "x" * 129},
                {"reportingInstance": "x" * 129},
                {"reportingController": "a b"},
                {"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}},
                {"series": {"count": 2}},
            )
        ),
        *(
            post(_NEW_EVENTS, {**_EVENT, "eventTime": text}, code=400, reason="BadRequest")
            for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", "x", 5)
        ),
        post(_NEW_EVENTS, {**_EVENT, "note": "é" * 512, "reason": "x" * 128, "other": 1}),
        get(f"{_NEW_EVENTS}/one", has={"note": "é" * 512, "other": ABSENT}),
    ),
    case(
        "events-of-cluster-scoped-objects",
        *(
            post(path, {**_EVENT, "regarding": about}, code=422, reason="Invalid")
            for path in (_NEW_EVENTS, _OLD_EVENTS)
            for about in ({"kind": "SecretPolicy", "name": "a"},)
        ),
        post(
            _NEW_EVENTS.replace("$ns", "default"),
            {**_EVENT, "metadata": {"name": "$id"}, "regarding": {"kind": "X", "name": "a"}},
        ),
        delete(f"{_NEW_EVENTS.replace('$ns', 'default')}/$id"),
    ),
    case(
        "an-event-changes-its-series-alone",
        post(_NEW_EVENTS, _EVENT),
        *(
            merge(f"{_NEW_EVENTS}/one", part, code=422, reason="Invalid")
            for part in (
                {"note": "Others."},
                {"reason": "Other"},
                {"type": "Normal"},
                {"regarding": {"name": "other"}},
                {"series": {"count": 1}},
            )
        ),
        merge(f"{_NEW_EVENTS}/one", {"metadata": {"labels": {"a": "b"}}}),
        get(f"{_NEW_EVENTS}/one", has={"note": "Words.", "regarding/name": "app"}),
    ),
    case(
        "what-a-lease-refuses",
        *(
            post(LEASES, named("one", spec=spec), code=400, reason="BadRequest")
            for spec in (
                {"renewTime": "2026-01-01T00:00:00Z"},
                {"renewTime": "2026-01-01T00:00:00.123456789Z"},
                {"acquireTime": "x"},
                {"leaseDurationSeconds": 15.5},
                {"leaseDurationSeconds": "15"},
                {"holderIdentity": 5},
            )
        ),
        post(LEASES, named("one", spec={"leaseTransitions": -1}), code=422, reason="Invalid"),
        post(
            LEASES,
            named("one", spec={"holderIdentity": "", "acquireTime": None, "other": 1}),
            has={"spec": {"holderIdentity": ""}},
        ),
        merge(f"{LEASES}/one", {"spec": None}, has={"spec": {}}),
        merge(f"{LEASES}/none", {"spec": {}}, code=404, reason="NotFound"),
    ),
    case(
        "a-lease",
        post(
            LEASES,
            named(
                "one",
                spec={
                    "holderIdentity": "a",
                    "leaseDurationSeconds": 15,
                    "renewTime": "2026-01-01T00:00:00.000000Z",
                    "leaseTransitions": 1,
                },
            ),
            keep={"version": "metadata/resourceVersion"},
        ),
        merge(
            f"{LEASES}/one",
            {
                "metadata": {"resourceVersion": "$version"},
                "spec": {"holderIdentity": "b", "renewTime": "2026-01-01T00:00:01.000000Z"},
            },
            has={"spec/holderIdentity": "b", "spec/renewTime": "2026-01-01T00:00:01.000000Z"},
        ),
        merge(
            f"{LEASES}/one",
            {"metadata": {"resourceVersion": "$version"}, "spec": {"holderIdentity": "c"}},
            code=409,
            reason="Conflict",
        ),
        post(LEASES, named("two", spec={"leaseDurationSeconds": 0}), code=422, reason="Invalid"),
    ),
)

PATHS = (
    case(
        "paths-that-are-not-served",
        *(
            get(path, code=404)
            for path in (
                "/no/such/path",
                "/api/v2/secrets",
                "/api/v1/nothings",
                f"{NS}/nothings/one",
                "/apis/none.example/v1/things",
                "/apis/lastgood.dev/v2/secretpolicies",
                f"{SECRETS}/one/nothing",
                "/apis/lastgood.dev/v1alpha1/nothings",
            )
        ),
    ),
    case(
        "methods-that-are-not-served",
        post(SECRETS, secret("one")),
        put(SECRETS, secret("one"), code=405, reason="MethodNotAllowed"),
        merge(SECRETS, {}, code=405, reason="MethodNotAllowed"),
        post(f"{SECRETS}/one", secret("one"), code=405, reason="MethodNotAllowed"),
        Step(method="GET", path=_REVIEWS, code=405, reason="MethodNotAllowed"),
    ),
    case(
        "scopes",
        get(f"{NS}/nodes", code=404),
        get("/apis/lastgood.dev/v1alpha1/namespaces/$ns/secretpolicies", code=404),
        get("/apis/lastgood.dev/v1alpha1/secretsnapshots/one", code=404),
        post("/api/v1/secrets", secret("one"), code=405, reason="MethodNotAllowed"),
    ),
    case(
        "what-is-served",
        get("/version", has={"major": "1", "gitVersion": PRESENT}),
        get("/api", has={"kind": "APIVersions", "versions": ["v1"]}),
        get("/apis", has={"kind": "APIGroupList"}),
        get("/api/v1", has={"kind": "APIResourceList", "groupVersion": "v1"}),
        get(
            "/apis/lastgood.dev/v1alpha1",
            has={"kind": "APIResourceList", "groupVersion": "lastgood.dev/v1alpha1"},
        ),
    ),
)

CASES = (*EVENTS_AND_LEASES, *PATHS)

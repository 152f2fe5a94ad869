"""Cases: mutating webhooks."""

from __future__ import annotations

from typing import Any

from tests.apiserver.table import (
    ABSENT,
    HOOKS,
    MAPS,
    PRESENT,
    SECRETS,
    Part,
    case,
    delete,
    dry,
    get,
    merge,
    named,
    post,
    secret,
)

Json = dict[str, Any]


def _hook(path: str, **more: object) -> Json:
    return {
        "name": "maps.table.example",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": f"$hook/{path}", "caBundle": "$hook_ca"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "$ns"}},
        "matchConditions": [
            {
                "name": "asks",
                "expression": "has(object.metadata.labels) && 'hook' in object.metadata.labels",
            }
        ],
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps"],
            }
        ],
        "sideEffects": "None",
        "timeoutSeconds": 5,
        **more,
    }


def _hooks(*found: Json) -> Part:
    webhooks = [{**hook, "name": f"n{at}.{hook['name']}"} for at, hook in enumerate(found)]
    return post(HOOKS, named("$id", webhooks=webhooks))


def _asking(name: str = "", **labels: str) -> Json:
    metadata = {"name": name} if name else {"generateName": "some-"}
    return {"metadata": {**metadata, "labels": {"hook": "yes", **labels}}}


_CALLED = post(MAPS, _asking(), has={"data/called": PRESENT}, at_last=True)

CASES = (
    case(
        "a-webhook-changes-what-is-created",
        _hooks(_hook("patch")),
        _CALLED,
        post(
            MAPS,
            _asking("one"),
            has={
                "data/called": "CREATE",
                "data/kind": "ConfigMap",
                "data/resource": "configmaps",
                "data/namespace": "$ns",
                "data/name": "one",
                "data/dry": "false",
                "data/user": PRESENT,
                "data/uid": PRESENT,
                "data/old": "null",
            },
        ),
        get(f"{MAPS}/one", has={"data/called": "CREATE"}),
        dry(post(MAPS, _asking("two"), has={"data/dry": "true"})),
        get(f"{MAPS}/two", code=404),
        merge(f"{MAPS}/one", {"data": {"called": None}}, has={"data/called": ABSENT}),
        post(SECRETS, {**secret("one"), **_asking("one")}, has={"data/called": ABSENT}),
    ),
    case(
        "whom-a-webhook-is-asked-for",
        _hooks(
            _hook(
                "patch",
                objectSelector={"matchExpressions": [{"key": "not", "operator": "DoesNotExist"}]},
            )
        ),
        _CALLED,
        post(MAPS, named("one"), has={"data": ABSENT}),
        post(MAPS, _asking("two", **{"not": "x"}), has={"data": ABSENT}),
        post("/api/v1/namespaces/default/configmaps", _asking("$id"), has={"data": ABSENT}),
        delete("/api/v1/namespaces/default/configmaps/$id"),
    ),
    case(
        "a-webhook-refuses",
        _hooks(_hook("refuse")),
        post(MAPS, _asking(), code=403, has={"kind": "Status", "reason": ABSENT}, at_last=True),
        dry(post(MAPS, _asking("one"), code=403)),
        get(f"{MAPS}/one", code=404),
        post(MAPS, named("two")),
    ),
    case(
        "what-a-webhook-made-is-checked",
        _hooks(_hook("spoil")),
        post(MAPS, _asking(), code=422, reason="Invalid", at_last=True),
    ),
    case(
        "webhooks-see-what-those-before-made",
        _hooks(_hook("patch"), _hook("count")),
        post(MAPS, _asking(), has={"data/called": "CREATE", "data/seen": "called"}, at_last=True),
    ),
    *(
        case(
            f"a-webhook-that-{name}",
            _hooks(_hook(path, **config)),
            post(MAPS, _asking(), code=500, reason="InternalError", at_last=True),
            post(MAPS, named("two")),
        )
        for name, path, config in (
            ("breaks", "break", {}),
            ("answers-for-another", "other", {}),
            ("says-no-json", "words", {}),
            ("is-not-trusted", "patch", {"clientConfig": {"url": "$hook/patch"}}),
            ("is-not-there", "", {"clientConfig": {"url": "https://127.0.0.1:9/x"}}),
        )
    ),
    case(
        "a-webhook-that-may-fail",
        _hooks(_hook("break", failurePolicy="Ignore"), _hook("patch")),
        _CALLED,
    ),
    case(
        "a-condition-that-has-no-answer",
        _hooks(
            _hook("patch", matchConditions=[{"name": "x", "expression": "object.data.x == 'y'"}])
        ),
        post(MAPS, _asking(), code=403, reason="Forbidden", at_last=True),
        post(MAPS, {**_asking(), "data": {"x": "z"}}, has={"data/called": ABSENT}),
        post(MAPS, {**_asking(), "data": {"x": "y"}}, has={"data/called": "CREATE"}),
    ),
    case(
        "a-webhooks-configuration-has-defaults",
        _hooks(
            {
                key: value
                for key, value in _hook("patch").items()
                if key not in {"timeoutSeconds", "matchConditions"}
            }
        ),
        get(
            f"{HOOKS}/$id",
            has={
                "webhooks/0/timeoutSeconds": 10,
                "webhooks/0/failurePolicy": "Fail",
                "webhooks/0/objectSelector": {},
            },
        ),
    ),
)

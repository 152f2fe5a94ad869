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


def hook(path: str, **more: object) -> Json:
    """A webhook for ConfigMaps with the label `hook`, at a path of the tests' server."""
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


def hooks(*found: Json) -> Part:
    """A configuration of these."""
    webhooks = [{**one, "name": f"n{at}.{one['name']}"} for at, one in enumerate(found)]
    return post(HOOKS, named("$id", webhooks=webhooks))


def asking(name: str = "", **labels: str) -> Json:
    """A ConfigMap that such a webhook is asked for."""
    metadata = {"name": name} if name else {"generateName": "some-"}
    return {"metadata": {**metadata, "labels": {"hook": "yes", **labels}}}


_CALLED = post(MAPS, asking(), has={"data/called": PRESENT}, at_last=True)

CASES = (
    case(
        "a-webhook-changes-what-is-created",
        hooks(hook("patch")),
        _CALLED,
        post(
            MAPS,
            asking("one"),
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
                "data/metadata": "labels,name,namespace",
            },
        ),
        post(
            MAPS,
            asking(),
            has={"data/name": "", "data/metadata": "generateName,labels,namespace"},
        ),
        get(f"{MAPS}/one", has={"data/called": "CREATE"}),
        dry(post(MAPS, asking("two"), has={"data/dry": "true"})),
        get(f"{MAPS}/two", code=404),
        merge(f"{MAPS}/one", {"data": {"called": None}}, has={"data/called": ABSENT}),
        post(SECRETS, {**secret("one"), **asking("one")}, has={"data/called": ABSENT}),
    ),
    case(
        "whom-a-webhook-is-asked-for",
        hooks(
            hook(
                "patch",
                objectSelector={"matchExpressions": [{"key": "not", "operator": "DoesNotExist"}]},
            )
        ),
        _CALLED,
        post(MAPS, named("one"), has={"data": ABSENT}),
        post(MAPS, asking("two", **{"not": "x"}), has={"data": ABSENT}),
        post("/api/v1/namespaces/default/configmaps", asking("$id"), has={"data": ABSENT}),
        delete("/api/v1/namespaces/default/configmaps/$id"),
    ),
    case(
        "a-webhook-refuses",
        hooks(hook("refuse")),
        post(MAPS, asking(), code=403, has={"kind": "Status", "reason": ABSENT}, at_last=True),
        dry(post(MAPS, asking("one"), code=403)),
        get(f"{MAPS}/one", code=404),
        post(MAPS, named("two")),
    ),
    case(
        "what-a-webhook-made-is-checked",
        hooks(hook("spoil")),
        post(MAPS, asking(), code=422, reason="Invalid", at_last=True),
    ),
    case(
        "webhooks-see-what-those-before-made",
        hooks(hook("patch"), hook("count")),
        post(MAPS, asking(), has={"data/called": "CREATE", "data/seen": "called"}, at_last=True),
    ),
    *(
        case(
            f"a-webhook-that-{name}",
            hooks(hook(path, **config)),
            post(MAPS, asking(), code=500, reason="InternalError", at_last=True),
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
        hooks(hook("break", failurePolicy="Ignore"), hook("patch")),
        _CALLED,
    ),
    case(
        "a-condition-that-has-no-answer",
        hooks(hook("patch", matchConditions=[{"name": "x", "expression": "object.data.x == 'y'"}])),
        post(MAPS, asking(), code=403, reason="Forbidden", at_last=True),
        post(MAPS, {**asking(), "data": {"x": "z"}}, has={"data/called": ABSENT}),
        post(MAPS, {**asking(), "data": {"x": "y"}}, has={"data/called": "CREATE"}),
    ),
    case(
        "a-webhooks-configuration-has-defaults",
        hooks(
            {
                key: value
                for key, value in hook("patch").items()
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

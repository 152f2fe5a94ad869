"""Bodies of requests: right, wrong in every way that we know, and malformed."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from tests.e2e.leak import wire

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
APPLY_CBOR = "application/apply-patch+cbor"
OURS = "lastgood.dev/snapshot"

_WRONG: tuple[Any, ...] = (1, -1, 1.5, "x", "", True, None, [], [1], {}, {"a": 1}, [{"a": []}])
_TYPES = (
    OURS,
    "lastgood.dev/record",
    "Opaque",
    "",
    "kubernetes.io/tls",
    "kubernetes.io/service-account-token",
    "é/\n",
)
_TARGETS = (
    "/type",
    "/metadata/name",
    "/metadata/uid",
    "/metadata/labels/x",
    "/metadata/annotations/x",
    "/metadata/finalizers/0",
    "/metadata/generation",
    "/apiVersion",
    "/kind",
    "/immutable",
    "/data/z",
    "/stringData/z",
    "/spec/nodeName",
    "",
)
_SOURCES = ("/data", "/metadata/annotations", "/metadata/labels", "/metadata", "/spec", "/type", "")


def rich(rng: random.Random, body: Json) -> Json:
    """The object with some of the fields that a client may send beside its content."""
    found = copy.deepcopy(body)
    metadata = found.setdefault("metadata", {})
    more: dict[str, Any] = {
        "uid": "00000000-0000-0000-0000-000000000000",
        "resourceVersion": rng.choice(["1", "0", "", "99999999999", "abc", "-1"]),
        "finalizers": rng.choice([[], ["example.com/x"], ["x"], ["foregroundDeletion"]]),
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}],
        "managedFields": rng.choice([[], [{}], [{"manager": "x", "fieldsV1": {"f:data": {}}}]]),
        "generation": rng.choice([-1, 0, 5]),
        "deletionTimestamp": "2020-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": rng.choice([-1, 0, 30]),
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "selfLink": "/x",
        "generateName": "leak-",
        "labels": {"a": "b"},
        "namespace": rng.choice(["kube-system", "default", ""]),
        "name": rng.choice(["leak-foreign", "leak-opaque", "", "UPPER", "a/b"]),
    }
    for key in rng.sample(sorted(more), rng.choice([0, 0, 1, 1, 2, 4])):
        metadata[key] = more[key]
    if found.get("kind") == "Secret":
        found["type"] = rng.choice([OURS, OURS, found.get("type", ""), *_TYPES])
        if rng.random() < 0.2:
            found["immutable"] = rng.choice([True, False, None])
        if rng.random() < 0.2:
            found["stringData"] = {"k": "text"}
        if rng.random() < 0.2:
            found.pop("data", None)
    return found


def options(rng: random.Random) -> Json:
    """DeleteOptions, some of which contradict each other."""
    some: dict[str, Any] = {
        "dryRun": rng.choice([["All"], ["All", "All"], ["None"], []]),
        "preconditions": rng.choice(
            [{"uid": "0"}, {"resourceVersion": "1"}, {"uid": "", "resourceVersion": ""}, {}]
        ),
        "propagationPolicy": rng.choice(["Orphan", "Background", "Foreground", "x"]),
        "orphanDependents": rng.choice([True, False]),
        "gracePeriodSeconds": rng.choice([0, -1, 30]),
        "ignoreStoreReadErrorWithClusterBreakingPotential": True,
    }
    kept = rng.sample(sorted(some), rng.choice([0, 1, 1, 2, 3]))
    version = rng.choice(["v1", "meta.k8s.io/v1", "v2"])
    return {"kind": "DeleteOptions", "apiVersion": version, **{key: some[key] for key in kept}}


def patch(rng: random.Random, body: Json) -> tuple[str, bytes]:
    """Its media type and bytes: the forms that were seen to leak, and their relatives."""
    kind = rng.choice([MERGE, MERGE, STRATEGIC, JSON_PATCH, JSON_PATCH, APPLY, APPLY_CBOR])
    if kind == JSON_PATCH:
        return kind, json.dumps([_operation(rng) for _ in range(rng.choice([1, 1, 2]))]).encode()
    if kind in {APPLY, APPLY_CBOR}:
        return kind, wire.encoded(wire.YAML if kind == APPLY else wire.CBOR, broken(rng, body))
    merges: list[Any] = [
        {},
        {"type": {"a": 1}},
        {"data": {"z": "!!"}},
        {"unknown": 1},
        {"metadata": {"unknown": 1, "finalizers": {"a": 1}}},
        {"metadata": {"name": "other"}},
        {"metadata": {"labels": {"x": "y"}}},
        {"$patch": "replace"},
        {"data": {"$patch": "delete"}},
        {"$retainKeys": ["type"], "type": 1},
        {"metadata": {"$setElementOrder/finalizers": ["a", 1]}},
        broken(rng, body),
    ]
    return kind, json.dumps(rng.choice(merges)).encode()


def _operation(rng: random.Random) -> Json:
    op = rng.choice(["copy", "copy", "move", "test", "replace", "add", "remove", "other"])
    source = rng.choice(_SOURCES)
    if source in {"/data", "/metadata/annotations", "/metadata/labels"}:
        name = rng.choice(["password", "k", "tls.key", "token", "example.com~1note", "caBundle"])
        source = f"{source}/{name}"
    return {
        "op": op,
        "from": source,
        "path": source if op == "test" else rng.choice(_TARGETS),
        "value": rng.choice(_WRONG),
    }


def broken(rng: random.Random, body: Json) -> Json:
    """With up to three faults, each at a path of its own."""
    found = copy.deepcopy(body)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        rng.choice(_FAULTS)(rng, found)
    return found


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Bytes that are no document any more, or another one."""
    if not content:
        return content
    at = rng.randrange(len(content))
    return rng.choice(
        [
            content[:at],
            content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :],
            content + b"}",
            content + content,
            b"",
            b"[" * 5000 + content,
            content.replace(b'"metadata"', b'"type": "x", "type": {"a": 1}, "metadata"', 1),
            content.replace(b'"kind"', b'"kind": "Pod", "data": {"k": 1}, "Kind"', 1),
            b"\xff\xfe" + content,
        ]
    )


def _wrong_type(rng: random.Random, body: Json) -> None:
    found = list(_paths(body))
    if found:
        holder, key = rng.choice(found)
        holder[key] = copy.deepcopy(rng.choice(_WRONG))


def _unknown_field(rng: random.Random, body: Json) -> None:
    inner = [holder[key] for holder, key in _paths(body) if isinstance(holder[key], dict)]
    name = rng.choice(["unknown", "Data", "metaData", ""])
    rng.choice([body, *inner])[name] = copy.deepcopy(rng.choice(_WRONG))


def _bad_data(rng: random.Random, body: Json) -> None:
    body["data"] = {rng.choice(["z", "k", "../x", "a" * 300]): rng.choice(["!!", "YQ", "YQ==", 1])}


def _huge(rng: random.Random, body: Json) -> None:
    body[rng.choice(["type", "unknown", "stringData"])] = "h" * rng.choice([5_000, 70_000])


def _another_kind(rng: random.Random, body: Json) -> None:
    body["kind"] = rng.choice(["Pod", "SecretList", "Status", "List", "DeleteOptions", "Table"])
    body["apiVersion"] = rng.choice(["v1", "v2", "meta.k8s.io/v1", "apps/v1", ""])


_FAULTS: tuple[Callable[[random.Random, Json], None], ...] = (
    _wrong_type,
    _wrong_type,
    _wrong_type,
    _unknown_field,
    _unknown_field,
    _bad_data,
    _huge,
    _another_kind,
)


def _paths(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Every place in an object: what has it, and its key or index."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _paths(item)

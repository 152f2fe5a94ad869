"""What holds for every pod and every patch."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonpatch
from hypothesis import example, given
from hypothesis import strategies as st

from contract import annotations as keys
from contract import layout
from tests import make
from tests.webhook.given import admitted, answered, review
from webhook import patch
from webhook.verdict import Outcome

leaves = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | st.text("ab/~é", max_size=3)
)
documents = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)
named_lists = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcdef")}, optional={"v": leaves}), max_size=6
)

UIDS = st.sampled_from([0, 1000, 1001])
SECURITY = st.fixed_dictionaries({}, optional={"runAsUser": UIDS, "fsGroup": UIDS})
SOURCES = st.sampled_from(
    [
        "aws-sm:/prod/payments/db#password",
        "aws-sm:/prod/payments/db#user",
        "aws-sm:/prod/payments/db",
        "aws-sm:/prod/payments/signing/key",
        "aws-sm@aws-test:/test/a/b/c",
    ]
)


@st.composite
def containers(draw: st.DrawFn, names: list[str]) -> list[dict[str, Any]]:
    """Containers of some of these names, with what a pod may carry, and fields we don't know."""
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "data", "mountPath": "/more"}]
    optional: dict[str, st.SearchStrategy[Any]] = {
        "env": st.none() | st.just([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
        "volumeMounts": st.none() | st.just(mounts),
        "securityContext": st.none() | SECURITY,
        "resources": st.just({"limits": {"cpu": "1", "memory": "1Gi"}}),
        "newField": documents,
    }
    return [
        make.container(name, **draw(st.fixed_dictionaries({}, optional=optional)))
        for name in chosen
    ]


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """Opted-in pods, most of them legal."""
    asked = draw(
        st.dictionaries(st.sampled_from(["a", "b", "c"]), SOURCES, min_size=1).map(
            lambda found: make.asking(**found)
        )
    )
    extra = {
        keys.MODE: st.sampled_from(["follow", "mount"]),
        keys.RELOAD: st.sampled_from(["http://127.0.0.1:80/", "signal:HUP"]),
        keys.MOUNT_PATH: st.just("/secrets"),
        keys.CONTAINERS: st.sampled_from(["app", "app,init"]),
        keys.ENV + "DB_FILE": st.sampled_from(["a", "b"]),
        keys.ENV + "B": st.just("a"),
        "other/key~1": st.text(max_size=3),
    }
    asked |= draw(st.fixed_dictionaries({}, optional=extra))
    optional: dict[str, st.SearchStrategy[Any]] = {
        "initContainers": st.none() | containers(["istio-init", "linkerd-proxy", "init", "x"]),
        "volumes": st.none() | st.just([{"name": "data", "emptyDir": {}}]),
        "restartPolicy": st.sampled_from(["Always", "Never"]),
        "securityContext": st.none() | SECURITY,
        "shareProcessNamespace": st.booleans(),
        "hostNetwork": st.booleans(),
        "automountServiceAccountToken": st.booleans(),
        "resources": st.just({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}),
        "schedulingGates": documents,
    }
    main = draw(containers(["istio-proxy", "worker", "other"]))
    spec = draw(st.fixed_dictionaries({}, optional=optional))
    return make.pod(None, make.container(), *main, annotations=asked, **spec)


@given(documents, documents)
@example({"a": 1}, {"a": True})
@example([], {})
def test_a_diff_makes_any_document_of_any_other(old: Any, new: Any) -> None:  # noqa: ANN401 - JSON
    """Applied by our engine and by another, and neither document is touched."""
    before = copy.deepcopy(old)
    operations = patch.diff(old, new)
    assert patch.equal(patch.apply(old, operations), new)
    assert patch.equal(old, before)
    assert patch.equal(jsonpatch.apply_patch(copy.deepcopy(old), operations), new)


@given(named_lists, named_lists)
def test_lists_of_named_items_too(old: Any, new: Any) -> None:  # noqa: ANN401 - JSON
    """Also with names twice, and in another order."""
    operations = patch.diff({"l": old}, {"l": new})
    assert patch.apply({"l": old}, operations) == {"l": new}
    assert jsonpatch.apply_patch({"l": copy.deepcopy(old)}, operations) == {"l": new}


@given(pods().map(lambda pod: json.loads(json.dumps(pod))))
def test_apply_of_patch_is_inject(pod: dict[str, Any]) -> None:
    """The patch makes the injected pod of the pod, in our engine and in another; the pod stays.

    As it comes off the wire: no two parts of it are one object, which the other engine changes.
    """
    before = copy.deepcopy(pod)
    verdict = admitted(pod)
    operations = patch.diff(pod, verdict.pod)
    assert patch.apply(pod, operations) == verdict.pod
    assert jsonpatch.apply_patch(copy.deepcopy(pod), operations) == verdict.pod
    assert patch.equal(pod, before)


@given(pods())
def test_injecting_twice_is_nothing(pod: dict[str, Any]) -> None:
    """An injected pod is left as it is, the very object."""
    once = admitted(json.loads(json.dumps(admitted(pod).pod)))
    assert once.outcome is not Outcome.INJECTED


@given(pods())
def test_the_users_arrays_keep_their_order(pod: dict[str, Any]) -> None:
    """Without ours, every list is the user's, in the user's order; unknown fields stay."""
    spec = admitted(pod).pod["spec"]
    for member in ("containers", "initContainers", "volumes"):
        ours = (*layout.CONTAINERS, *layout.VOLUMES)
        left = [item["name"] for item in spec.get(member) or [] if item["name"] not in ours]
        assert left == [item["name"] for item in pod["spec"].get(member) or []]
    assert spec.get("schedulingGates") == pod["spec"].get("schedulingGates")
    for before in pod["spec"]["containers"]:
        after = next(item for item in spec["containers"] if item["name"] == before["name"])
        there, now = before.get("volumeMounts") or [], after.get("volumeMounts") or []
        assert now[: len(there)] == there
        there, now = before.get("env") or [], after.get("env") or []
        assert now[len(now) - len(there) :] == there
        assert after.get("newField") == before.get("newField")


@given(st.binary() | documents.map(lambda found: json.dumps(found).encode()))
def test_any_bytes_get_an_answer_or_a_4xx(body: bytes) -> None:
    """Nothing that comes in makes the webhook fail."""
    status, answer, log = answered(body)
    assert status == 400
    assert answer["message"]
    assert log.count(b"\n") == 1


@given(
    st.dictionaries(
        st.sampled_from(
            ["containers", "initContainers", "volumes", "securityContext", "resources", "os"]
        ),
        documents | named_lists,
    ),
    documents,
)
def test_any_pod_gets_an_answer_or_a_4xx(spec: dict[str, Any], other: Any) -> None:  # noqa: ANN401 - JSON
    """Also what is a pod in parts only."""
    metadata = {"annotations": make.asking(db="aws-sm:/prod/payments/db")}
    whole = {"containers": [make.container(env=other, volumeMounts=other, resources=other)]}
    status, answer, _ = answered(review({"metadata": metadata, "spec": {**whole, **spec}}))
    assert status in {200, 400}
    assert status == 400 or answer["response"]["uid"] == "uid-1"

"""Pods that are wrong, or not for us: refused by name, or left wrong for the API server."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from contract import layout
from tests import make
from tests.make.strangers import stranger
from tests.webhook.given import admitted, answered, review
from webhook.verdict import Denial, Outcome
from webhook.wellformed import malformed

SAME_NAME = {
    "init containers": {"initContainers": [make.container("a"), make.container("a", image="b")]},
    "init containers of a mesh": {
        "initContainers": [make.container("istio-init"), make.container("istio-init", image="b")]
    },
    "volumes": {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "hostPath": {}}]},
}


@pytest.mark.parametrize("spec", SAME_NAME.values(), ids=SAME_NAME)
def test_what_is_there_twice_stays_twice(spec: dict[str, Any]) -> None:
    """For the API server to refuse, in the words that it has for it."""
    pod = admitted(make.pod(**spec)).pod["spec"]
    for member, items in spec.items():
        names = {item["name"] for item in items}
        assert [item for item in pod[member] if item["name"] in names] == items


def test_containers_of_one_name_stay() -> None:
    """Both with all that they have: each gets the files."""
    twice = [
        make.container(env=[{"name": "A", "value": str(at)}, {"name": "A", "value": "x"}])
        for at in range(2)
    ]
    left = admitted(make.pod("web", *twice)).pod["spec"]["containers"][:2]
    assert [item["env"] for item in left] == [item["env"] for item in twice]
    assert all(item["volumeMounts"] for item in left)


NOTHING = "spec.containers: the pod has no container of its own. At least one is required"


@pytest.mark.parametrize("containers", [[], None])
def test_a_pod_without_containers_is_not_given_one(containers: list[Any] | None) -> None:
    """Ours would be the only one, and the API server would take it."""
    pod = make.pod()
    pod["spec"]["containers"] = containers
    assert admitted(pod).message == NOTHING
    del pod["metadata"]["annotations"]
    assert admitted(pod).outcome is Outcome.UNCHANGED


def test_a_copy_without_the_app_is_refused() -> None:
    """Of an injected pod ours alone are no pod."""
    pod = copy.deepcopy(admitted(make.pod()).pod)
    pod["spec"]["containers"] = [
        item for item in pod["spec"]["containers"] if item["name"] == layout.AGENT
    ]
    assert admitted(pod).message == NOTHING


MOUNTS = {
    "the cache": {"name": "lastgood-cache", "mountPath": "/x"},
    "the cache as the app has it": {
        "name": "lastgood-cache",
        "mountPath": "/x",
        "subPath": "files",
        "readOnly": True,
    },
    "the snapshots": {"name": "lastgood-snapshots", "mountPath": "/x"},
}


@pytest.mark.parametrize("mount", MOUNTS.values(), ids=MOUNTS)
@pytest.mark.parametrize("member", ["containers", "initContainers"])
def test_a_mount_of_our_volume_is_refused(member: str, mount: dict[str, Any]) -> None:
    """It is the user's, so it is not removed; chosen container or not."""
    pod = make.pod(initContainers=[make.container("migrate")])
    pod["spec"][member][0]["volumeMounts"] = [mount]
    name, volume = pod["spec"][member][0]["name"], mount["name"]
    assert admitted(pod).message == (
        f'spec.{member}: container {name} mounts "{volume}", a reserved volume of lastgood.'
        " Remove the mount, because lastgood adds it itself"
    )


@pytest.mark.parametrize(
    "change", [{"readOnly": False}, {"subPath": ".."}, {"subPathExpr": "$(A)"}]
)
def test_a_mount_of_our_volume_in_an_injected_pod_is_ours_or_refused(
    change: dict[str, Any],
) -> None:
    """Known by its shape; another one was added since, or changed."""
    pod = copy.deepcopy(admitted(make.pod()).pod)
    pod["spec"]["containers"][0]["volumeMounts"][0] |= change
    assert admitted(pod).mistakes[0].reason is Denial.COLLISION


HOST_PROCESS = {"securityContext": {"windowsOptions": {"hostProcess": True}}}
WINDOWS: dict[str, tuple[dict[str, Any], str]] = {
    "os": ({"os": {"name": "windows"}}, "spec.os.name"),
    "HostProcess": (HOST_PROCESS, "spec.securityContext.windowsOptions.hostProcess"),
    "a HostProcess init container": (
        {"initContainers": [make.container("a", **HOST_PROCESS)]},
        "spec.initContainers.securityContext.windowsOptions.hostProcess",
    ),
    "a HostProcess container": (
        {"containers": [make.container("a", **HOST_PROCESS)]},
        "spec.containers.securityContext.windowsOptions.hostProcess",
    ),
    "nodes": (
        {"nodeSelector": {"kubernetes.io/os": "windows"}},
        "spec.nodeSelector[kubernetes.io/os]",
    ),
    "nodes, by the old label": (
        {"nodeSelector": {"beta.kubernetes.io/os": "windows"}},
        "spec.nodeSelector[beta.kubernetes.io/os]",
    ),
}


@pytest.mark.parametrize(("spec", "field"), WINDOWS.values(), ids=WINDOWS)
def test_windows_is_refused(spec: dict[str, Any], field: str) -> None:
    """Gate and agent are Linux programs, whatever says that the pod is none."""
    pod = make.pod()
    pod["spec"] |= spec
    assert admitted(pod).message == f"{field}: Windows is not supported. Allowed: linux"


def test_other_options_of_windows_say_nothing() -> None:
    """They are ignored on Linux, and charts set them for both."""
    options = {"windowsOptions": {"hostProcess": False, "runAsUserName": "x"}}
    pod = make.pod(securityContext=options, nodeSelector={"kubernetes.io/os": "linux"})
    assert admitted(pod).outcome is Outcome.INJECTED


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "securityContext.runAsUser": ({"securityContext": {"runAsUser": []}}, "a whole number"),
    "securityContext.fsGroup": ({"securityContext": {"fsGroup": True}}, "a whole number"),
    "securityContext": ({"securityContext": "x"}, "an object"),
    "securityContext.windowsOptions": ({"securityContext": {"windowsOptions": []}}, "an object"),
    "resources.limits": ({"resources": {"limits": "x"}}, "an object"),
    "resources.limits.cpu": ({"resources": {"limits": {"cpu": []}}}, "a quantity"),
    "os": ({"os": "linux"}, "an object"),
    "nodeSelector": ({"nodeSelector": []}, "an object"),
    "volumes": ({"volumes": {"name": "x"}}, "a list"),
    "volumes[0].name": ({"volumes": [{"name": {}}]}, "a string"),
    "initContainers": ({"initContainers": {}}, "a list"),
    "containers[0].name": ({"containers": [{"name": 1}]}, "a string"),
    "containers[0].env": ({"containers": [{"name": "a", "env": "x"}]}, "a list"),
    "containers[0].env[0].name": (
        {"containers": [{"name": "a", "env": [{"name": 1}]}]},
        "a string",
    ),
    "containers[0].securityContext.runAsUser": (
        {"containers": [{"name": "a", "securityContext": {"runAsUser": "0"}}]},
        "a whole number",
    ),
    "containers[0].volumeMounts[0].mountPath": (
        {"containers": [{"name": "a", "volumeMounts": [{"mountPath": 1}]}]},
        "a string",
    ),
}


@pytest.mark.parametrize(("field", "given"), WRONG.items(), ids=WRONG)
def test_a_value_of_another_type_is_named(field: str, given: tuple[dict[str, Any], str]) -> None:
    """By its field; where it matters to us, the webhook says so as well, and never fails."""
    spec, type_ = given
    pod = make.pod()
    pod["spec"] |= spec
    assert malformed(pod) == f"spec.{field} must be {type_}"
    status, answer, _ = answered(review(pod))
    assert status == 200 or answer["message"].endswith(f"spec.{field} must be {type_}")
    assert status in {200, 400}


def test_what_is_missing_is_named() -> None:
    """And what is null in a list."""
    pod = make.pod()
    pod["spec"]["containers"] = [{"name": "a", "env": [{"value": "x"}]}]
    assert malformed(pod) == "spec.containers[0].env[0].name must be set"
    pod["spec"]["containers"] = [None]
    assert malformed(pod) == "spec.containers[0] must not be null"
    assert malformed(stranger("mesh")) is None

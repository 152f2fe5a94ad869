"""Pods that were changed after injection, by another webhook or by hand: what changes what gate and
agent do is refused, what others add beside it is let in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract import annotations as keys
from contract import layout
from tests.e2e.enforced import AGENT
from tests.e2e.opted_in import create, drop, injected, part
from tests.make.manifests import container
from webhook.inject import strip

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chart.rendering import Manifest
    from tests.e2e.enforced import Enforced

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("account")]


def _no_gate(body: Manifest) -> None:
    drop(body, layout.GATE)


def _no_agent(body: Manifest) -> None:
    drop(body, layout.AGENT)


def _other_image(body: Manifest) -> None:
    part(body, layout.GATE)["image"] = "docker.io/evil/agent:1"


def _like_image(body: Manifest) -> None:
    part(body, layout.AGENT)["image"] = f"{AGENT}-evil:dev"


def _other_command(body: Manifest) -> None:
    part(body, layout.AGENT)["command"] = ["sh", "-c", "cat /lastgood/cache/files/*"]


def _other_verb(body: Manifest) -> None:
    part(body, layout.GATE)["args"][0] = "follow"


def _on_disk(body: Manifest) -> None:
    part(body, layout.CACHE_VOLUME)["emptyDir"] = {}


def _other_secret(body: Manifest) -> None:
    sources = part(body, layout.SNAPSHOTS_VOLUME)["projected"]["sources"]
    sources.append({"secret": {"name": "mine", "optional": True}})


def _other_ages(body: Manifest) -> None:
    source = part(body, layout.FRESHNESS_VOLUME)["projected"]["sources"][0]
    source["configMap"]["name"] = "mine"


def _no_snapshots(body: Manifest) -> None:
    body["spec"]["volumes"] = [
        item for item in body["spec"]["volumes"] if item["name"] != layout.SNAPSHOTS_VOLUME
    ]
    for item in body["spec"]["containers"] + body["spec"]["initContainers"]:
        item["volumeMounts"] = [
            mount for mount in item["volumeMounts"] if mount["name"] != layout.SNAPSHOTS_VOLUME
        ]


def _mounting(name: str, **mount: object) -> Callable[[Manifest], None]:
    def change(body: Manifest) -> None:
        mounts = part(body, "app").setdefault("volumeMounts", [])
        mounts.append({"name": name, "mountPath": "/stolen", **mount})

    return change


def _init_mounting(body: Manifest) -> None:
    mount = {"name": layout.SNAPSHOTS_VOLUME, "mountPath": "/stolen", "readOnly": True}
    body["spec"]["initContainers"].append(container("early", volumeMounts=[mount]))


def _unmarked(body: Manifest) -> None:
    del body["metadata"]["annotations"][keys.INJECTED]


def _with(name: str, **members: object) -> Callable[[Manifest], None]:
    """Sets members of a container or a volume of ours."""

    def change(body: Manifest) -> None:
        part(body, name).update(members)

    return change


def _secure(**members: object) -> Callable[[Manifest], None]:
    def change(body: Manifest) -> None:
        part(body, layout.AGENT)["securityContext"].update(members)

    return change


def _root_of_the_pod(body: Manifest) -> None:
    """Ours have no user of their own, and the pod's is root."""
    body["spec"]["securityContext"] = {"runAsUser": 0}
    del part(body, layout.AGENT)["securityContext"]["runAsUser"]


def _over(path: str, name: str = layout.GATE, **mount: object) -> Callable[[Manifest], None]:
    """Mounts a volume of somebody's into a container of ours."""

    def change(body: Manifest) -> None:
        body["spec"]["volumes"].append({"name": "theirs", "emptyDir": {}})
        mounted = {"name": "theirs", "mountPath": path, **mount}
        part(body, name)["volumeMounts"].append(mounted)

    return change


def _in_place_of_snapshots(body: Manifest) -> None:
    body["spec"]["volumes"].append({"name": "theirs", "emptyDir": {}})
    for mount in part(body, layout.GATE)["volumeMounts"]:
        if mount["name"] == layout.SNAPSHOTS_VOLUME:
            mount["name"] = "theirs"


def _gate_late(body: Manifest) -> None:
    mount = {"name": layout.CACHE_VOLUME, "mountPath": "/f", "subPath": "files", "readOnly": True}
    body["spec"]["initContainers"].insert(0, container("early", volumeMounts=[mount]))


def _squatted(body: Manifest) -> None:
    sources = part(body, layout.SNAPSHOTS_VOLUME)["projected"]["sources"]
    sources.append({"secret": {"name": "lg-mine", "optional": True}})


def _block(body: Manifest) -> None:
    claim = {"claimName": "theirs"}
    body["spec"]["volumes"].append({"name": "theirs", "persistentVolumeClaim": claim})
    device = {"name": "theirs", "devicePath": layout.PYTHON}
    part(body, layout.GATE)["volumeDevices"] = [device]


def _folder(option: str, name: str = layout.GATE) -> Callable[[Manifest], None]:
    """Gives a container of ours another folder in place of a volume of ours."""

    def change(body: Manifest) -> None:
        words = part(body, name)["args"]
        words[words.index(option) + 1] = "/data"

    return change


def _once_more(*words: str) -> Callable[[Manifest], None]:
    """The last of two options of one name counts."""

    def change(body: Manifest) -> None:
        part(body, layout.GATE)["args"] += words

    return change


def _commanded(*words: str) -> Callable[[Manifest], None]:
    return _with(layout.GATE, command=list(words))


EXEC = {"exec": {"command": ["sh", "-c", "cat /lastgood/cache/files/*"]}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_over("/opt/lastgood"), "over the code or the files"),
        (_over("/opt/lastgood/agent", layout.AGENT), "over the code or the files"),
        (_over("/opt"), "over the code or the files"),
        (_over("/"), "over the code or the files"),
        (_over("/opt/../opt/lastgood"), "over the code or the files"),
        (_over("//opt/lastgood"), "over the code or the files"),
        (_over("/usr/local/lib/python3.13", layout.AGENT), "over the code or the files"),
        (_over("/usr/bin/python3", subPath="python3"), "over the code or the files"),
        (_over("/usr/bin/", layout.AGENT), "over the code or the files"),
        (_over("/usr/bin/pyvenv.cfg", subPath="a"), "over the code or the files"),
        (_over("/usr/lib/x86_64-linux-gnu/gconv"), "over the code or the files"),
        (_over("/opt/lastgood/__main__.py", subPath="a"), "over the code or the files"),
        (_over("/opt/lastgood/json.py", subPathExpr="$(A)"), "over the code or the files"),
        (_over("/lib64"), "over the code or the files"),
        (_over("/lib/x86_64-linux-gnu/libc.so.6", subPath="a"), "over the code or the files"),
        (_over("/lib/aarch64-linux-gnu"), "over the code or the files"),
        (_over("/etc"), "over the code or the files"),
        (_over("/etc/", layout.AGENT), "over the code or the files"),
        (_over("/etc/ld.so.cache", subPath="a"), "over the code or the files"),
        (_over("/etc/ld-musl-x86_64.path"), "over the code or the files"),
        (_over("usr/bin"), "over the code or the files"),
        (_commanded("python3", "-I", "-S", layout.CODE_PATH), "run as lastgood made them"),
        (_commanded("/usr/bin/python3.11", "-I", "-S", layout.CODE_PATH), "as lastgood made"),
        (_commanded(layout.PYTHON, "-S", layout.CODE_PATH), "run as lastgood made them"),
        (_commanded(layout.PYTHON, "-I", layout.CODE_PATH), "run as lastgood made them"),
        (_commanded("$(PYTHON)", "-I", "-S", layout.CODE_PATH), "run as lastgood made them"),
        (_commanded(), "run as lastgood made them"),
        (_with(layout.GATE, workingDir="/data"), "without a working directory"),
        (_with(layout.AGENT, workingDir="/data"), "without a working directory"),
        (_block, "block devices"),
        (_folder("--cache"), "its command and folders"),
        (_folder("--snapshots"), "its command and folders"),
        (_folder("--freshness", layout.AGENT), "its command and folders"),
        (_once_more("--snapshots", "/data"), "its command and folders"),
        (_once_more("--plan", "{}"), "its command and folders"),
        (_over("/lastgood/cache/files", layout.AGENT), "over the code or the files"),
        (_over("/lastgood"), "over the code or the files"),
        (_in_place_of_snapshots, "over the code or the files"),
        (_with(layout.GATE, livenessProbe=EXEC, restartPolicy="Always"), "lifecycle hooks"),
        (_with(layout.AGENT, readinessProbe=EXEC), "lifecycle hooks"),
        (_with(layout.AGENT, lifecycle={"postStart": EXEC}), "lifecycle hooks"),
        (_with(layout.AGENT, envFrom=[{"secretRef": {"name": "a"}}]), "lifecycle hooks"),
        (_with(layout.AGENT, args=["gate"]), "run as lastgood made them"),
        (_secure(runAsUser=0, runAsNonRoot=False), "securityContext was loosened"),
        (_root_of_the_pod, "securityContext was loosened"),
        (_secure(allowPrivilegeEscalation=True), "securityContext was loosened"),
        (_secure(readOnlyRootFilesystem=False), "securityContext was loosened"),
        (_secure(capabilities={"add": ["SYS_PTRACE"]}), "securityContext was loosened"),
        (_secure(seccompProfile={"type": "Unconfined"}), "securityContext was loosened"),
        (_secure(allowPrivilegeEscalation=None), "securityContext was loosened"),
        (_secure(appArmorProfile={"type": "Unconfined"}), "securityContext was loosened"),
        (_with(layout.GATE, restartPolicy="Always"), "an init container that ends"),
        (_gate_late, "before all others that mount"),
        (_squatted, "lastgood's volumes must be as lastgood made them"),
    ],
)
def test_p10_what_changes_gate_and_agent_is_refused(
    guarded: Enforced, change: Callable[[Manifest], None], says: str
) -> None:
    """Their code, their rights, their files, their order; in a follow pod and in its Job."""
    body = injected()
    change(body)
    answer = create(guarded, body)
    assert answer.by_policy, (answer.status, answer.body)
    assert says in answer.message


def test_p10_an_unmasked_proc_is_refused(guarded: Enforced) -> None:
    """Or the pod has none, where the API server drops the field, as Kubernetes 1.30 does."""
    body = injected()
    body["spec"]["hostUsers"] = False  # the API server asks for it
    part(body, layout.AGENT)["securityContext"]["procMount"] = "Unmasked"
    answer = create(guarded, body)
    if answer.status == 201:
        assert part(answer.body, layout.AGENT)["securityContext"].get("procMount") != "Unmasked"
        return
    assert answer.by_policy, (answer.status, answer.body)
    assert "securityContext was loosened" in answer.message


def test_p10_a_jobs_agent_that_would_never_end_is_refused(guarded: Enforced) -> None:
    """Without restartPolicy it is an init container that holds the pod for ever."""
    body = injected(restartPolicy="Never")
    del part(body, layout.AGENT)["restartPolicy"]
    answer = create(guarded, body)
    assert answer.by_policy
    assert "lastgood-agent keeps running" in answer.message


TOKEN = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


@pytest.mark.parametrize(
    "change",
    [
        _over(TOKEN, layout.AGENT),
        _over("/otel-auto-instrumentation-python", layout.AGENT),
        _over("/opt/datadog-packages/datadog-apm-inject"),
        _over("/etc/ld.so.preload"),
        _over("/vault/secrets"),
        _over("/etc/ssl/certs"),
        _over("/dev/shm", layout.AGENT),
        _with(layout.AGENT, env=[{"name": "PYTHONPATH", "value": "/otel"}]),
        _with(layout.GATE, env=[{"name": "PATH", "value": "/data"}]),
        _with(layout.GATE, env=[{"name": "LD_PRELOAD", "value": "/opt/datadog/launcher.so"}]),
        _with(layout.GATE, env=[{"name": "AWS_ROLE_ARN", "value": "a"}]),
        _with(layout.AGENT, ports=[{"containerPort": 9465}]),
        _with(layout.AGENT, imagePullPolicy="Always", terminationMessagePath="/dev/termination"),
    ],
    ids=[
        "EKS",
        "OpenTelemetry",
        "Datadog",
        "preload",
        "Vault",
        "certificates",
        "shared memory",
        "PYTHONPATH",
        "PATH",
        "LD_PRELOAD",
        "identity",
        "port",
        "pull",
    ],
)
def test_p1_what_other_injectors_add_is_let_in(
    guarded: Enforced, change: Callable[[Manifest], None]
) -> None:
    """To all containers of a pod, ours among them: variables, and mounts elsewhere."""
    body = injected()
    change(body)
    answer = create(guarded, body)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_no_gate, "containers or volumes are missing"),
        (_no_agent, "containers or volumes are missing"),
        (_no_snapshots, "containers or volumes are missing"),
        (_other_image, "run the image that the admin configured"),
        (_like_image, "run the image that the admin configured"),
        (_other_command, "as lastgood made them"),
        (_other_verb, "as lastgood made them"),
        (_on_disk, "lastgood-cache in memory"),
        (_other_secret, "lastgood's volumes must be as lastgood made them"),
        (_other_ages, "lastgood's volumes must be as lastgood made them"),
        (_mounting(layout.CACHE_VOLUME, readOnly=True), "mounts a volume of lastgood's"),
        (_mounting(layout.CACHE_VOLUME, subPath="files"), "mounts a volume of lastgood's"),
        (_mounting(layout.SNAPSHOTS_VOLUME, readOnly=True), "mounts a volume of lastgood's"),
        (_mounting(layout.FRESHNESS_VOLUME, readOnly=True), "mounts a volume of lastgood's"),
        (_init_mounting, "mounts a volume of lastgood's"),
        (_unmarked, "has lastgood.dev annotations, but"),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
@pytest.mark.parametrize("rendered", [False, True], ids=["admitted", "rendered"])
def test_p13_a_pod_that_was_changed_after_injection_is_refused(
    guarded: Enforced, change: Callable[[Manifest], None], says: str, *, rendered: bool
) -> None:
    """By another webhook, or by hand; with a reason that says what is wrong."""
    body = injected()
    change(body)
    if rendered:
        body = strip(body)
        says = "without its mark" if change is _unmarked else says
    answer = create(guarded, body)
    assert answer.by_policy, (answer.status, answer.body)
    assert says in answer.message

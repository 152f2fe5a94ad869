"""What an injected pod looks like: each row of the table in docs/contract.md."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from contract import annotations as keys
from contract import layout, plan
from policy.load import load_texts
from tests import make
from tests.webhook.given import (
    CONFIG,
    CRITICAL,
    DB,
    MOUNT,
    RELOAD,
    admitted,
    agent,
    gate,
    injected,
    named,
    names,
    plan_of,
    written,
)
from webhook.admit import admit
from webhook.inject import strip
from webhook.verdict import Outcome

MESH = [make.container("istio-init"), make.container("istio-proxy", restartPolicy="Always")]
MIGRATE = make.container("migrate")
GUARANTEED = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}


ROWS: dict[str, tuple[dict[str, str], dict[str, Any], list[str], list[str]]] = {
    "follow": (
        DB,
        {},
        ["istio-init", "istio-proxy", "lastgood-gate", "migrate"],
        ["app", "lastgood-agent"],
    ),
    "follow in a pod that ends": (
        DB,
        {"restartPolicy": "OnFailure"},
        ["istio-init", "istio-proxy", "lastgood-gate", "lastgood-agent", "migrate"],
        ["app"],
    ),
    "mount": (DB | MOUNT, {}, ["istio-init", "istio-proxy", "migrate"], ["app"]),
    "mount, refusing": (
        CRITICAL | MOUNT,
        {},
        ["istio-init", "istio-proxy", "lastgood-gate", "migrate"],
        ["app"],
    ),
    "mount, reloading": (
        DB | MOUNT | RELOAD,
        {},
        ["istio-init", "istio-proxy", "migrate"],
        ["app", "lastgood-agent"],
    ),
}


@pytest.mark.parametrize(("asked", "spec", "inits", "mains"), ROWS.values(), ids=ROWS)
def test_containers_stand_in_the_order_of_the_design(
    asked: dict[str, str], spec: dict[str, Any], inits: list[str], mains: list[str]
) -> None:
    """Meshes first, then ours, then the user's; the agent last, or native in a pod that ends."""
    pod = injected(asked=asked, initContainers=[*MESH, MIGRATE], **spec)
    assert names(pod, "initContainers") == inits
    assert names(pod, "containers") == mains
    if "lastgood-agent" in inits:
        assert agent(pod)["restartPolicy"] == "Always"


def test_follow_gives_the_app_a_directory_of_the_cache() -> None:
    """The app sees the cache's files read-only; ours see the whole cache and both projections."""
    pod = injected()
    cache = {"name": "lastgood-cache", "mountPath": "/var/run/secrets-cache"}
    assert pod["spec"]["containers"][0]["volumeMounts"] == [
        {**cache, "subPath": "files", "readOnly": True}
    ]
    for ours in (gate(pod), agent(pod)):
        assert [mount["mountPath"] for mount in ours["volumeMounts"]] == [
            "/lastgood/cache",
            "/lastgood/snapshots",
            "/lastgood/freshness",
            layout.TOKEN_PATH,
        ]
    assert named(pod, "lastgood-cache")["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}


def test_follow_projects_only_what_was_asked_for() -> None:
    """One source per snapshot, with the keys of its files and its meta, optional."""
    asked = DB | make.asking(user="aws-sm:/prod/payments/db#user", whole="aws-sm:/prod/payments/k")
    pod = injected(asked=asked)
    one, other = named(pod, "lastgood-snapshots")["projected"]["sources"]
    name = one["secret"]["name"]
    assert [item["path"] for item in one["secret"]["items"]] == [
        f"{name}/meta.json",
        f"{name}/p.password",
        f"{name}/p.user",
    ]
    assert [item["key"] for item in other["secret"]["items"]] == ["meta.json", "value"]
    assert one["secret"]["optional"] is True
    freshness = named(pod, "lastgood-freshness")["projected"]["sources"][0]["configMap"]
    assert freshness["name"] == "lastgood-freshness"
    assert [item["key"] for item in freshness["items"]] == [name, other["secret"]["name"]]


def test_mount_gives_the_app_the_snapshots_themselves() -> None:
    """Files under their own names, meta beside them, and the kubelet waits for them."""
    pod = injected(asked=DB | MOUNT)
    source = named(pod, "lastgood-snapshots")["projected"]["sources"][0]["secret"]
    assert source["items"] == [
        {"key": "p.password", "path": "db"},
        {"key": "meta.json", "path": f".lastgood/{source['name']}/meta.json"},
    ]
    assert "optional" not in source
    assert names(pod, "volumes") == ["lastgood-snapshots"]
    mount = pod["spec"]["containers"][0]["volumeMounts"][0]
    assert mount == {
        "name": "lastgood-snapshots",
        "mountPath": "/var/run/secrets-cache",
        "readOnly": True,
    }


def test_a_mount_pod_without_ours_carries_its_plan_as_a_mark() -> None:
    """The controller learns of its demand from there; with a gate the mark is gone."""
    found = injected(asked=DB | MOUNT)["metadata"]["annotations"]
    assert plan.from_wire(found[keys.PLAN]).mode == "mount"
    assert keys.PLAN not in injected(asked=DB)["metadata"]["annotations"]


def test_variables_name_files() -> None:
    """`env.<VAR>` sets the file's path in the chosen containers alone; P8: never a value."""
    asked = DB | {
        keys.ENV + "DB_FILE": "db",
        keys.FILE + "db": "pw",
        keys.CONTAINERS: "app",
        keys.MOUNT_PATH: "/secrets",
    }
    pod = injected(make.container(), make.container("other"), asked=asked)
    assert named(pod, "app")["env"] == [{"name": "DB_FILE", "value": "/secrets/pw"}]
    assert "env" not in named(pod, "other")
    assert "volumeMounts" not in named(pod, "other")


@pytest.mark.parametrize("mode", [{}, MOUNT], ids=["follow", "mount"])
def test_p8_a_value_goes_into_a_variable_only_by_reference(mode: dict[str, str]) -> None:
    """`env-value.<VAR>`, where policy allows it: the kubelet reads the Secret, and the pod that is
    sent again stays as it is.
    """
    policies = load_texts({"policy.yaml": written(allowEnvValue=True)})
    asked = make.asking(db="aws-sm:/prod/payments/db#password", all="aws-sm:/prod/payments/db")
    asked |= {keys.ENV_VALUE + "PASSWORD": "db", keys.ENV_VALUE + "ALL": "all"} | mode
    verdict = admit(make.pod("web-1", annotations=asked), "payments", policies, CONFIG)
    assert verdict.plan is not None
    snapshot = verdict.plan.snapshots[0].snapshot
    references = {
        item["name"]: item["valueFrom"]["secretKeyRef"] for item in named(verdict.pod, "app")["env"]
    }
    assert references == {
        "PASSWORD": {"name": snapshot, "key": "p.password", "optional": False},
        "ALL": {"name": snapshot, "key": "value", "optional": False},
    }
    assert admit(verdict.pod, "payments", policies, CONFIG).pod is verdict.pod


def test_the_apps_variables_may_use_ours() -> None:
    """`$(VAR)` means a variable that comes earlier, so ours come first; the app's keep their order,
    and a second call changes nothing.
    """
    policies = load_texts({"policy.yaml": written(allowEnvValue=True)})
    asked = DB | {keys.ENV_VALUE + "DB_PASSWORD": "db", keys.ENV + "DB_FILE": "db"}
    own = [
        {"name": "DATABASE_URL", "value": "postgres://app:$(DB_PASSWORD)@db"},
        {"name": "FILE", "value": "$(DB_FILE)"},
    ]
    verdict = admit(
        make.pod("web-1", make.container(env=own), annotations=asked), "payments", policies, CONFIG
    )
    env = named(verdict.pod, "app")["env"]
    assert {item["name"] for item in env[:2]} == {"DB_PASSWORD", "DB_FILE"}
    assert env[2:] == own
    assert admit(verdict.pod, "payments", policies, CONFIG).pod is verdict.pod


SAME = {
    "the link": ("/run/x", "/var/run/x"),
    "the link, the other way": ("/var/run/x", "/run/x"),
    "a path in it": ("/run/x", "/var/run/x/y"),
    "a path above it": ("/var/run/x/y", "/run/x"),
    "all of it": ("/run/x", "/var/run/"),
    "two slashes": ("/data/x", "//data//x"),
    "a step that leads nowhere": ("/data/x", "/data/./x/."),
    "a step back": ("/data/x", "/data/y/../x"),
    "a relative one": ("/data/x", "data/x/"),
    "the root": ("/data/x", "/"),
    "above the link": ("/var/run/x", "/var"),
    "the default": ("/var/run/secrets-cache", "/run/secrets-cache"),
}


@pytest.mark.parametrize(("ours", "theirs"), SAME.values(), ids=SAME)
def test_one_place_has_many_spellings(ours: str, theirs: str) -> None:
    """What the app mounts there already is a collision, however it is written."""
    mount = {"name": "data", "mountPath": theirs}
    pod = make.pod(
        "web", make.container(volumeMounts=[mount]), annotations=DB | {keys.MOUNT_PATH: ours}
    )
    assert f"container app already mounts {theirs}" in admitted(pod).message


@pytest.mark.parametrize("theirs", ["/data/xy", "/run/y", "/var/runx", "/var/run/x-y"])
def test_other_places_are_no_collision(theirs: str) -> None:
    """Not every path that begins alike."""
    mount = {"name": "data", "mountPath": theirs}
    asked = DB | {keys.MOUNT_PATH: "/data/x" if theirs == "/data/xy" else "/run/x"}
    pod = make.pod("web", make.container(volumeMounts=[mount]), annotations=asked)
    assert admitted(pod).outcome is Outcome.INJECTED


def test_a_variable_has_one_origin() -> None:
    """A path or a value, and the app's own variable is not replaced."""
    asked = DB | {keys.ENV + "X": "db", keys.ENV_VALUE + "X": "db"}
    assert "env.X sets the same variable" in admitted(make.pod(annotations=asked)).message


def test_a_named_init_container_gets_the_files() -> None:
    """Only when it is named, and after the gate."""
    pod = injected(asked=DB | {keys.CONTAINERS: "migrate"}, initContainers=[MIGRATE])
    assert "volumeMounts" in named(pod, "migrate")
    assert "volumeMounts" not in named(pod, "app")


def test_a_mesh_proxy_gets_no_files_unless_named() -> None:
    """A proxy that another injector adds is no app."""
    pod = injected(make.container(), make.container("linkerd-proxy"))
    assert "volumeMounts" not in named(pod, "linkerd-proxy")


def test_no_token_is_mounted_into_ours() -> None:
    """An empty volume masks the path, unless the pod has no token at all."""
    assert names(injected(), "volumes")[-1] == layout.NO_TOKEN_VOLUME
    without = injected(automountServiceAccountToken=False)
    assert layout.NO_TOKEN_VOLUME not in names(without, "volumes")
    assert gate(without)["volumeMounts"][-1]["mountPath"] == layout.FRESHNESS_MOUNT


def test_nothing_is_served_on_the_hosts_network() -> None:
    """The agent listens in the pod's own network only, and declares no port."""
    assert agent(injected())["args"][-2:] == ["--listen", "[::]:9465"]
    assert "--listen" not in agent(injected(hostNetwork=True))["args"]
    assert "ports" not in agent(injected())


@pytest.mark.parametrize("form", ["json", "dotenv"])
def test_a_bundle_is_of_the_plan_and_a_need(form: str) -> None:
    """An older gate passes over a member of the plan that it does not know. It refuses the
    argument, so that no pod starts without the bundle that it asked for.
    """
    pod = injected(asked={**DB, keys.BUNDLE: form})
    for container in (gate(pod), agent(pod)):
        assert plan_of(container).bundle == form
        at = container["args"].index("--needs")
        assert container["args"][at : at + 2] == ["--needs", "bundle"]
        assert at == 9
    assert "--needs" not in gate(injected())["args"]
    assert plan_of(gate(injected())).bundle is None


def test_the_cache_has_room_for_the_bundle() -> None:
    """Three revisions of it as well; JSON has up to two bytes for one of a value."""

    def size(**more: str) -> str:
        pod = injected(asked={**DB, **{keys.PREFIX + key: text for key, text in more.items()}})
        limit: str = named(pod, layout.CACHE_VOLUME)["emptyDir"]["sizeLimit"]
        return limit

    many = {f"secret.s{at}": f"aws-sm:/prod/payments/s{at}" for at in range(3)}
    assert size(**many) == "1Mi"
    assert size(**many, bundle="dotenv") == "2Mi"
    assert size(**many, bundle="json") == "3Mi"


def test_the_agent_leaves_its_port_to_the_app() -> None:
    """P10: where the app declares the agent's port, the agent serves nothing, and says so."""
    verdict = admitted(make.pod("web", make.container(ports=[{"containerPort": 9465}])))
    assert "--listen" not in agent(verdict.pod)["args"]
    assert any("9465" in text for text in verdict.warnings)


def test_a_guaranteed_pod_stays_guaranteed() -> None:
    """Ours then request what they may use; the gate never has less than 100m."""
    pod = injected(make.container(resources=GUARANTEED))
    for ours in (gate(pod), agent(pod)):
        assert ours["resources"]["requests"] == ours["resources"]["limits"]
    assert gate(pod)["resources"]["limits"] == {"cpu": "100m", "memory": "33Mi"}
    assert injected()["spec"]["initContainers"][0]["resources"]["requests"]["cpu"] == "10m"


def test_pod_level_resources_are_raised_to_hold_ours_once() -> None:
    """The agent's are added, again and again the same; what the pod does not set stays unset."""
    whole = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "100Mi", "x/y": "1"}}
    pod = injected(resources=whole)
    raised = {"requests": {"cpu": "110m"}, "limits": {"cpu": "300m", "memory": "133Mi", "x/y": "1"}}
    assert pod["spec"]["resources"] == raised
    assert admitted(pod).outcome is Outcome.UNCHANGED


def test_injecting_again_after_another_injector_converges() -> None:
    """Containers that came later get the mount, what came first in line stays first, additions
    stay.
    """
    pod = copy.deepcopy(injected(initContainers=[MIGRATE]))
    pod["spec"]["containers"].append(make.container("late"))
    pod["spec"]["initContainers"].insert(0, make.container("istio-init"))
    gate(pod)["env"] = [{"name": "ADDED", "value": "1"}]
    again = admitted(pod).pod
    assert names(again, "containers") == ["app", "lastgood-agent", "late"]
    assert names(again, "initContainers") == ["istio-init", "lastgood-gate", "migrate"]
    assert named(again, "late")["volumeMounts"][0]["name"] == layout.CACHE_VOLUME
    assert gate(again)["env"] == [{"name": "ADDED", "value": "1"}]
    assert admitted(again).outcome is Outcome.UNCHANGED


def test_a_changed_container_of_ours_is_put_right() -> None:
    """Whatever somebody wrote into ours, image, plan and security are as configured."""
    pod = copy.deepcopy(injected())
    gate(pod)["image"] = "registry.example/evil"
    gate(pod)["securityContext"] = {"privileged": True}
    assert gate(admitted(pod).pod) == gate(injected())


def test_pods_that_do_not_opt_in_are_left_alone() -> None:
    """P10: without annotations, with our marks alone, or as a mirror of a static pod."""
    for found in (
        {},
        {"other": "x"},
        {keys.INJECTED: "1"},
        DB | {"kubernetes.io/config.mirror": "x"},
    ):
        pod = make.pod(annotations=found)
        verdict = admitted(pod, "bare")
        assert verdict.outcome is Outcome.UNCHANGED
        assert verdict.pod is pod


def test_stripping_leaves_only_our_marks() -> None:
    """A rendered pod needs no webhook, and one that meets it is left alone."""
    pod = strip(injected(asked=DB | MOUNT | {"other": "x"}))
    assert set(pod["metadata"]["annotations"]) == {keys.INJECTED, keys.PLAN, "other"}
    assert admitted(pod, "bare").outcome is Outcome.UNCHANGED

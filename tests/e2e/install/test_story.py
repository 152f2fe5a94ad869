"""The story on a real kubelet, in order: each test leaves the cluster as the next one finds it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import RELOAD
from contract.snapshot import SECRET_TYPE
from tests.e2e.cluster import digest
from tests.e2e.install import evidence, world
from tests.e2e.install.kubectl import run, run_helm
from tests.e2e.install.world import POLICY, SYSTEM, TEAM, app, deployment, pod
from tests.make import asking
from tests.make.canary import leaks
from tests.make.embedded import REPOSITORY, until

if TYPE_CHECKING:
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
ASKS = {**asking(db="aws-sm:/e2e/db"), RELOAD: "http://127.0.0.1:8080/reload"}
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
NUDGED_S = 20.0
"""Until all apps have read a change, in seconds: the controller looks, writes and nudges."""


def names(application: str = "payments") -> list[str]:
    """Of a Deployment's pods."""
    return [item["metadata"]["name"] for item in TEAM.pods(application)]


def digests(application: str = "payments") -> set[str]:
    """What the apps have read last; `` for one that has said nothing."""
    said = (TEAM.said(name) for name in names(application))
    lasts = ([line for line in lines if "files" in line] for lines in said)
    return {lines[-1]["files"].get("db", {}).get("digest", "") if lines else "" for lines in lasts}


def read_by_all(value: str, application: str = "payments") -> float:
    """Seconds until every app has read the value."""
    began = time.monotonic()
    wanted = {digest(value)}
    until(f"{application} to read it", lambda: digests(application) == wanted, NUDGED_S)
    return time.monotonic() - began


def snapshot() -> Json:
    """The team's only one that is served."""
    found = TEAM.items("secretsnapshots")
    (item,) = (each for each in found if each["spec"]["source"]["reference"] == "/e2e/db")
    return item


def test_the_chart_installs_and_its_own_test_passes(installed: Provider) -> None:
    """Helm install: webhook and controller ready, and helm test passes."""
    del installed
    for name in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.rolled_out(name)
    run_helm("test", "lastgood", "--namespace", SYSTEM.namespace, "--timeout=90s")


def test_p1_a_deployment_with_annotations_becomes_ready(
    installed: Provider, settings: Settings, value: str
) -> None:
    """P1: a Deployment opts in by annotations; its pods are Ready and have read the value."""
    del installed
    TEAM.create(deployment("payments", app(settings, LISTEN="1"), ASKS, replicas=2))
    TEAM.rolled_out("payments")
    assert digests() == {digest(value)}
    for name in names():
        started = TEAM.said(name)[0]
        assert started["write"] is not None, "the app can't write where its files are"
        token = f"import os; print(os.path.exists({TOKEN!r}))"
        assert TEAM.execute(name, layout.AGENT, token).strip() == "False"
        assert any(
            line.split()[2] == "tmpfs" and line.split()[1].endswith("/secrets-cache")
            for line in started["mounts"].splitlines()
        )


def test_p1_twenty_pods_start_while_the_provider_answers_nothing(
    installed: Provider, value: str
) -> None:
    """P1: provider black-holed, 2 -> 20: all Ready, and no pod has called the provider."""
    installed.fault("blackhole")
    installed.forget_calls()
    TEAM.scale("payments", 20, within_s=180)
    assert digests() == {digest(value)}
    ours = {item["status"]["podIP"] for item in TEAM.pods("payments")}
    controllers = {item["status"]["podIP"] for item in SYSTEM.pods("lastgood-controller")}
    calls = installed.calls()
    assert not ours & calls.keys(), calls
    assert calls.keys() <= controllers, calls
    TEAM.scale("payments", 2)


def test_p10_with_all_of_ours_dead_others_start_and_opted_in_pods_are_refused(
    installed: Provider, settings: Settings, value: str
) -> None:
    """P10: webhook, controller and provider down: an unannotated pod starts, an annotated one is
    refused with a reason, a rendered one starts and reads the value.
    """
    rendered = render(settings)
    installed.fault("blackhole")
    try:
        for name in ("lastgood-webhook", "lastgood-controller"):
            SYSTEM.scale(name, 0)
        installed.forget_calls()
        TEAM.create(pod("plain", app(settings, FOLDER="/tmp"), {}))
        TEAM.kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=60s")
        said = TEAM.refused(pod("orphan", app(settings), ASKS))
        assert "pods.lastgood.dev" in said, said
        TEAM.create(rendered)
        TEAM.rolled_out("rendered")
        assert digests("rendered") == {digest(value)}
        assert digests() == {digest(value)}
        assert installed.calls() == {}
    finally:
        for name in ("lastgood-controller", "lastgood-webhook"):
            SYSTEM.scale(name, 2)
        TEAM.kubectl("delete", "pod", "plain", "--ignore-not-found", "--wait=false")


def render(settings: Settings) -> Json:
    """A Deployment as `lastgood render` prints it, by the cluster's own policy."""
    kinds = (("secretpolicies", POLICY), ("secretaccounts", "moto"), ("namespace", TEAM.namespace))
    objects = [TEAM.get(kind, name) for kind, name in kinds]
    folder = REPOSITORY / ".pytest_cache" / "e2e-policy"
    folder.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(objects):
        bare = {key: item[key] for key in ("apiVersion", "kind", "spec") if key in item}
        kept = {key: item["metadata"].get(key, {}) for key in ("name", "labels")}
        (folder / f"{number}.yaml").write_text(json.dumps({**bare, "metadata": kept}))
    words = ["render", "-f", "-", "--policy", str(folder), "-n", TEAM.namespace]
    manifest = deployment("rendered", app(settings), ASKS)
    out = run(
        sys.executable,
        "-m",
        "cli",
        *words,
        "--image",
        settings.image("agent"),
        "-o",
        "json",
        given=json.dumps(manifest),
    )
    document: Json = json.loads(out)
    return document


def test_a_rotation_reaches_running_pods_and_reloads_them(installed: Provider, value: str) -> None:
    """A rotation reaches running pods by a nudge; apps are told to reload, and none restarts."""
    installed.fault("pass")
    until(
        "the provider to be asked again",
        lambda: snapshot()["status"].get("failures", 0) == 0,
        90,
    )
    second = value.replace("first", "second")
    installed.put("/e2e/db", second)
    read_by_all(second)
    for name in names():
        assert any(line["event"] == "reload" for line in TEAM.said(name))
    for item in TEAM.pods("payments"):
        assert all(each["restartCount"] == 0 for each in item["status"]["containerStatuses"])


def test_a_rollback_reaches_pods_while_the_provider_is_down(
    installed: Provider, value: str
) -> None:
    """Rollback with the provider down: running pods have the version before within seconds."""
    installed.fault("blackhole")
    bad = snapshot()["status"]["version"]
    TEAM.patch("secretsnapshot", snapshot()["metadata"]["name"], {"spec": {"quarantined": [bad]}})
    read_by_all(value)


def test_a_revoked_version_leaves_pods_while_the_provider_is_down(
    installed: Provider, value: str
) -> None:
    """Revoke with the provider down: no running pod has the revoked value within seconds, and no
    Secret keeps it.
    """
    item = snapshot()
    version = item["status"]["version"]
    TEAM.patch("secretsnapshot", item["metadata"]["name"], {"spec": {"revoked": [version]}})
    until("the value to leave", lambda: digest(value) not in digests(), NUDGED_S)
    until(
        "the status to say so",
        lambda: version in snapshot()["status"].get("revoked", ()),
        NUDGED_S,
    )
    until("the Secrets to lose it", lambda: kept() and value.encode() not in kept(), NUDGED_S)
    third = value.replace("first", "third")
    installed.fault("pass")
    installed.put("/e2e/db", third)
    until("the next version", lambda: digests() == {digest(third)}, 120)


def test_a_source_that_never_synced_holds_the_pod_until_it_is_there(
    installed: Provider, settings: Settings, value: str
) -> None:
    """Never synced: the gate waits, an Event says for what, and the app starts within 5 s of the
    snapshot's Secret.
    """
    installed.fault("pass")
    asks = asking(db="aws-sm:/e2e/late")
    TEAM.create(deployment("late", app(settings), asks))
    until(
        "an Event about the source",
        lambda: "/e2e/late" in TEAM.kubectl("get", "events", "-o", "json"),
        60,
    )
    until("the kubelet to say that it is not ready", partial(is_ready, "late", "False"), 30)
    late = value.replace("first", "late")
    installed.put("/e2e/late", late)
    TEAM.rolled_out("late", 120)
    (started,) = TEAM.pods("late")
    states = started["status"]["containerStatuses"]
    (state,) = (item for item in states if item["name"] == "app")
    (made,) = (
        item["metadata"]["creationTimestamp"]
        for item in TEAM.items("secrets", f"--field-selector=type={SECRET_TYPE}")
        if item["metadata"]["name"] in json.dumps(started["spec"]["volumes"])
    )
    waited = at(state["state"]["running"]["startedAt"]) - at(made)
    assert waited <= 5 + 1, "seconds; both times are whole ones"
    assert digests("late") == {digest(late)}


def restarts(name: str) -> dict[str, int]:
    """Of a pod's containers."""
    status = TEAM.get("pod", name)["status"]
    items = (*status["containerStatuses"], *status.get("initContainerStatuses", ()))
    return {item["name"]: item["restartCount"] for item in items}


def ended_once(name: str) -> bool:
    """Whether a pod's agent was started again."""
    return restarts(name)[layout.AGENT] == 1


def is_ready(application: str, status: str) -> bool:
    """Whether the condition Ready of its only pod has this status."""
    (item,) = TEAM.pods(application)
    return evidence.condition(item, "Ready").get("status") == status


def kept() -> list[bytes]:
    """All values in the team's snapshots."""
    found = TEAM.items("secrets", f"--field-selector=type={SECRET_TYPE}")
    return [base64.b64decode(raw) for item in found for raw in item.get("data", {}).values()]


def at(text: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def test_running_apps_keep_their_files_through_restarts_and_a_tried_deletion(
    installed: Provider,
) -> None:
    """Controller and webhook restarted, an agent ended, the deletion of a snapshot's Secret tried:
    running apps keep their files and their process.
    """
    del installed
    before = {name: TEAM.said(name) for name in names()}
    secret = snapshot()["metadata"]["name"]
    tried = subprocess.run(
        ["kubectl", "-n", TEAM.namespace, "delete", "secret", secret],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode != 0
    assert "controller" in tried.stderr
    for name in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.kubectl("rollout", "restart", f"deployment/{name}")
        SYSTEM.rolled_out(name)
    for name in before:
        evidence.end(TEAM, name, layout.AGENT)
        until("the agent's restart", partial(ended_once, name), 30)
        assert restarts(name)["app"] == 0
    assert {name: TEAM.said(name) for name in names()} == before


def test_a_job_ends_beside_its_agent(installed: Provider, settings: Settings) -> None:
    """A Job ends when its work is done, with the agent beside it."""
    installed.fault("pass")
    spec = {**app(settings, ONCE="1"), "restartPolicy": "Never"}
    template = {"metadata": {"labels": {"app": "job"}, "annotations": ASKS}, "spec": spec}
    TEAM.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "settle"},
            "spec": {"backoffLimit": 0, "template": template},
        }
    )
    TEAM.kubectl("wait", "--for=condition=Complete", "job/settle", "--timeout=90s")


def test_p13_no_value_is_anywhere_but_in_snapshots_and_memory(
    installed: Provider, settings: Settings
) -> None:
    """P13: no value in any log, Event, object (but snapshots), environment, command line, or file
    of the node's disk outside etcd.
    """
    del installed
    sinks = dict(evidence.objects())
    for place in (SYSTEM, TEAM, world.PROVIDER):
        sinks |= dict(evidence.logs(place)) | dict(evidence.processes(place))
    assert len(sinks) > 20
    found = {name: spelled for name, text in sinks.items() if (spelled := leaks(text))}
    assert found == {}
    if settings.node_folder is not None:
        assert on_disk(settings.node_folder) == ""


def on_disk(folder: str) -> str:
    """Files with the value's start in them; file systems in memory are not crossed into."""
    command = ["grep", "-rlF", "canary-7f3a", "--exclude-dir=etcd", "--exclude-dir=containerd"]
    paths = [path for path in (f"{folder}/kubelet", f"{folder}/pod-logs") if os.path.isdir(path)]  # noqa: PTH112
    done = subprocess.run(
        ["find", *paths, "-xdev", "-type", "f", "-exec", *command, "{}", "+"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_after_the_uninstall_nothing_blocks_pods_and_running_ones_keep_their_files(
    installed: Provider, settings: Settings
) -> None:
    """Helm uninstall: running pods keep their files, new pods of any kind are not blocked."""
    del installed
    before = digests()
    run_helm("uninstall", "lastgood", "--namespace", SYSTEM.namespace, "--wait")
    assert digests() == before
    TEAM.create(pod("after", app(settings, FOLDER="/tmp"), {}))
    TEAM.kubectl("wait", "--for=condition=Ready", "pod/after", "--timeout=60s")
    assert run("kubectl", "get", "secretsnapshots", "-n", TEAM.namespace, "-o", "name")

"""Install, upgrade, uninstall and install again, by Helm on a real API server: nothing is left that
blocks pods or deletions, and what stayed is taken over (docs/design/016).
"""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from controller.lease import LEASE
from tests.chart.rendering import CHART
from tests.e2e.controlled import PATIENCE_S, Json
from tests.e2e.installed import KINDS, RELEASE, SYSTEM, opted_in
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.installed import Installed

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]
DB = "/prod/db"
ONE = b'{"password":"one"}'
CRDS = ("-f", str(CHART / "crds"))


def _serving(world: Installed) -> None:
    """The chart is installed, its controller leads, and a pod's source is served and in use."""
    world.install()
    world.provide(DB, ONE)
    world.pod("web-1", DB)
    world.lead()
    world.serves(DB, ONE)
    until("policy and account to be held", lambda: _in_use(world), PATIENCE_S)


def _in_use(world: Installed) -> bool:
    found = [world.get(kind, world.name) or {} for kind in KINDS[1:]]
    return all(item.get("status", {}).get("inUse") for item in found)


def _lease(world: Installed) -> Json:
    spec: Json = json.loads(world.kubectl("get", "lease", LEASE, "-n", SYSTEM, "-o", "json"))[
        "spec"
    ]
    return spec


def _ends(world: Installed) -> None:
    """The controller, as the kubelet ends it when its Deployment is gone."""
    world.processes[-1].send_signal(signal.SIGTERM)
    world.processes[-1].wait(PATIENCE_S)


def test_p11_an_uninstalled_chart_blocks_nothing(installed: Installed) -> None:
    """No pod, no deletion of policies, accounts, kinds or namespaces; and it takes no value."""
    _serving(installed)
    refusal = installed.kubectl("delete", ",".join(KINDS[1:]), installed.name, code=1)
    assert refusal == "", "both are in use, so nothing is deleted"
    installed.uninstall()
    _ends(installed)
    assert installed.keys(DB)["value"] == ONE
    stay = {
        "customresourcedefinition/secretaccounts.lastgood.dev",
        "customresourcedefinition/secretpolicies.lastgood.dev",
        "customresourcedefinition/secretsnapshots.lastgood.dev",
        f"secretaccount/{installed.name}",
        f"secretpolicy/{installed.name}",
    }
    # The garbage collector takes the pods after their Deployments.
    until("the rest to be gone", lambda: _left(installed) <= stay, PATIENCE_S)
    assert _left(installed) == stay
    installed.create(opted_in("annotated", {"lastgood.dev/secret.a": "file:/a"}))
    installed.create(opted_in("plain", {}))
    installed.kubectl("label", "pod", "web-1", "changed=yes")
    until("what was in use to be deleted", installed.forgotten, PATIENCE_S)
    installed.kubectl("delete", *CRDS, "--timeout=40s")
    installed.kubectl("delete", "namespace", installed.name, "--timeout=50s")


def _left(world: Installed) -> set[str]:
    """All that has the chart's label and is the release's, or in its namespace; other tests keep
    a copy of the chart's objects under other names meanwhile.
    """
    kinds = world.kubectl("api-resources", "--verbs=list,delete", "-o", "name").split()
    kinds = [kind for kind in kinds if kind not in {"events", "events.events.k8s.io"}]
    words = ("-l", "app.kubernetes.io/name=lastgood", "-o", "json", "--ignore-not-found")
    found = world.kubectl("get", ",".join(kinds), "-A", *words)
    items = json.loads(found)["items"] if found else []
    return {f"{item['kind'].lower()}/{item['metadata']['name']}" for item in items if _ours(item)}


def _ours(item: Json) -> bool:
    metadata = item["metadata"]
    released = (metadata.get("annotations") or {}).get("meta.helm.sh/release-namespace")
    return SYSTEM in {released, metadata.get("namespace")}


def test_p11_a_new_installation_takes_over_what_stayed(installed: Installed) -> None:
    """Kinds, account, policy, snapshots and their ages: nothing is fetched again."""
    _serving(installed)
    secret, entry = installed.get("secret", installed.snapshot(DB)), installed.entry(DB)
    installed.uninstall()
    _ends(installed)
    installed.install()
    installed.lead()
    installed.observed(DB)
    assert installed.calls() == 0
    assert installed.get("secret", installed.snapshot(DB)) == secret
    assert installed.entry(DB) == entry
    assert _in_use(installed)


def test_p11_an_installation_over_an_object_that_is_being_deleted(installed: Installed) -> None:
    """Somebody's finalizer holds the policy; it goes once that is taken off, an upgrade makes it
    again, and the value is still there.
    """
    _serving(installed)
    installed.uninstall()
    _ends(installed)
    theirs = {"metadata": {"finalizers": ["example.com/theirs"]}}
    installed.patch("secretpolicy", installed.name, theirs)
    until("a deletion to be taken", lambda: _is_going(installed), PATIENCE_S)
    installed.install()
    installed.patch("secretpolicy", installed.name, {"metadata": {"finalizers": None}})
    assert installed.get("secretpolicy", installed.name) is None
    installed.upgrade()
    installed.lead()
    until("policy and account to be held", lambda: _in_use(installed), PATIENCE_S)
    installed.observed(DB)
    assert not installed.status(DB).get("refusedSince")
    assert installed.keys(DB)["value"] == ONE
    assert installed.calls() == 0


def _is_going(world: Installed) -> bool:
    """Asks for the policy's deletion; the API server's own copy of the chart's policies, which
    refuse that while it is in use, is a moment older than the uninstallation.
    """
    words = ("kubectl", "delete", "secretpolicy", world.name, "--wait=false")
    return subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("applied", [False, True], ids=["no definitions", "applied before"])
def test_values_are_what_is_in_force(installed: Installed, *, applied: bool) -> None:
    """Of accounts and policies: after an installation, no matter who brought the definitions, after
    each upgrade, and after one that takes over. One that Helm would not change is refused.
    """
    installed.kubectl("delete", *CRDS, "--ignore-not-found", "--timeout=40s")
    if applied:
        installed.kubectl("apply", *CRDS)
        installed.kubectl("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    installed.install()
    burst = f"accounts.{installed.name}.budget.burst"
    assert _burst(installed) == 100
    installed.upgrade("--set", f"{burst}=7")
    assert _burst(installed) == 7
    installed.upgrade()
    assert _burst(installed) == 100
    installed.uninstall()
    other = ("install", RELEASE, str(CHART), "--values", "-", "--set", f"{burst}=8")
    refusal = installed.helm(*other, code=1)
    assert f"SecretAccount {installed.name} is in the cluster already" in refusal
    assert f"kubectl delete secretaccount {installed.name}" in refusal
    installed.kubectl("delete", "secretaccount", installed.name)
    installed.helm(*other)
    assert _burst(installed) == 8


def _burst(world: Installed) -> int:
    found = world.get("secretaccount", world.name)
    assert found is not None
    return int(found["spec"]["budget"]["burst"])


def test_p11_an_upgrade_leaves_the_leader_its_lease(installed: Installed) -> None:
    """The chart's is empty, so that the first leader need not wait; and stays the leader's."""
    installed.install()
    assert not _lease(installed).get("holderIdentity")
    installed.lead()
    before = _lease(installed)
    assert before["holderIdentity"]
    installed.upgrade()
    after = _lease(installed)
    assert after["holderIdentity"] == before["holderIdentity"]
    assert after["acquireTime"] == before["acquireTime"]


def test_a_second_installation_is_refused(installed: Installed) -> None:
    """By its name, with what to do instead; also for one that would take everything over."""
    installed.install()
    second = ("install", "second", str(CHART), "--take-ownership", "--values", "-")
    refusal = installed.helm(*second, code=1)
    assert f"installed in this cluster already, as release {RELEASE}" in refusal
    assert f"helm upgrade {RELEASE} --namespace {SYSTEM}" in refusal

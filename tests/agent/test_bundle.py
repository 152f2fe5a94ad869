"""The one file with all secrets: gate and agent as processes."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent.sync import sync_once
from contract.layout import GATE_MISCONFIGURED
from contract.plan import BUNDLES, DOTENV, JSON
from contract.reasons import CacheReason, Serving
from tests import make
from tests.agent.pod import AgentPod, three_secrets, until
from tests.agent.test_cache import MOST_STEPS, kill_at, publish
from tests.contract.env_file import by_shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.plan import Plan

NAMES = ("s0", "s1", "s2")


def read(pod: AgentPod) -> dict[str, str]:
    """The bundle of the pod, by the secrets' names, whatever its form."""
    if pod.plan.bundle == JSON:
        found: dict[str, str] = json.loads((pod.files / BUNDLES[JSON]).read_bytes())
        return found
    return {name.lower(): raw for name, raw in by_shell("sh", pod.files / BUNDLES[DOTENV]).items()}


@pytest.fixture(params=list(BUNDLES))
def bundled(request: pytest.FixtureRequest, new_pod: Callable[[Plan], AgentPod]) -> AgentPod:
    """A pod with three secrets and a bundle of each form."""
    return new_pod(three_secrets().replace(bundle=request.param))


def test_the_gate_writes_it_beside_the_files(bundled: AgentPod) -> None:
    """With the mode and the owner of the files, and as one of the revision."""
    bundled.mount_all("old")
    assert bundled.gate().returncode == 0
    assert read(bundled) == {name: f"old-{name}" for name in NAMES}
    file = bundled.files / BUNDLES[bundled.plan.bundle or ""]
    assert file.is_symlink()
    assert file.resolve().parent == (bundled.files / "..data").resolve()
    assert file.stat().st_mode & 0o777 == 0o400
    assert set(bundled.shown()) == {*NAMES, file.name}


def test_a_rotation_of_one_secret_arrives_in_it(bundled: AgentPod) -> None:
    """In the revision that has the new file, and the app is shown both at once."""
    bundled.mount_all("old")
    assert bundled.gate().returncode == 0
    with bundled.start("follow") as agent:
        bundled.mount(bundled.plan.snapshots[0], {"value": b"new"}, version="v2")
        until(lambda: bundled.shown()["s0"] == b"new")
        assert read(bundled) == {"s0": "new", "s1": "old-s1", "s2": "old-s2"}
        until(lambda: agent.events("agent.published"))
        assert len(agent.events("agent.published")) == 1


def test_a_value_that_does_not_fit_holds_a_starting_pod(bundled: AgentPod) -> None:
    """There is no bundle, and no wrong one. The gate names the secret, and goes on once it fits."""
    bundled.mount_all("old")
    bundled.mount(bundled.plan.snapshots[1], {"value": b"\xff\x00"}, version="v2")
    with bundled.start("gate") as gate:
        (line, *_) = until(lambda: gate.events("gate.waiting"))
        assert line["secrets"] == {"s1": CacheReason.UNFIT_FOR_BUNDLE.value}
        assert not bundled.files.exists() or bundled.shown() == {}
        bundled.mount(bundled.plan.snapshots[1], {"value": b"fits"}, version="v3")
        assert gate.process.wait(timeout=20) == 0
    assert read(bundled)["s1"] == "fits"


def test_a_running_pod_keeps_the_last_value_that_fitted(bundled: AgentPod) -> None:
    """In file and bundle alike, so that they are of one version; status and log say why."""
    bundled.mount_all("old")
    assert bundled.gate().returncode == 0
    with bundled.start("follow") as agent:
        bundled.mount(bundled.plan.snapshots[1], {"value": b"\xff"}, version="v2", write=False)
        bundled.mount(bundled.plan.snapshots[0], {"value": b"new"}, version="v2")
        until(lambda: bundled.status().secrets["s1"].reason == "unfit-for-bundle")
        assert read(bundled) == {"s0": "new", "s1": "old-s1", "s2": "old-s2"}
        assert bundled.shown()["s1"] == b"old-s1"
        assert bundled.status().secrets["s1"].version == "v1"
        (held,) = until(lambda: agent.events("agent.holding"))
        assert held["secrets"] == {"s1": "unfit-for-bundle"}


def test_p12_a_revoked_value_leaves_it(bundled: AgentPod) -> None:
    """P12: nothing revoked stays in a pod, in no form; what is left stays readable."""
    bundled.mount_all("old")
    assert bundled.gate().returncode == 0
    with bundled.start("follow"):
        first = bundled.plan.snapshots[0]
        bundled.mount(first, {"value": b""}, make.meta(first, serving=Serving.REVOKED))
        until(lambda: bundled.status().secrets["s0"].reason == "revoked")
        assert read(bundled) == {"s1": "old-s1", "s2": "old-s2"}
        held = subprocess.run(
            ["grep", "-r", "old-s0", str(bundled.cache)], check=False, capture_output=True
        )
        assert held.returncode == 1


def test_a_bundle_that_comes_back_is_a_change_for_the_app(bundled: AgentPod) -> None:
    """It went with a revoked value whose next one does not fit, while the other files stayed."""
    first = bundled.plan.snapshots[0]

    def altered() -> bool:
        return sync_once(bundled.plan, bundled.folders, time.time(), starting=False).altered

    bundled.mount_all("old")
    assert not altered()
    unfit = make.meta(first, version="v2", fetched_at=time.time(), revoked=("v1",))
    bundled.mount(first, {"value": b"\xff"}, unfit)
    assert altered()
    assert set(bundled.shown()) == {"s1", "s2"}
    bundled.mount(first, {"value": b""}, make.meta(first, serving=Serving.REVOKED))
    assert altered()
    assert read(bundled) == {"s1": "old-s1", "s2": "old-s2"}
    assert not altered()


def test_there_is_none_until_each_secret_has_come(bundled: AgentPod) -> None:
    """An agent that starts before its gate publishes files, and no bundle with half of them."""
    first, *rest = bundled.plan.snapshots
    bundled.mount(first, {"value": b"1"})
    with bundled.start("follow"):
        until(lambda: set(bundled.shown()) == {"s0"})
        for each in rest:
            bundled.mount(each, {"value": b"1"})
        until(lambda: len(bundled.shown()) == 4)
        assert read(bundled) == dict.fromkeys(NAMES, "1")


def test_a_bundle_that_is_not_as_it_should_be_is_written_again(bundled: AgentPod) -> None:
    """As after an agent of another image: the files are the same, and the bundle is missing."""
    bundled.mount_all("old")
    plan, bundled.plan = bundled.plan, bundled.plan.replace(bundle=None)
    assert bundled.gate().returncode == 0
    assert set(bundled.shown()) == set(NAMES)
    bundled.plan = plan
    assert bundled.gate().returncode == 0
    assert read(bundled) == {name: f"old-{name}" for name in NAMES}


def test_p3_killed_after_any_step_it_is_old_or_new_and_of_its_files(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """P3: the bundle is of the revision whose files are shown; the next writer heals the rest."""
    pod = new_pod(three_secrets().replace(bundle=JSON))
    killed = 0
    for steps in range(1, MOST_STEPS):
        pod.empty_cache()
        pod.mount_all("old", "v1")
        publish(pod)
        pod.mount_all("new", "v2")
        code = kill_at(pod, steps)
        assert read(pod) == {name: pod.shown()[name].decode() for name in NAMES}
        assert read(pod)["s0"] in ("old-s0", "new-s0")
        publish(pod)
        assert read(pod) == {name: f"new-{name}" for name in NAMES}
        if code == 0:
            break
        killed += 1
    assert killed >= 13


def test_it_is_not_written_again_when_nothing_changed(bundled: AgentPod) -> None:
    """A second look leaves the revision as it was."""
    bundled.mount_all("value")
    publish(bundled)
    before = (bundled.files / "..data").readlink()
    publish(bundled)
    assert (bundled.files / "..data").readlink() == before


def _wrong(pod: AgentPod, *more: str) -> dict[str, Any]:
    """What a gate with these arguments says when it can never work."""
    ran = subprocess.run(pod.command("gate", *more), capture_output=True, timeout=20, check=False)
    assert ran.returncode == GATE_MISCONFIGURED
    return pod.message()


def test_a_gate_refuses_what_it_does_not_know(bundled: AgentPod) -> None:
    """What a newer webhook asks for is never passed over: no pod starts without its bundle."""
    bundled.mount_all("old")
    assert (
        "--needs has a word that this version does not know. Allowed: bundle"
        in (_wrong(bundled, "--needs", "bundle,toml")["message"])
    )
    ran = subprocess.run(
        bundled.command("gate", "--needs", "bundle"), capture_output=True, timeout=20, check=False
    )
    assert ran.returncode == 0


def test_a_plan_with_names_that_are_no_variables_is_refused(
    new_pod: Callable[[Plan], AgentPod],
) -> None:
    """The webhook denies them; a plan may be of somebody else's hand."""
    snapshot = make.planned_snapshot(make.planned_file("a-b"), make.planned_file("a.b", part="x"))
    pod = new_pod(make.plan(snapshot, bundle=DOTENV))
    message = _wrong(pod)["message"]
    assert message == "secret 'a.b': the bundle's variable A_B is also that of a-b"


def test_the_gate_shows_no_value_of_it(bundled: AgentPod) -> None:
    """Neither log nor termination message has a value, whether it fits or not."""
    canary = make.CANARY if bundled.plan.bundle == JSON else make.CANARY.hex().encode()
    bundled.mount_all("old")
    bundled.mount(bundled.plan.snapshots[0], {"value": canary + b"\xff"}, version="v2")
    with bundled.start("gate") as gate:
        until(lambda: gate.events("gate.waiting"))
    bundled.mount(bundled.plan.snapshots[0], {"value": canary}, version="v3")
    ran = bundled.gate()
    assert canary.decode() in read(bundled).values()
    assert canary not in ran.stderr + ran.stdout
    assert canary not in bundled.termination_log.read_bytes()
    assert canary not in (bundled.folder / "gate.log").read_bytes()

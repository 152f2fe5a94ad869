"""P1 and P10: pods start while the provider, and all of ours, answer nothing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from contract.annotations import RELOAD
from tests.e2e.install.kubectl import run
from tests.e2e.install.team import read_by_all, state, well
from tests.e2e.install.world import DB, NOTHING, POLICY, SYSTEM, TEAM, app, deployment, pod
from tests.make import asking
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
ASKS = {**asking(db=DB), RELOAD: "http://127.0.0.1:8080/reload"}
PARAMETER = "/e2e/parameter"
OURS = ("lastgood-webhook", "lastgood-controller")
COUNTED_S = 60.0
CALL = """
import urllib.request
try:
    urllib.request.urlopen("http://{address}", timeout=1)
except OSError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def payments(installed: Provider, settings: Settings, value: str) -> Iterator[Provider]:
    """Two pods by annotation, one with a parameter, and one by a rendered manifest; then the
    provider answers nothing, and counts who asks: the controllers do.
    """
    rendered = render(settings)
    TEAM.create(deployment("payments", app(settings, LISTEN="1"), ASKS, replicas=2))
    TEAM.create(rendered)
    installed.put_parameter(PARAMETER, value)
    asks = asking(db=f"aws-ssm:{PARAMETER}")
    TEAM.create(deployment("parameters", app(settings), asks))
    for name in ("payments", "rendered", "parameters"):
        TEAM.rolled_out(name)
    installed.fault("blackhole")
    installed.forget_calls()
    try:
        until("a controller's call", lambda: installed.calls().keys() & controllers(), COUNTED_S)
        yield installed
    finally:
        well(installed, "/e2e/db", PARAMETER)


@pytest.fixture(scope="module")
def all_down(payments: Provider) -> Iterator[Provider]:
    """Webhook and controller have no process, beside a provider that answers nothing."""
    try:
        for name in OURS:
            SYSTEM.scale(name, 0)
        payments.forget_calls()
        yield payments
    finally:
        for name in OURS:
            SYSTEM.kubectl("scale", f"deployment/{name}", "--replicas=2")
        for name in OURS:
            SYSTEM.scale(name, 2)


def render(settings: Settings) -> Json:
    """A Deployment as `lastgood render` prints it, by the cluster's own policy."""
    accounts = TEAM.items("secretaccounts")
    objects = [*accounts, TEAM.get("secretpolicies", POLICY), TEAM.get("namespace", TEAM.namespace)]
    folder = REPOSITORY / ".pytest_cache" / "e2e-policy"
    folder.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(objects):
        bare = {key: item[key] for key in ("apiVersion", "kind", "spec") if key in item}
        kept = {key: item["metadata"].get(key, {}) for key in ("name", "labels")}
        (folder / f"{number}.yaml").write_text(json.dumps({**bare, "metadata": kept}))
    words = ["render", "-f", "-", "--policy", str(folder), "-n", TEAM.namespace]
    image = ["--image", settings.image("agent"), "-o", "json"]
    manifest = json.dumps(deployment("rendered", app(settings), ASKS))
    out = run(sys.executable, "-m", "cli", *words, *image, given=manifest)
    document: Json = json.loads(out)
    return document


def controllers() -> set[str]:
    """Their addresses."""
    return {item["status"].get("podIP", "") for item in SYSTEM.pods("lastgood-controller")}


def twenty(provider: Provider, name: str, value: str) -> None:
    """Scales a Deployment from its few pods to 20 and back; none of them calls the provider."""
    TEAM.scale(name, 20, within_s=180)
    read_by_all(value, name)  # an app that is Ready may not have said its first line yet
    theirs = {item["status"]["podIP"] for item in TEAM.pods(name)}
    assert not theirs & provider.calls().keys()
    TEAM.kubectl("scale", f"deployment/{name}", "--replicas=1")


def test_p1_twenty_pods_start_while_the_provider_answers_nothing(
    payments: Provider, value: str
) -> None:
    """P1: provider black-holed, 2 -> 20: all Ready, and no pod has called the provider."""
    twenty(payments, "payments", value)
    assert payments.calls().keys() <= controllers()


def test_p1_pods_with_a_parameter_start_while_parameter_store_answers_nothing(
    payments: Provider, value: str
) -> None:
    """P1: provider black-holed, 1 -> 3 with a SecureString: all Ready with the last good value. The
    account says that its provider is away.
    """
    TEAM.scale("parameters", 3, within_s=60)
    read_by_all(value, "parameters")
    theirs = {item["status"]["podIP"] for item in TEAM.pods("parameters")}
    assert not theirs & payments.calls().keys()
    assert str(state(PARAMETER)["version"]).isdecimal()
    until("the open breaker", lambda: breaker() == "Open", COUNTED_S)


def breaker() -> str | None:
    """As `kubectl get sacc` shows it."""
    [found] = [it for it in TEAM.items("secretaccounts") if it["metadata"]["name"] == "moto"]
    shown: str | None = found.get("status", {}).get("breaker")
    return shown


def test_p10_with_all_of_ours_down_others_start_and_opted_in_pods_are_refused(
    all_down: Provider, settings: Settings
) -> None:
    """P10: webhook, controller and provider down: an unannotated pod starts, an annotated one is
    refused with a reason, and never let in bare.
    """
    TEAM.create(pod("plain", app(settings, FOLDER=NOTHING), {}))
    TEAM.kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=60s")
    said = TEAM.refused(pod("orphan", app(settings), ASKS))
    assert "pods.lastgood.dev" in said, said
    assert all_down.calls() == {}


def test_p1_twenty_rendered_pods_start_with_all_of_ours_down(
    all_down: Provider, value: str
) -> None:
    """P1: webhook, controller and provider down: a rendered manifest, 1 -> 20, all Ready, and the
    provider is called by nobody. A pod that did call it would be counted.
    """
    twenty(all_down, "rendered", value)
    assert all_down.calls() == {}
    caller = TEAM.pods("payments")[0]
    TEAM.execute(caller["metadata"]["name"], "app", CALL.format(address=all_down.address))
    assert all_down.calls().keys() == {caller["status"]["podIP"]}

"""The controller refuses to start where something forbidden is granted: each act of its own check,
with its identity, where the policy that refuses it is not in force.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from controller.cluster.selfcheck import PROBE
from tests.e2e.controlled import PATIENCE_S, Json
from tests.e2e.installed import SYSTEM, opted_in
from tests.make.embedded import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.enforced import Answer, Server
    from tests.e2e.installed import Installed

    Act = Callable[[Server], Answer]

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]
CONTROLLER = f"system:serviceaccount:{SYSTEM}:lastgood-controller"
SECRETS = f"/api/v1/namespaces/{SYSTEM}/secrets"
BINDING = "validatingadmissionpolicybinding"
POD = "lastgood-controller-0"
OURS = "lastgood-controller-secrets"


def _label(server: Server) -> Answer:
    path = f"/api/v1/namespaces/{SYSTEM}/pods/{POD}"
    return server.act(CONTROLLER, "PATCH", path, {"metadata": {"labels": {"a": "b"}}}, dry=True)


def _delete(server: Server) -> Answer:
    return server.act(CONTROLLER, "DELETE", f"{SECRETS}/{PROBE}", dry=True)


def _patch(server: Server) -> Answer:
    return server.act(CONTROLLER, "PATCH", f"{SECRETS}/{PROBE}", {})


def _create(server: Server) -> Answer:
    metadata = {"generateName": "lastgood-e2e-"}
    body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata}
    return server.act(CONTROLLER, "POST", SECRETS, body, dry=True)


def _without(world: Installed, binding: str) -> None:
    world.kubectl("delete", BINDING, binding)


def _only_of(world: Installed, *operations: str) -> None:
    """The policy of Secrets is bound to these operations alone."""
    rule = {"apiGroups": [""], "apiVersions": ["*"], "resources": ["secrets"]}
    found = {"resourceRules": [{**rule, "operations": operations}]}
    world.patch(BINDING, OURS, {"spec": {"matchResources": found}})


LOOSENED: dict[str, tuple[Callable[[Installed], None], Act]] = {
    "label a pod": (lambda world: _without(world, "lastgood-controller-pods"), _label),
    "create a Secret of another type": (lambda world: _without(world, OURS), _create),
    "read a foreign Secret by an empty patch": (
        lambda world: _only_of(world, "CREATE", "DELETE"),
        _patch,
    ),
    "read a foreign Secret by a dry-run delete": (
        lambda world: _only_of(world, "CREATE", "UPDATE"),
        _delete,
    ),
}
"""Each act: how it becomes a right, and how it is tried without effect."""


def _refusal(world: Installed) -> str:
    """What a controller says that does not start."""
    process = world.start()
    assert process.wait(PATIENCE_S) == 1, world.logs[-1].read_text()
    assert not world.said("controller.restored")
    return world.logs[-1].read_text()


def _in_force(server: Server) -> bool:
    """Whether the API server's own copy of the policies is here, after an installation."""
    return all(act(server).by_policy for _, act in LOOSENED.values())


@pytest.fixture
def own_pod(installed: Installed, server: Server, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """The chart is installed, its policies are in force, and the controller's pod has a name."""
    installed.install()
    installed.kubectl("create", "-f", "-", "-n", SYSTEM, stdin=json.dumps(_pod()))
    until("the policies", lambda: _in_force(server), PATIENCE_S)
    monkeypatch.setenv("POD_NAME", POD)
    return installed


def _pod() -> Json:
    pod = opted_in(POD, {})
    return {**pod, "spec": {**pod["spec"], "serviceAccountName": "lastgood-controller"}}


def test_with_every_policy_in_force_it_leads(own_pod: Installed) -> None:
    """So what the others refuse is not refused for another reason."""
    own_pod.lead()


@pytest.mark.parametrize("what", LOOSENED)
def test_p13_it_does_not_start_where_a_forbidden_act_is_granted(
    own_pod: Installed, server: Server, what: str
) -> None:
    """It names the act, and trying it had no effect."""
    loosen, act = LOOSENED[what]
    loosen(own_pod)
    until(f"the right to {what}", lambda: act(server).status < 300, PATIENCE_S)
    assert f"the API server lets us {what}; the chart's Validating" in _refusal(own_pod)
    assert server.act(None, "GET", f"{SECRETS}/{PROBE}").status == 200


def test_p13_it_does_not_start_where_it_cannot_try(own_pod: Installed) -> None:
    """The Secret that it tries to read is gone; as the message says, an upgrade makes it again."""
    own_pod.kubectl("delete", "secret", PROBE, "-n", SYSTEM)
    said = _refusal(own_pod)
    assert f"there is no Secret {SYSTEM}/{PROBE}" in said
    assert "`helm upgrade` makes it again" in said
    own_pod.upgrade()
    own_pod.lead()

"""The controller refuses to start where something forbidden is granted: each act of its own check,
with its identity, where the policy that refuses it is not in force.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from controller.selfcheck import PROBE, reads
from controller.selfcheck import READS as VERBS
from tests.e2e.controlled import PATIENCE_S, Json
from tests.e2e.installed import SYSTEM, opted_in
from tests.make.waiting import until

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


def _update(server: Server) -> Answer:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PROBE}}
    return server.act(CONTROLLER, "PUT", f"{SECRETS}/{PROBE}", body, dry=True)


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


LEAKING = {
    "a patch of its type",
    "a patch of its data",
    "a patch of an unknown field",
    "a copy to its type",
    "a copy to a label",
    "a copy to its name",
    "a copy to a finalizer",
    "a test of its data",
}
"""Forms whose answer has the content, or depends on it, while every policy is in force."""
READS = "read a foreign Secret by"
LOOSENED: dict[str, tuple[Callable[[Installed], None], Act, set[str]]] = {
    "a policy of pods": (
        lambda world: _without(world, "lastgood-controller-pods"),
        _label,
        {"label a pod"},
    ),
    "a policy of creations": (
        lambda world: _only_of(world, "UPDATE", "DELETE"),
        _create,
        {"create a Secret of another type"},
    ),
    "a policy of updates": (
        lambda world: _only_of(world, "CREATE", "DELETE"),
        _update,
        {f"{READS} an update"},
    ),
    "a policy of deletions": (
        lambda world: _only_of(world, "CREATE", "UPDATE"),
        _delete,
        {f"{READS} a dry-run delete", f"{READS} a dry-run delete by its query"},
    ),
}
"""What is not in force: how that comes, how it is seen without effect, and what it grants."""


def _refusal(world: Installed) -> str:
    """What a controller says that does not start."""
    process = world.start()
    assert process.wait(PATIENCE_S) == 1, world.logs[-1].read_text()
    assert not world.said("controller.restored")
    return world.logs[-1].read_text()


def _in_force(server: Server) -> bool:
    """Whether the API server's own copy of the policies is here, after an installation."""
    return all(act(server).by_policy for _, act, _ in LOOSENED.values())


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
def test_p14_it_does_not_start_where_a_forbidden_act_is_granted(
    own_pod: Installed, server: Server, what: str
) -> None:
    """It names the act, and trying it had no effect."""
    loosen, act, granted = LOOSENED[what]
    loosen(own_pod)
    until(f"the lack of {what}", lambda: act(server).status < 300, PATIENCE_S)
    assert _named(_refusal(own_pod)) == granted
    assert server.act(None, "GET", f"{SECRETS}/{PROBE}").status == 200


def test_p14_it_finds_each_form_that_leaks_with_patch(own_pod: Installed, server: Server) -> None:
    """With `patch` in its own namespace alone, the policies don't keep the content from it."""
    _grant(own_pod, "Role", "patch")
    path = f"{SECRETS}/{PROBE}"
    until("the right", lambda: server.act(CONTROLLER, "PATCH", path, {}).by_policy, PATIENCE_S)
    assert reads(SYSTEM).keys() > LEAKING
    assert _named(_refusal(own_pod)) == {f"{READS} {what}" for what in LEAKING}
    _only_of(own_pod, "CREATE", "DELETE")
    until("no policy", lambda: server.act(CONTROLLER, "PATCH", path, {}).status == 200, PATIENCE_S)
    patches = {what for what, one in reads(SYSTEM).items() if one.method == "PATCH"}
    assert _named(_refusal(own_pod)) == {f"{READS} {what}" for what in {*patches, "an update"}}


def test_p14_it_does_not_start_with_a_right_to_read(own_pod: Installed, server: Server) -> None:
    """Each verb in all namespaces, and one in a namespace that every cluster has."""
    for verb in VERBS:
        _grant(own_pod, "ClusterRole", verb)
        asked = {"resource": "secrets", "verb": verb}
        until("the right", partial(server.may, CONTROLLER, **asked), PATIENCE_S)
        assert f"may {verb} Secrets in every namespace" in _refusal(own_pod)
        _revoke(own_pod, "ClusterRole")
        until("no right", partial(_may_not, server, asked), PATIENCE_S)
    _grant(own_pod, "Role", "get", namespace="kube-system")
    asked = {"resource": "secrets", "verb": "get", "namespace": "kube-system"}
    until("the right", partial(server.may, CONTROLLER, **asked), PATIENCE_S)
    try:
        assert "may get Secrets in the namespace kube-system" in _refusal(own_pod)
    finally:
        _revoke(own_pod, "Role", namespace="kube-system")


def test_p14_it_does_not_start_with_a_right_where_nothing_is_served(
    own_pod: Installed, server: Server
) -> None:
    """A Role in one namespace gives it, and no policy has that namespace. It may be told to report
    such a right only: then it leads.
    """
    other = f"{own_pod.name}-other"
    own_pod.kubectl("create", "namespace", other)
    try:
        _grant(own_pod, "Role", "get", namespace=other)
        asked = {"resource": "secrets", "verb": "get", "namespace": other}
        until("the right", partial(server.may, CONTROLLER, **asked), PATIENCE_S)
        told = f"the controller's identity may get Secrets in the namespace {other}"
        assert told in _refusal(own_pod)
        own_pod.start("--report-reads-elsewhere")
        until("it to lead", lambda: own_pod.said("controller.restored"), PATIENCE_S)
        assert [line["why"] for line in own_pod.said("controller.reads_elsewhere")] == [told]
        assert not own_pod.said("controller.rights_not_asked")
    finally:
        own_pod.kubectl("delete", "namespace", other, "--wait=false")


def _may_not(server: Server, asked: dict[str, str]) -> bool:
    return not server.may(CONTROLLER, **asked)


def _named(refusal: str) -> set[str]:
    """The acts of the message."""
    found = re.search(
        r"the API server allows the controller to (.*)\. The chart's Validating", refusal
    )
    assert found is not None, refusal
    return set(found[1].split(", "))


def _grant(world: Installed, kind: str, verb: str, namespace: str = SYSTEM) -> None:
    """One verb on Secrets, beside what the chart gives."""
    name = ["lastgood-more", "-n", namespace]
    world.kubectl("create", kind.lower(), *name, f"--verb={verb}", "--resource=secrets")
    of = [f"--{kind.lower()}=lastgood-more", f"--serviceaccount={SYSTEM}:lastgood-controller"]
    world.kubectl("create", f"{kind.lower()}binding", *name, *of)


def _revoke(world: Installed, kind: str, namespace: str = SYSTEM) -> None:
    for each in (f"{kind.lower()}binding", kind.lower()):
        world.kubectl("delete", each, "lastgood-more", "-n", namespace, "--ignore-not-found")


def test_p14_it_does_not_start_where_it_cannot_try(own_pod: Installed) -> None:
    """The Secret that it tries to read is gone; as the message says, an upgrade makes it again."""
    own_pod.kubectl("delete", "secret", PROBE, "-n", SYSTEM)
    said = _refusal(own_pod)
    assert f"Secret {SYSTEM}/{PROBE} with the chart's content not found" in said
    assert "`helm upgrade` creates it again" in said
    own_pod.upgrade()
    own_pod.lead()

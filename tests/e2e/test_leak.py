"""P14: a stolen token of ours reads no Secret that is not ours. Thousands of requests, with each of
our identities and everything that it is granted, and a search for canaries in every answer.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kube.api_resources import SECRETS
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.enforced import as_list, kubectl
from tests.e2e.installed import SYSTEM, Installed
from tests.e2e.leak import scene as scenes
from tests.e2e.leak.scene import CONTROLLER, TEST, WEBHOOK, Scene
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Server
    from tests.e2e.leak.attack import Leak

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
LOG = logging.getLogger(__name__)
SEED = int(os.environ.get("LASTGOOD_LEAK_SEED", "9"))
COUNTS = {CONTROLLER: 1900, WEBHOOK: 700, TEST: 200}
"""Requests of each identity, at the least."""


@pytest.fixture
def scene(server: Server, installed: Installed) -> Iterator[Scene]:
    """The chart is installed, its policies are in force, and others have secrets everywhere. What
    an attack made goes before its namespace, which a finalizer would hold.
    """
    before = scenes.all_objects(server)

    def tidy() -> None:
        scenes.remove(server, scenes.all_objects(server).keys() - before.keys())

    installed.ending.append(tidy)
    installed.install()
    team, other = installed.name, f"{installed.name}-b"
    kubectl("create", "namespace", other)
    until("the policies", lambda: _in_force(server, team), PATIENCE_S)
    made = scenes.build(server, team, other)
    try:
        yield made
    finally:
        scenes.remove(server, [item.path for item in made.objects])
        kubectl("delete", "--ignore-not-found", "-f", "-", given=as_list(scenes.hooks()))
        kubectl("delete", "namespace", other, "--wait=false")


def _in_force(server: Server, team: str) -> bool:
    """Whether policies refuse what RBAC grants, with each identity that has one."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lgleak"}}
    return all(
        server.act(
            f"system:serviceaccount:{SYSTEM}:{name}", "POST", SECRETS.path(place), body, dry=True
        ).by_policy
        for name, place in ((CONTROLLER, team), (WEBHOOK, SYSTEM))
    )


def test_the_test_knows_every_account_of_the_chart() -> None:
    """One more is one more token that can be stolen."""
    assert set(scenes.accounts()) == set(COUNTS)


def test_p14_no_answer_has_anything_of_a_foreign_object(scene: Scene) -> None:
    """And nothing foreign is changed, deleted, or made beside what 010 lists."""
    before = scenes.all_objects(scene.server)
    generator = scene.generator(SEED)
    leaks: list[Leak] = []
    total = 0
    for name, count in COUNTS.items():
        who = scene.identity(name)
        outcome = scene.attack(name, generator.requests(who, count))
        LOG.info("%s: answers by status %s", name, sorted(outcome.statuses().items()))
        leaks += outcome.leaks
        total += outcome.total
        tried = {right for (_, right, status) in outcome.answers if status not in {0, 401, 429}}
        assert {right.label for right in who.rights} <= tried
        assert not scene.changed(name)
    assert not leaks, told(leaks)
    assert total >= 2000
    assert not scenes.unexpected(before, scenes.all_objects(scene.server))


def told(leaks: list[Leak]) -> str:
    """Of many, one of each object, place and form of request."""
    some = {(one.canary.owner, one.canary.place, one.request.method): one for one in leaks}
    lines = "\n".join(str(one) for one in list(some.values())[:40])
    return f"{len(leaks)} leaks, among them:\n{lines}"


def test_p14_it_sees_each_right_that_reads(scene: Scene) -> None:
    """The test itself: it finds a leak when the controller is granted one more verb on Secrets."""
    for verb in ("get", "list", "watch", "patch"):
        with granted(verb):
            who = scene.identity(CONTROLLER)
            more = [
                right for right in who.rights if right.on.resource == SECRETS and right.verb == verb
            ]
            only = replace(who, rights=tuple(more), pages=())
            outcome = scene.attack(CONTROLLER, scene.generator(SEED).requests(only, 30))
            assert outcome.leaks, verb


@contextmanager
def granted(verb: str) -> Iterator[None]:
    """One more verb on Secrets for the controller, in the whole cluster."""
    api = "rbac.authorization.k8s.io"
    names = {"apiVersion": f"{api}/v1", "metadata": {"name": "lastgood-leak-test"}}
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": [verb]}
    role = {**names, "kind": "ClusterRole", "rules": [rule]}
    of = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": SYSTEM}
    reference = {"apiGroup": api, "kind": "ClusterRole", "name": "lastgood-leak-test"}
    bound = {**names, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [of]}
    kubectl("apply", "-f", "-", given=as_list([role, bound]))
    try:
        time.sleep(1)  # the authorizer's own copy
        yield
    finally:
        kubectl("delete", "-f", "-", given=as_list([role, bound]))

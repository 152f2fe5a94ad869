"""P14 on a cluster: the installed controller's own token, while the controller works."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from controller import selfcheck
from kube.api_resources import SECRETS
from tests.e2e.install.world import OTHER, SYSTEM, TEAM
from tests.e2e.leak import foreign
from tests.e2e.leak import scene as scenes
from tests.e2e.leak.requests import Request
from tests.e2e.leak.scene import CONTROLLER, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from kube.forbidden_requests import Attempt
    from tests.e2e.enforced import Server
    from tests.e2e.install.world import Provider
    from tests.e2e.leak.foreign import Foreign
    from tests.e2e.leak.rights import Identity

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
PLACES = (TEAM.namespace, OTHER.namespace, "kube-system")
SEED, GENERATED = 9, 500
DRY = {"dryRun": "All"}


@pytest.fixture
def scene(attacked: Provider, server: Server) -> Iterator[Scene]:
    """Secrets of every shape in both teams' namespaces and in kube-system, gone afterwards; and so
    is what the attack made.
    """
    del attacked
    every = foreign.everything(TEAM.namespace, OTHER.namespace, SYSTEM.namespace)
    objects = [item for item in every if item.resource == SECRETS and item.namespace in PLACES]
    made = scenes.place(server, TEAM.namespace, OTHER.namespace, objects)
    before = made.secrets().keys()
    yield made
    scenes.remove(server, [item.path for item in objects])
    new = made.secrets().keys() - before
    scenes.remove(server, [path for path in new if path.rpartition("/")[2].startswith("leak-")])


def _thief(scene: Scene) -> Identity:
    """The controller by a token of its own, with all that it may do to Secrets of others."""
    who = scene.identity(CONTROLLER)
    on_secrets = tuple(
        right for right in who.rights if right.on.resource == SECRETS and right.namespace in PLACES
    )
    assert {right.verb for right in on_secrets} == {"create", "update", "delete"}
    return replace(who, rights=on_secrets, pages=())


def _known(who: Identity, item: Foreign) -> Iterator[Request]:
    """Each form that was seen to read a Secret, as a dry run and in earnest; what it deletes is
    only tried.
    """
    forms = {**selfcheck.reads(str(item.namespace)), "a get": _get(str(item.namespace))}
    for form, attempt in forms.items():
        for dry in {True, attempt.method in {"GET", "DELETE"}}:
            query = {key: text for key, text in attempt.query.items() if dry or key not in DRY}
            text = json.dumps(attempt.body).replace(selfcheck.PROBE, item.name)
            path = attempt.path.replace(selfcheck.PROBE, item.name)
            yield Request(
                who=who,
                right=form,
                method=attempt.method,
                target=f"{path}?{urlencode(query)}" if query else path,
                headers={"Content-Type": attempt.content_type or "application/json"},
                content=b"" if attempt.body is None else text.encode(),
            )


def _get(namespace: str) -> Attempt:
    return replace(
        selfcheck.reads(namespace)["an empty patch"],
        method="GET",
        body=None,
    )


def test_p14_the_installed_controllers_token_reads_no_secret(
    scene: Scene, unharmed: AbstractContextManager[None], record_property: Record
) -> None:
    """P14: with the installed controller's token, every form that was seen to read a Secret, on
    Secrets of every type in two teams' namespaces and in kube-system, and generated requests: no
    answer has anything of one, and none is changed; no admission fails, nothing restarts.
    """
    who = _thief(scene)
    known = [request for item in scene.objects for request in _known(who, item)]
    with unharmed:
        outcomes = [
            scene.attack(CONTROLLER, iter(known)),
            scene.attack(CONTROLLER, scene.generator(SEED).requests(who, GENERATED)),
        ]
    answers = outcomes[0].statuses() + outcomes[1].statuses()
    record_property("Secrets", len(scene.objects))
    record_property("requests", answers.total())
    record_property("answers", dict(answers))
    assert [leak for outcome in outcomes for leak in outcome.leaks] == []
    assert {status for _, _, status in outcomes[0].answers} <= {403, 404, 409, 422}
    assert not scene.changed(CONTROLLER)

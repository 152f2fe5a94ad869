"""P10 and P13 on a cluster: another team's pods that would cost the webhook most, while this team's
are admitted. The webhook has the chart's memory limit and two replicas.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import INJECTED
from tests.e2e import costly
from tests.e2e.costly import Costly
from tests.e2e.install.bystanders import ATTACKER
from tests.e2e.install.world import OTHER, app, pod
from tests.make import asking

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.e2e.enforced import Answer, Server
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
PODS = f"/api/v1/namespaces/{OTHER.namespace}/pods"
ASKS = asking(db="aws-sm:/other/costly")
TIMES, SECONDS = 38, 30.0
"""Of the pod with many variables."""
EACH = 3
"""Requests with each long list; as many are sent at once."""
ALLOWED = Costly(*costly.crowd(3, 200, "/" + "m" * 1000), "violates PodSecurity")
"""Just below the limit of the patch, so it is made. The namespace's own rules refuse the pod."""
LISTS = {
    **costly.LISTS,
    "30,000 volumes of a marked pod": Costly(
        costly.MARK,
        {"containers": [costly.CONTAINER], "volumes": costly.volumes(30_000)},
        costly.VALUES,
    ),
    "as many mounts as the API server takes": Costly(
        {},
        {"containers": [{**costly.CONTAINER, "volumeMounts": costly.mounts(80_000, 5)}]},
        costly.REVIEW,
    ),
}


def _pod(attack: Costly) -> Json:
    metadata = {"generateName": "costly-", "annotations": {**ASKS, **attack.annotations}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": attack.spec}


def _create(server: Server, body: Json) -> Answer:
    """A dry run, as the attacker."""
    return server.act(ATTACKER, "POST", PODS, body, dry=True)


def _refused(answer: Answer, attack: Costly) -> None:
    assert answer.status in {400, 403, 422, 500}, (answer.status, answer.message[:300])
    assert attack.message in answer.message, answer.message[:600]


def test_p13_pods_that_multiply_take_nothing_from_others(
    unharmed: AbstractContextManager[None], server: Server, record_property: Record
) -> None:
    """P13: a pod of 20 KB with 500 variables, 200 containers and a mount path of 1,001 characters,
    38 times in 30 s by dry run, and as often the largest that is allowed: each is refused, no
    admission of another team fails, nothing restarts.
    """
    bodies = [(attack, _pod(attack)) for attack in (costly.VARIABLES, ALLOWED)]
    record_property("bytes", len(json.dumps(bodies[0][1])))
    with unharmed, ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        answers = []
        for turn in range(TIMES):
            time.sleep(max(0.0, began + turn * SECONDS / TIMES - time.monotonic()))
            answers += [(pool.submit(_create, server, body), attack) for attack, body in bodies]
        for answer, attack in answers:
            _refused(answer.result(), attack)


def test_p13_long_lists_take_nothing_from_others(
    unharmed: AbstractContextManager[None],
    server: Server,
    settings: Settings,
    record_property: Record,
) -> None:
    """P13: mounts and volumes by the ten thousands, of plain pods, of pods with our mark and of an
    injected pod's gate, up to what the API server takes: each is refused, no admission of another
    team fails, nothing restarts.
    """
    attacks = [(attack, _pod(attack)) for attack in LISTS.values()]
    attacks += [(attack, body) for attack, body in _of_the_gate(server, settings)]
    codes: Counter[int] = Counter()
    with unharmed, ThreadPoolExecutor(EACH) as pool:
        for attack, body in attacks:
            for answer in pool.map(_create, [server] * EACH, [body] * EACH):
                _refused(answer, attack)
                codes[answer.status] += 1
    record_property("answers", dict(codes))


def _of_the_gate(server: Server, settings: Settings) -> list[tuple[Costly, Json]]:
    """An injected pod that comes again with many mounts of its gate."""
    made = []
    for count, message in ((3_000, "volumeMounts"), (30_000, costly.VALUES)):
        injected = _create(server, pod("gate", app(settings), ASKS)).body
        assert INJECTED in injected["metadata"]["annotations"]
        (gate,) = (
            item for item in injected["spec"]["initContainers"] if item["name"] == layout.GATE
        )
        gate["volumeMounts"] += costly.mounts(count)
        for member in ("uid", "resourceVersion", "managedFields", "creationTimestamp"):
            injected["metadata"].pop(member, None)
        made.append((Costly({}, {}, message), injected))
    return made

"""P13 on a cluster: strangers ask for the pages of controller, webhook and another team's agent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.install import bystanders, flooding
from tests.e2e.install.flooding import Flood
from tests.e2e.install.team import confirmed
from tests.e2e.install.world import OTHER, PROVIDER, SYSTEM, TEAM
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.e2e.install.kubectl import Json, Place
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
AT_ONCE = 1282
"""Requests that are released at once, by each pod."""
IDLE = 500
"""Connections that send nothing. They are opened again when they are closed."""
SECONDS = 15
"""From then on."""
CPU = "300m"
"""Of each pod: there are six, and the API server and the load need the rest of two cores."""
AGES_WRITTEN_S = 60.0
"""Ages are written at least every quarter of the smallest budget: 33 s."""


@pytest.fixture
def floods(attacked: Provider, settings: Settings) -> Iterator[list[tuple[Place, Json]]]:
    """Pods, which are gone afterwards: of the other namespace, and of the node's own network, with
    the addresses that the kubelet and the API server have.
    """
    del attacked
    controller = f"{bystanders.leader()['status']['podIP']}:9466"
    webhook = f"{SYSTEM.pods('lastgood-webhook')[0]['status']['podIP']}:10250"
    agent = f"{TEAM.pods(bystanders.NAME)[0]['status']['podIP']}:{layout.AGENT_PORT}"
    parts = {
        "controller": (OTHER, controller, [f"plain-page={AT_ONCE}"]),
        "controller-idle": (OTHER, controller, [f"plain-idle={IDLE}"]),
        "webhook": (OTHER, webhook, [f"page={AT_ONCE}"]),
        "agent": (OTHER, agent, ["plain-page=200"]),
        "controller-by-node": (PROVIDER, controller, [f"plain-page={AT_ONCE}"]),
        "webhook-by-node": (PROVIDER, webhook, [f"page={AT_ONCE}"]),
    }
    made = []
    for name, (place, target, kinds) in parts.items():
        flood = Flood(target=target, kinds=kinds, seconds=SECONDS, cpu=CPU)
        body = flooding.flooding(settings, f"pages-of-{name}", flood)
        body["spec"]["hostNetwork"] = place is PROVIDER
        made.append((place, body))
    yield made
    for place, body in made:
        words = ("--ignore-not-found", "--grace-period=1")
        place.kubectl("delete", "pod", body["metadata"]["name"], *words)


def test_p13_requests_for_pages_take_neither_lease_nor_freshness(
    floods: list[tuple[Place, Json]],
    unharmed: AbstractContextManager[None],
    record_property: Record,
) -> None:
    """P13: 1,282 requests for /metrics released at once and repeated, beside hundreds of idle
    connections, from pods and from the node, at the leading controller, a webhook and another
    team's agent: the same controller leads, ages grow younger, nothing restarts, no admission
    fails.
    """
    with unharmed:
        began = time.time()
        flooding.run(floods, 180)
        until("a younger age", lambda: confirmed(bystanders.SOURCE) > began, AGES_WRITTEN_S)
    names = [(place, body["metadata"]["name"]) for place, body in floods]
    opened = {name: flooding.opened(place, name) for place, name in names}
    record_property("connections", sum(opened.values()))
    assert all(flooding.released(place, name) for place, name in names)
    assert opened["pages-of-controller-idle"] > IDLE, "idle ones give way to others"

"""The webhook while the API server, or the way to it, is not what it should be."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from kube.api import Api
from kube.api_resources import SECRET_POLICIES
from kube.config import load
from kube.reflector import Pace, Reflector
from tests.e2e import admission
from tests.e2e.enforced import as_list, kubectl
from tests.e2e.relay import relay
from tests.e2e.replica import webhook
from tests.make.waiting import until
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.admission import Place
    from tests.e2e.relay import Relay
    from tests.e2e.replica import Webhook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
STALENESS = 'lastgood_watch_staleness_seconds{resource="secretpolicies"}'


@pytest.fixture
def way() -> Iterator[Relay]:
    """Between the replica and the API server."""
    with relay() as found:
        yield found


def change(place: Place, max_age: str) -> None:
    """An admin writes the policy again."""
    kubectl("apply", "-f", "-", given=as_list(admission.admins(place, max_age=max_age)))


def sees(place: Place, seconds: int) -> bool:
    """Whether pods are injected by the policy with this `maxAge`."""
    answer = place.create(place.opted_in())
    assert answer.status == 201, answer.message
    gate = answer.body["spec"]["initContainers"][0]
    return f'"max_age_s":{seconds}' in str(gate["args"])


def staleness(replica: Webhook) -> float:
    """Of the policies, in seconds."""
    return replica.metric(STALENESS)


def test_p2_the_api_server_away_and_back(place: Place, way: Relay) -> None:
    """A replica that has lost the API server decides by what it last knew, stays ready and says how
    old that is; what changed meanwhile it sees as soon as the API server is back.
    """
    port = admission.free_port()
    settings = {"KUBECONFIG": str(way.kubeconfig)}
    with admission.called(place, port), webhook(place, port, **settings) as replica:
        admission.admitted(place, replica)
        way.cut()
        until("a failed watch", lambda: replica.events("watch.failed"))
        change(place, "48h")
        until("a stale copy", lambda: staleness(replica) > 2)
        assert sees(place, 24 * 3600)
        assert replica.ready()
        way.repair()
        until("the new policy", lambda: sees(place, 48 * 3600), 60)
        assert staleness(replica) < 90
        change(place, "24h")
        until("the watch to go on", lambda: sees(place, 24 * 3600))


def test_p2_a_way_that_hangs(place: Place, way: Relay) -> None:
    """The connections stay and nothing gets through: as before, and the age grows."""
    port = admission.free_port()
    settings = {"KUBECONFIG": str(way.kubeconfig)}
    with admission.called(place, port), webhook(place, port, **settings) as replica:
        admission.admitted(place, replica)
        way.hold()
        change(place, "48h")
        until("a stale copy", lambda: staleness(replica) > 3)
        assert sees(place, 24 * 3600)
        assert replica.ready()
        way.let_go()
        until("the new policy", lambda: sees(place, 48 * 3600))
        change(place, "24h")
        until("the old policy", lambda: sees(place, 24 * 3600))


def test_p2_a_watch_that_is_dead_for_good_is_left_for_a_new_one(place: Place, way: Relay) -> None:
    """Its connection stays, and says nothing any more. The processes' own watches, at a quicker
    pace: theirs would take five minutes.
    """
    asyncio.run(_recovers(place, way))


async def _recovers(place: Place, way: Relay) -> None:
    configuration = await load(way.kubeconfig)
    problems: list[str] = []
    async with Api(configuration, timeout_s=3, watch_grace_s=1) as api:
        copy = Reflector(
            api,
            SECRET_POLICIES,
            lambda found: str(found["spec"]["classes"]["steady"]["maxAge"]),
            field_selector=f"metadata.name={place.policy}",
            clock=SystemClock(),
            rng=random.Random(),
            pace=Pace(watch_least_s=8, watch_most_s=10),
            problem=problems.append,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(copy.run(stop))
        await asyncio.wait_for(copy.wait_synced(), 20)
        await asyncio.to_thread(change, place, "30h")
        await _until_seen(copy, "30h")  # the watch is open, so it is the watch that dies
        way.forsake()
        await asyncio.to_thread(change, place, "48h")
        await _until_seen(copy, "48h")
        assert any("Silence" in problem for problem in problems), problems
        await asyncio.to_thread(change, place, "24h")
        await _until_seen(copy, "24h")
        stop.set()
        await running
        await asyncio.to_thread(way.cut)  # TLS waits for an answer to its end, and gets none here
    await asyncio.sleep(0.2)


async def _until_seen(copy: Reflector[str], max_age: str) -> None:
    async with asyncio.timeout(40):
        while list(copy.items.values()) != [max_age]:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.1)


def test_a_resource_version_that_is_gone_means_another_list(place: Place) -> None:
    """The API server answers 410 to every watch; changes are seen by lists, and by watches again as
    soon as it takes them.
    """
    port = admission.free_port()
    with (
        admission.called(place, port),
        relay(place.server.url) as way,
        webhook(place, port, KUBECONFIG=str(way.kubeconfig)) as replica,
    ):
        admission.admitted(place, replica)
        way.cut()
        way.from_long_ago = True
        change(place, "48h")
        way.repair()
        until("the new policy", lambda: sees(place, 48 * 3600), 60)

        def gone() -> bool:
            return any("410" in line["problem"] for line in replica.events("watch.failed"))

        until("the answer 410", gone, 60)
        assert replica.ready()
        way.from_long_ago = False
        change(place, "24h")
        until("the old policy", lambda: sees(place, 24 * 3600), 60)


def test_p10_without_a_first_list_it_is_not_ready(place: Place, way: Relay) -> None:
    """A replica that starts while the API server is away serves nobody, says why, and becomes ready
    by itself.
    """
    port = admission.free_port()
    way.cut()
    settings = {"KUBECONFIG": str(way.kubeconfig)}
    with admission.called(place, port), webhook(place, port, **settings) as replica:
        until("a failed watch", lambda: replica.events("watch.failed"))
        answer = replica.get("/readyz")
        assert answer.status_code == 503
        assert "not listed yet: " in answer.text
        assert replica.metric(STALENESS) == float("inf")
        way.repair()
        admission.admitted(place, replica)
        assert replica.ready()

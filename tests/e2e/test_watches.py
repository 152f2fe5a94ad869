"""The webhook while the API server, or the way to it, is not what it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import admission
from tests.e2e.enforced import as_list, kubectl
from tests.e2e.relay import relay
from tests.e2e.replica import webhook
from tests.make.embedded import until

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
    """An admin writes the policy anew."""
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
        way.mend()
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
        way.mend()
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
        way.mend()
        admission.admitted(place, replica)
        assert replica.ready()

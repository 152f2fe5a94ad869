"""The webhook on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import admission
from tests.e2e.admission import Place, Webhook, until
from tests.e2e.enforced import as_list, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.enforced import Answer, Server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def place(server: Server) -> Iterator[Place]:
    """Namespaces, account and policy of these tests."""
    with admission.place(server) as found:
        yield found


@pytest.fixture
def replica(place: Place) -> Iterator[Webhook]:
    """A ready replica that the API server calls."""
    port = admission.free_port()
    with admission.called(place, port), admission.webhook(place, port) as found:
        until(found.ready)
        yield found


def ours(answer: Answer) -> list[str]:
    """The names of the containers of an admitted pod."""
    assert answer.status == 201, answer.message
    spec = answer.body["spec"]
    return [item["name"] for item in spec.get("initContainers", []) + spec["containers"]]


@pytest.mark.usefixtures("replica")
def test_p2_an_opted_in_pod_is_injected_and_a_typo_is_refused(place: Place) -> None:
    """With a policy that the API server gave, and a certificate that it trusts."""
    until(lambda: place.create(place.opted_in()).status == 201)
    assert ours(place.create(place.opted_in())) == ["lastgood-gate", "app", "lastgood-agent"]
    assert ours(place.create(place.pod())) == ["app"]
    refused = place.create(place.pod(secrt_db="aws-sm:/x"))
    assert refused.status == 403
    assert 'did you mean "lastgood.dev/secret.db"' in refused.message


def test_with_every_replica_dead_only_annotated_pods_are_refused(place: Place) -> None:
    """And the API server says whom it could not reach."""
    with admission.called(place, admission.free_port()):
        until(lambda: place.create(place.opted_in()).status != 201)
        assert ours(place.create(place.pod())) == ["app"]
        refused = place.create(place.opted_in())
        assert refused.status == 500
        assert 'failed calling webhook "pods.lastgood.dev"' in refused.message


def test_a_changed_policy_is_seen_and_an_invalid_one_keeps_the_last_good(
    place: Place, replica: Webhook
) -> None:
    """Through the watch."""
    until(lambda: place.create(place.opted_in()).status == 201)

    def max_age() -> str:
        injected = place.create(place.opted_in()).body["spec"]["initContainers"][0]["args"]
        return str(injected)

    before = max_age()
    kubectl("apply", "-f", "-", given=as_list(admission.admins(place, max_age="48h")))
    until(lambda: max_age() != before)
    kubectl("apply", "-f", "-", given=as_list(admission.admins(place)))
    until(lambda: max_age() == before)
    assert "lastgood_invalid_objects 0.0" in replica.get("/metrics").text
    assert 'lastgood_watch_staleness_seconds{resource="secretpolicies"}' in (
        replica.get("/metrics").text
    )

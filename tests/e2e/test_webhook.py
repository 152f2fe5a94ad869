"""The webhook on a real API server."""

from __future__ import annotations

import time
from functools import partial
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


def admitted(place: Place, replica: Webhook) -> None:
    """Wait until the API server has followed the configuration, and calls this replica."""
    deadline = time.monotonic() + 10
    while True:
        answer = place.create(place.opted_in())
        if answer.status == 201 and replica.events("admission.decided"):
            return
        assert time.monotonic() < deadline, answer.message
        time.sleep(0.05)


def ours(answer: Answer) -> list[str]:
    """The names of the containers of an admitted pod."""
    assert answer.status == 201, answer.message
    spec = answer.body["spec"]
    return [item["name"] for item in spec.get("initContainers", []) + spec["containers"]]


def test_p2_an_opted_in_pod_is_injected_and_a_typo_is_refused(
    place: Place, replica: Webhook
) -> None:
    """With a policy that the API server gave, and a certificate that it trusts."""
    admitted(place, replica)
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
    admitted(place, replica)

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


def test_p8_a_value_in_a_variable_is_a_reference_where_policy_allows_it(
    place: Place, replica: Webhook
) -> None:
    """And a refusal that says what to write instead where it does not."""
    admitted(place, replica)
    asked = {"env-value.PASSWORD": "db"}
    refused = place.create(place.opted_in(**asked))
    assert refused.status == 403
    assert "write lastgood.dev/env.PASSWORD: db" in refused.message
    kubectl("apply", "-f", "-", given=as_list(admission.admins(place, allow_env_value=True)))
    until(lambda: place.create(place.opted_in(**asked)).status == 201)
    app = place.create(place.opted_in(**asked)).body["spec"]["containers"][0]
    (found,) = app["env"]
    assert found["valueFrom"]["secretKeyRef"]["key"] == "p.password"
    assert found["valueFrom"]["secretKeyRef"]["optional"] is False
    assert replica.process.poll() is None


OWN = {"CA_LIFETIME_S": "24", "LEAF_LIFETIME_S": "6", "SETTLE_S": "2"}


def test_p11_rotation_of_leaf_and_ca_fails_no_admission(place: Place) -> None:
    """Two replicas with certificates that live for seconds, at 50 admissions a second; one replica
    is called, and the other one rotates too.
    """
    ports = [admission.free_port(), admission.free_port()]
    kubectl("delete", "--ignore-not-found", "-n", place.system, "secret", "lastgood-webhook-ca")
    with (
        admission.called(place, ports[0]),
        admission.webhook(place, ports[0], **OWN) as one,
        admission.webhook(place, ports[1], **OWN) as two,
    ):
        until(lambda: one.ready() and two.ready())
        admitted(place, one)
        told = admission.under_load(place, rate=50, seconds=20)
        leaves = [line["ca"] for line in one.events("certificate.signed")]
        assert len(set(leaves)) >= 2, "no CA was rotated"
        assert len(leaves) >= 4, "no leaf was renewed"
    assert [answer for answer in told if answer.status != 201] == []
    assert len(told) >= 800


def test_a_wiped_bundle_and_a_damaged_or_lost_secret_heal(place: Place, replica: Webhook) -> None:
    """Within seconds; a lost CA's leaves serve on until the new CA is trusted everywhere."""
    admitted(place, replica)
    wipe = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
    path = f"{admission.WEBHOOKS}/{place.configuration}"
    kind = "application/json-patch+json"
    assert place.server.act(None, "PATCH", path, wipe, kind=kind).status == 200
    until(lambda: bundle(place) is not None, within_s=5)
    until(lambda: place.create(place.opted_in()).status == 201, within_s=5)
    secret = f"/api/v1/namespaces/{place.system}/secrets/lastgood-webhook-ca"
    damages: tuple[dict[str, str | None], ...] = ({"active.key": "AAAA"}, {"active.crt": None})
    for damage in damages:
        signed = len(replica.events("certificate.signed"))
        assert place.server.act(None, "PATCH", secret, {"data": damage}).status == 200
        told = admission.under_load(place, rate=20, seconds=2)
        until(partial(signed_since, replica, signed))
        told += admission.under_load(place, rate=20, seconds=1)
        assert {answer.status for answer in told} == {201}
    signed = len(replica.events("certificate.signed"))
    assert place.server.act(None, "DELETE", secret).status == 200
    until(partial(signed_since, replica, signed))
    assert {answer.status for answer in admission.under_load(place, rate=20, seconds=2)} == {201}


def signed_since(replica: Webhook, count: int) -> bool:
    """Whether there are more than `count` leaves."""
    return len(replica.events("certificate.signed")) > count


def bundle(place: Place) -> str | None:
    """The caBundle as it is now."""
    found = place.server.act(None, "GET", f"{admission.WEBHOOKS}/{place.configuration}")
    text: str | None = found.body["webhooks"][0]["clientConfig"].get("caBundle")
    return text


def test_p2_the_api_server_away_is_no_reason_to_stop(place: Place) -> None:
    """A replica that has lost the API server decides by what it last knew, and says how old it
    is.
    """
    port = admission.free_port()
    with (
        admission.called(place, port),
        admission.relay() as way,
        admission.webhook(place, port, KUBECONFIG=str(way.kubeconfig)) as replica,
    ):
        until(replica.ready)
        admitted(place, replica)
        way.cut()
        until(lambda: replica.events("watch.failed"))
        assert {answer.status for answer in admission.under_load(place, rate=10, seconds=3)} == {
            201
        }
        assert replica.ready()
        name = 'lastgood_watch_staleness_seconds{resource="secretpolicies"} '
        text = replica.get("/metrics").text
        assert float(text.partition(name)[2].split("\n")[0]) > 2


def test_another_webhook_that_adds_a_container_is_met_again(place: Place) -> None:
    """It runs after ours and changes the pod, so that ours is asked once more and agrees."""
    port = admission.free_port()
    with (
        admission.other_webhook() as other,
        admission.webhook(place, port) as replica,
    ):
        later = other.entry(admission.entry(place, other.port, "z.later.example"))
        with (
            admission.called(place, port),
            admission.called_as(f"z-later-{place.suffix}", later),
        ):
            until(replica.ready)
            admitted(place, replica)
            before = len(replica.events("admission.decided"))
            answer = place.create(place.opted_in())
            assert sorted(ours(answer)) == ["added", "app", "lastgood-agent", "lastgood-gate"]
            added = next(i for i in answer.body["spec"]["containers"] if i["name"] == "added")
            assert any(i["name"] == "lastgood-cache" for i in added["volumeMounts"])
            until(lambda: len(replica.events("admission.decided")) == before + 2)

"""What the webhook decides on a real API server, and what that does without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import admission
from tests.e2e.admission import admitted
from tests.e2e.enforced import as_list, kubectl
from tests.e2e.other_webhook import other_webhook
from tests.e2e.replica import webhook
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.admission import Place
    from tests.e2e.enforced import Answer
    from tests.e2e.replica import Webhook

pytestmark = pytest.mark.e2e


def ours(answer: Answer) -> list[str]:
    """The names of the containers of an admitted pod."""
    assert answer.status == 201, answer.message
    spec = answer.body["spec"]
    return [item["name"] for item in spec.get("initContainers", []) + spec["containers"]]


@pytest.mark.usefixtures("replica")
def test_p2_an_opted_in_pod_is_injected_and_a_typo_is_refused(place: Place) -> None:
    """With a policy that the API server gave, and a certificate that it trusts."""
    assert ours(place.create(place.opted_in())) == ["lastgood-gate", "app", "lastgood-agent"]
    assert ours(place.create(place.pod())) == ["app"]
    refused = place.create(place.pod(secrt_db="aws-sm:/x"))
    assert refused.status == 403
    assert 'Did you mean "lastgood.dev/secret.db"' in refused.message


def test_with_every_replica_dead_only_annotated_pods_are_refused(place: Place) -> None:
    """And the API server says whom it could not reach."""
    with admission.called(place, admission.free_port()):
        until("refusals", lambda: place.create(place.opted_in()).status != 201)
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
    until("the new policy", lambda: max_age() != before)
    kubectl("apply", "-f", "-", given=as_list(admission.admins(place)))
    until("the old policy", lambda: max_age() == before)
    assert 'lastgood_invalid_objects{kind="SecretPolicy"} 0.0' in replica.get("/metrics").text
    assert 'lastgood_watch_staleness_seconds{resource="secretpolicies"}' in (
        replica.get("/metrics").text
    )


def test_p8_a_value_in_a_variable_is_a_reference_where_policy_allows_it(
    place: Place, replica: Webhook
) -> None:
    """And a refusal that says what to write instead where it does not."""
    asked = {"env-value.PASSWORD": "db"}
    refused = place.create(place.opted_in(**asked))
    assert refused.status == 403
    assert "Use lastgood.dev/env.PASSWORD: db" in refused.message
    kubectl("apply", "-f", "-", given=as_list(admission.admins(place, allow_env_value=True)))
    until("the new policy", lambda: place.create(place.opted_in(**asked)).status == 201)
    app = place.create(place.opted_in(**asked)).body["spec"]["containers"][0]
    (found,) = app["env"]
    assert found["valueFrom"]["secretKeyRef"]["key"] == "p.password"
    assert found["valueFrom"]["secretKeyRef"]["optional"] is False
    assert replica.process.poll() is None


def test_another_webhook_that_adds_a_container_is_met_again(place: Place) -> None:
    """It runs after ours and changes the pod, so that ours is asked once more and agrees."""
    port = admission.free_port()
    with (
        other_webhook() as other,
        webhook(place, port) as replica,
    ):
        later = other.entry(admission.entry(place, other.port, "z.later.example"))
        with (
            admission.called(place, port),
            admission.called_as(f"z-later-{place.suffix}", later),
        ):
            admitted(place, replica)
            before = len(replica.events("admission.decided"))
            answer = place.create(place.opted_in())
            assert sorted(ours(answer)) == ["added", "app", "lastgood-agent", "lastgood-gate"]
            added = next(i for i in answer.body["spec"]["containers"] if i["name"] == "added")
            assert any(i["name"] == "lastgood-cache" for i in added["volumeMounts"])
            decided = "admission.decided"
            until("a second call", lambda: len(replica.events(decided)) == before + 2)

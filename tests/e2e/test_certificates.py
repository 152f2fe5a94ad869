"""Certificates of our own CA, through a real API server that is asked for pods all the while."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e import admission
from tests.e2e.admission import bundle, wipe
from tests.e2e.enforced import kubectl
from tests.e2e.load import Load
from tests.e2e.relay import relay
from tests.e2e.replica import webhook
from tests.make.waiting import until
from webhook.certificates import authority, secret
from webhook.certificates.rotation import StoredCas

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.admission import Json, Place
    from tests.e2e.replica import Webhook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]
RATE = 50
SHORT = {"CA_LIFETIME_S": "24", "LEAF_LIFETIME_S": "6", "SETTLE_S": "2"}
REPAIRED_S = 5.0


def load(place: Place) -> Load:
    """Opted-in pods, fifty a second."""
    pod = place.opted_in()
    return Load(lambda: place.create(pod), RATE)


def forget(place: Place) -> None:
    """No CA is kept."""
    kubectl("delete", "--ignore-not-found", "-n", place.system, "secret", secret.NAME)


def trusts(place: Place) -> set[str]:
    """The ids of the CAs in the caBundle."""
    found = authority.read_bundle(base64.b64decode(bundle(place) or ""))
    return {item.ca.id for item in found}


def kept(place: Place) -> Json:
    """The Secret's data; nothing when there is none."""
    words = ("get", "secret", secret.NAME, "-o", "json", "--ignore-not-found")
    text = kubectl("-n", place.system, *words)
    return json.loads(text).get("data", {}) if text else {}


def write(place: Place, data: Json, *, kind: str = "Opaque") -> None:
    """The Secret as somebody makes it, instead of the one that is there."""
    metadata = {"name": secret.NAME, "namespace": place.system}
    verb = "replace" if kept(place) else "create"
    body = {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data}
    kubectl(verb, "-f", "-", given=body)


def whole(place: Place) -> bool:
    """Whether the Secret holds a CA that can sign, and the API server trusts it."""
    held = secret.read({"metadata": {"resourceVersion": "0"}, "data": kept(place)}).cas
    return held is not None and held.active is not None and held.active.id in trusts(place)


def data_of(held: StoredCas, *authorities: authority.Authority) -> Json:
    """A Secret's data."""
    by_id = {item.certified.ca.id: item for item in authorities}
    data = secret.write(held, by_id, {name: item.certified for name, item in by_id.items()})
    return {key: text for key, text in data.items() if text is not None}


def test_p11_rotation_of_leaf_and_ca_fails_no_admission(place: Place) -> None:
    """Two replicas with certificates that live for seconds; one of them is called, and the other
    one rotates too.
    """
    ports = [admission.free_port(), admission.free_port()]
    forget(place)
    with (
        admission.called(place, ports[0]),
        webhook(place, ports[0], **SHORT) as one,
        webhook(place, ports[1], **SHORT) as two,
    ):
        until("both replicas to be ready", lambda: one.ready() and two.ready())
        admission.admitted(place, one)
        asked = load(place)
        with asked.running():
            time.sleep(20)
        leaves = [line["ca"] for line in one.events("certificate.signed")]
        assert len(set(leaves)) >= 2, "no CA was rotated"
        assert len(leaves) >= 4, "no leaf was renewed"
    assert asked.failed == []
    assert asked.admitted >= 800


def half(data: Json) -> Json:
    """As a write that was cut off: a certificate without its key."""
    return {"active.crt": data["active.crt"]}


def mismatched(data: Json) -> Json:
    """Another CA's key."""
    other = authority.mint(1000, time.time())
    return {**data, "active.key": base64.b64encode(other.key.reveal()).decode()}


def expired(data: Json) -> Json:
    """A CA whose time is over."""
    del data
    old = authority.mint(1000, time.time() - 2000)
    return data_of(StoredCas(active=old.certified.ca), old)


DAMAGES: dict[str, Callable[[Json], Json]] = {
    "half written": half,
    "no certificate": lambda data: {key: data[key] for key in data if key != "active.crt"},
    "no PEM": lambda data: {**data, "active.crt": "AAAA", "active.key": "AAAA"},
    "another CA's key": mismatched,
    "broken state": lambda data: {**data, "state.json": "e30="},
    "empty": lambda _: {},
    "an expired CA": expired,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_p11_a_damaged_secret_heals_and_fails_no_admission(
    place: Place, replica: Webhook, damage: Callable[[Json], Json]
) -> None:
    """The leaf in use stays trusted, also when the CA is another one afterwards."""
    asked = load(place)
    with asked.running():
        write(place, damage(kept(place)))
        until("a CA that can sign", lambda: whole(place), 30)
        ours = secret.read({"metadata": {"resourceVersion": "0"}, "data": kept(place)}).cas
        assert ours is not None
        assert ours.active is not None
        name = ours.active.id[:12]
        until("its leaf", lambda: replica.events("certificate.signed")[-1]["ca"] == name, 30)
    assert asked.failed == []
    assert replica.ready()


def test_p11_a_lost_secret_heals_and_fails_no_admission(place: Place, replica: Webhook) -> None:
    """The lost CA's leaves serve on until the new CA is trusted everywhere."""
    asked = load(place)
    with asked.running():
        signed = len(replica.events("certificate.signed"))
        forget(place)
        until("a leaf of another CA", lambda: replica.signed_since(signed), 30)
    assert asked.failed == []


def test_a_secret_of_another_type_is_named_and_left_alone(place: Place) -> None:
    """It may be somebody's; all heals by itself when it is gone."""
    port = admission.free_port()
    forget(place)
    write(place, {"tls.crt": "", "tls.key": ""}, kind="kubernetes.io/tls")
    with admission.called(place, port), webhook(place, port) as replica:

        def named() -> bool:
            waits = [line["problem"] for line in replica.events("certificate.waits")]
            return any("type kubernetes.io/tls, not Opaque: delete it" in text for text in waits)

        until("the problem", named)
        assert not replica.ready()
        assert set(kept(place)) == {"tls.crt", "tls.key"}
        forget(place)
        admission.admitted(place, replica)


def test_a_replica_finds_an_expired_ca(place: Place) -> None:
    """In the Secret and in the configuration, as after a year without a webhook."""
    old = authority.mint(1000, time.time() - 2000)
    write(place, data_of(StoredCas(active=old.certified.ca), old))
    port = admission.free_port()
    with admission.called(place, port):
        text = base64.b64encode(old.certified.pem).decode()
        change = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": text}]
        kind = "application/json-patch+json"
        patched = place.server.act(None, "PATCH", admission.path(place), change, kind=kind)
        assert patched.status == 200
        with webhook(place, port) as replica:
            admission.admitted(place, replica)
            until("the old CA to go", lambda: old.certified.ca.id not in trusts(place))


def test_an_expired_leaf_is_not_ready_and_is_renewed(place: Place) -> None:
    """Its replica could not reach the API server while the leaf ended."""
    port = admission.free_port()
    forget(place)
    with admission.called(place, port), relay() as way:
        settings = {**SHORT, "CA_LIFETIME_S": "600", "KUBECONFIG": str(way.kubeconfig)}
        with webhook(place, port, **settings) as replica:
            admission.admitted(place, replica)
            way.cut()
            until("the leaf's end", lambda: not replica.ready())
            assert "does not trust our certificate" in replica.get("/readyz").text
            way.repair()
            admission.admitted(place, replica)


def test_a_wiped_bundle_is_repaired(place: Place, replica: Webhook) -> None:
    """Some pods are refused until then, with a message that says why, and none later. A manifest
    that replaces the object wipes it too.
    """
    asked = load(place)
    wiped: list[float] = []
    with asked.running():
        begin = time.monotonic()
        for number in range(3):
            wiped.append(time.monotonic() - begin)
            if number == 1:
                manifest = admission.configuration(place, replica.port)
                kubectl("replace", "-f", "-", given=manifest)
            else:
                wipe(place)
            until("the bundle to be back", lambda: whole(place), REPAIRED_S)
            time.sleep(2)
    for failed in asked.failed:
        assert "x509: certificate signed by unknown authority" in failed.message
        assert any(at - 1 <= failed.at <= at + REPAIRED_S for at in wiped)
    assert asked.admitted > 5 * len(asked.failed)


def test_p11_a_manifest_that_is_applied_again_fails_no_admission(
    place: Place, replica: Webhook
) -> None:
    """Since it has no caBundle, neither kind of apply takes the one away that we published."""
    before = trusts(place)
    asked = load(place)
    with asked.running():
        for words in ((), ("--server-side", "--force-conflicts")):
            manifest = admission.configuration(place, replica.port)
            manifest["webhooks"][0]["timeoutSeconds"] = 7 if words else 6
            kubectl("apply", *words, "-f", "-", given=manifest)
    assert asked.failed == []
    assert trusts(place) == before

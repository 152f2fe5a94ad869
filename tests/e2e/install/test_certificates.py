"""P11: the certificates of the installed webhook, renewed in the modes `self` and `provided`, and
these modes changed by values, while pods are created. `certManager` is rendered and linted only
(tests/chart): there is no cert-manager on this cluster.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import admissions
from tests.e2e.install.world import SYSTEM, upgrade
from tests.make.waiting import until
from webhook.certificates import authority, secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.e2e.enforced import Server
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider
    from webhook.certificates.authority import Authority

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
WEBHOOK = "lastgood-webhook"
PAIR = "my-certificate"
VALUE = "certificates.provided.caBundle"
UNKNOWN = "x509: certificate signed by unknown authority"
SHORT = {"CA_LIFETIME_S": "24", "LEAF_LIFETIME_S": "6", "SETTLE_S": "2"}
ROTATING_S = 32.0
"""Two CAs have signed by then: the first at once, its successor after 14 seconds."""
LEAF_S = 7 * 86_400.0
SHOWN_S = 150.0
"""Until a pod reads what is new in a Secret, in seconds: the kubelet looks about once a minute, and
the webhook every ten seconds.
"""


@dataclass(frozen=True, slots=True)
class Provided:
    """What an admin provides: a CA that the webhook does not have, and leaves of it."""

    ca: Authority
    folder: Path

    def give(self) -> float:
        """A new leaf, with its key, is in the Secret; when it ends."""
        names = [f"{WEBHOOK}.{SYSTEM.namespace}.svc"]
        now = time.time()
        end = float(int(now + LEAF_S))
        certificate, key = authority.sign(self.ca, names, now, end)
        SYSTEM.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {"name": PAIR},
                "stringData": {"tls.crt": certificate.decode(), "tls.key": key.reveal().decode()},
            }
        )
        return end

    def bundle(self, *others: bytes) -> str:
        """The option that lets the API server trust its CA, and others."""
        file = self.folder / "bundle.crt"
        file.write_bytes(b"".join((*others, self.ca.certified.pem)))
        return f"--set-file={VALUE}={file}"


@pytest.fixture(scope="module")
def provided(installed: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    """A pair for the webhook's name; afterwards the chart keeps its own CA again."""
    del installed
    ca = authority.mint(2 * LEAF_S, time.time())
    made = Provided(ca, tmp_path_factory.mktemp("pair"))
    made.give()
    yield made
    back_to_self()
    SYSTEM.kubectl("delete", "secret", PAIR)


@pytest.fixture
def short(installed: Provider) -> Iterator[None]:
    """CAs and leaves live for seconds; afterwards as long as before."""
    del installed
    variables = [{"name": f"LASTGOOD_WEBHOOK_{name}", "value": SHORT[name]} for name in SHORT]
    upgrade(f"--set-json=webhook.extraEnv={json.dumps(variables)}")
    replaced()
    yield
    upgrade("--set-json=webhook.extraEnv=[]")
    replaced()
    until("certificates that last", lasting, 90)


def replaced() -> None:
    """Waits until the last of the replicas before an upgrade has answered its last request."""
    until("two replicas", lambda: len(replicas()) == 2, 60)


def replicas() -> list[str]:
    """The names of the webhook's pods, those on their way out among them."""
    return [pod["metadata"]["name"] for pod in SYSTEM.pods(WEBHOOK)]


def events(replica: str, name: str) -> list[Json]:
    """A replica's log lines of one event."""
    return [line for line in SYSTEM.said(replica, "webhook") if line["event"] == name]


def leaves() -> dict[str, list[Json]]:
    """What each replica has signed for itself."""
    return {name: events(name, "certificate.signed") for name in replicas()}


def lasting() -> bool:
    """Whether all that is trusted, and what each replica serves with, is there for an hour yet."""
    ends = [item.ca.not_after for item in authority.read_bundle(published())]
    ends += [signed[-1]["not_after"] if signed else 0 for signed in leaves().values()]
    return min(ends) > time.time() + 3600


def back_to_self() -> None:
    """The values as they were before."""
    mode = "--set=certificates.mode=self"
    upgrade(mode, "--set=certificates.provided.secretName=", f"--set={VALUE}=")
    until("a CA of the webhook's own", published)


def to_provided(bundle: str) -> None:
    """The values that take the pair."""
    mode = "--set=certificates.mode=provided"
    upgrade(mode, f"--set=certificates.provided.secretName={PAIR}", bundle)


def published() -> bytes:
    """What the API server trusts, PEM."""
    path = "jsonpath={.webhooks[0].clientConfig.caBundle}"
    found = SYSTEM.kubectl("get", "mutatingwebhookconfiguration", WEBHOOK, "-o", path)
    return base64.b64decode(found)


def trusted() -> set[str]:
    """The ids of the CAs that the API server trusts."""
    return {item.ca.id for item in authority.read_bundle(published())}


@pytest.mark.usefixtures("short")
def test_p11_rotation_of_leaf_and_ca_fails_no_admission(
    load: AbstractContextManager[None], record_property: Record
) -> None:
    """P11: certificates that live for seconds, behind the Service, beginning with the loss of the
    CA's Secret, at 50 admissions a second: leaf and CA of both replicas rotate, and none fails.
    """
    year, before = trusted(), leaves()
    with load:
        SYSTEM.kubectl("delete", "secret", secret.NAME)
        time.sleep(ROTATING_S)
    after = leaves()
    assert after.keys() == before.keys()
    signed = [[line["ca"] for line in after[name][len(before[name]) :]] for name in after]
    cas = [len(set(issuers) - {ca[:12] for ca in year}) for issuers in signed]
    record_property("leaves by replica", [len(issuers) for issuers in signed])
    record_property("new CAs", cas)
    assert min(cas) >= 2, "no CA was rotated"
    assert min(map(len, signed)) >= 5, "no leaf was renewed"


def test_p11_from_self_to_provided_and_back_fails_no_admission(
    provided: Provided, load: AbstractContextManager[None]
) -> None:
    """P11: certificates.mode self -> provided -> self by helm upgrade, in the order that
    docs/design/013 gives, at 50 admissions a second: none fails.
    """
    ours, theirs = trusted(), {provided.ca.certified.ca.id}
    with load:
        to_provided(provided.bundle(published()))
        assert trusted() == ours | theirs
        upgrade(provided.bundle())
        assert trusted() == theirs
        upgrade("--set=certificates.mode=self")
        assert trusted() > theirs


def test_p11_what_is_refused_when_the_provided_ca_is_taken_out(
    provided: Provided, server: Server, settings: Settings, record_property: Record
) -> None:
    """P11: taking the provided CA out of the values afterwards wipes the bundle once: until it is
    repaired pods are refused with that reason, and none after it.
    """
    del provided
    asked = admissions.opted_in(server, settings)
    with asked.running():
        back_to_self()
        repaired = asked.now
    admissions.tell(asked, record_property)
    assert all(UNKNOWN in failed.message for failed in asked.failed)
    assert all(failed.at <= repaired for failed in asked.failed)


@pytest.mark.long
def test_p11_a_renewed_pair_fails_no_admission(
    provided: Provided, load: AbstractContextManager[None], record_property: Record
) -> None:
    """P11: in the mode `provided` a new leaf of the same CA is written into the Secret at 50
    admissions a second: both replicas load it from their mounts, the API server trusts it on new
    connections, and none fails.
    """
    to_provided(provided.bundle())
    replaced()
    serving = replicas()
    with load:
        begin, end = time.monotonic(), provided.give()
        until("both to have loaded it", lambda: all_loaded(serving, end), SHOWN_S)
        record_property("loaded after s", round(time.monotonic() - begin))
        # The API server connects again when the bundle is another text.
        upgrade(provided.bundle(provided.ca.certified.pem))
        time.sleep(2)
    assert replicas() == serving


def all_loaded(serving: list[str], end: float) -> bool:
    """Whether they serve with the certificate that ends then. Looks seldom: their logs are long."""
    time.sleep(1)
    lines = [events(name, "certificate.loaded") for name in serving]
    return all(any(line["not_after"] == end for line in found) for found in lines)

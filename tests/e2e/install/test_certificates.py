"""P11: the certificates of the installed webhook are rotated, and their modes changed by values,
while pods are created. `certManager` is rendered and linted only (tests/chart): there is no
cert-manager on this cluster.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import admissions
from tests.e2e.install.world import SYSTEM, upgrade
from tests.make.embedded import REPOSITORY, until
from webhook.certificates import authority, secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.e2e.enforced import Server
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
WEBHOOK = "lastgood-webhook"
PAIR = "my-certificate"
VALUE = "certificates.provided.caBundle"
UNKNOWN = "x509: certificate signed by unknown authority"
SHORT = {"CA_LIFETIME_S": "24", "LEAF_LIFETIME_S": "6", "SETTLE_S": "2"}
ROTATING_S = 32.0
"""Two CAs have signed by then: the first at once, its successor after 14 seconds."""


@pytest.fixture(scope="module")
def folder(installed: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pair for the webhook's name, by a CA of its own, and its Secret; afterwards the chart keeps
    its own CA again.
    """
    del installed
    made = tmp_path_factory.mktemp("pair")
    name = f"{WEBHOOK}.{SYSTEM.namespace}.svc"
    script = [sys.executable, str(REPOSITORY / "certs/dev_ca.py"), str(made), "--san", name]
    subprocess.run(script, check=True)
    files = [f"--cert={made}/tls.crt", f"--key={made}/tls.key"]
    SYSTEM.kubectl("create", "secret", "tls", PAIR, *files)
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
    folder: Path, load: AbstractContextManager[None]
) -> None:
    """P11: certificates.mode self -> provided -> self by helm upgrade, in the order that
    docs/design/013 gives, at 50 admissions a second: none fails.
    """
    ours = trusted()
    mine = (folder / "ca.crt").read_bytes()
    theirs = {item.ca.id for item in authority.read_bundle(mine)}
    both = folder / "both.crt"
    both.write_bytes(published() + mine)
    with load:
        upgrade(
            "--set=certificates.mode=provided",
            f"--set=certificates.provided.secretName={PAIR}",
            f"--set-file={VALUE}={both}",
        )
        assert trusted() == ours | theirs
        upgrade(f"--set-file={VALUE}={folder / 'ca.crt'}")
        assert trusted() == theirs
        upgrade("--set=certificates.mode=self")
        assert trusted() > theirs


def test_p11_what_is_refused_when_the_provided_ca_is_taken_out(
    folder: Path, server: Server, settings: Settings, record_property: Record
) -> None:
    """P11: taking the provided CA out of the values afterwards wipes the bundle once: until it is
    repaired pods are refused with that reason, and none after it.
    """
    del folder
    asked = admissions.opted_in(server, settings)
    with asked.running():
        back_to_self()
        repaired = asked.now
    admissions.tell(asked, record_property)
    assert all(UNKNOWN in failed.message for failed in asked.failed)
    assert all(failed.at <= repaired for failed in asked.failed)

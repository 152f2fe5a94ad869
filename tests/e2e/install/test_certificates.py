"""P11: the modes of the webhook's certificate, changed by values while pods are created.
`certManager` is rendered and linted only (tests/chart): there is no cert-manager on this cluster.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import admissions
from tests.e2e.install.world import SYSTEM, upgrade
from tests.make.embedded import REPOSITORY, until
from webhook.certificates import authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.e2e.enforced import Server
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
PAIR = "my-certificate"
VALUE = "certificates.provided.caBundle"
UNKNOWN = "x509: certificate signed by unknown authority"


@pytest.fixture(scope="module")
def folder(installed: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pair for the webhook's name, by a CA of its own, and its Secret; afterwards the chart keeps
    its own CA again.
    """
    del installed
    made = tmp_path_factory.mktemp("pair")
    name = f"lastgood-webhook.{SYSTEM.namespace}.svc"
    script = [sys.executable, str(REPOSITORY / "certs/dev_ca.py"), str(made), "--san", name]
    subprocess.run(script, check=True)
    files = [f"--cert={made}/tls.crt", f"--key={made}/tls.key"]
    SYSTEM.kubectl("create", "secret", "tls", PAIR, *files)
    yield made
    back_to_self()
    SYSTEM.kubectl("delete", "secret", PAIR)


def back_to_self() -> None:
    """The values as they were before."""
    mode = "--set=certificates.mode=self"
    upgrade(mode, "--set=certificates.provided.secretName=", f"--set={VALUE}=")
    until("a CA of the webhook's own", published)


def published() -> bytes:
    """What the API server trusts, PEM."""
    path = "jsonpath={.webhooks[0].clientConfig.caBundle}"
    found = SYSTEM.kubectl("get", "mutatingwebhookconfiguration", "lastgood-webhook", "-o", path)
    return base64.b64decode(found)


def trusted() -> set[str]:
    """The ids of the CAs that the API server trusts."""
    return {item.ca.id for item in authority.read_bundle(published())}


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

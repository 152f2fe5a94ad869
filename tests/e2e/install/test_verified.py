"""P13 on a cluster: an API server that shows the webhook a client certificate, and a webhook that
answers nobody else, set up as docs/design/019 has it, line by line. An API server takes its
admission configuration from a file at its start, so this one is started twice: with the file, and
without it afterwards.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install.kubectl import run_helm
from tests.e2e.install.machine import here
from tests.e2e.install.test_certificates import replaced
from tests.e2e.install.world import DB, PROVIDER, SYSTEM, TEAM, app, pod, upgrade
from tests.make import asking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.e2e.install.machine import Machine
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/design/019-servers.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Verification of the API server\n")[2].partition("\n## ")[0]
SIGN, WEBHOOKS, ADMISSION, TELL = (
    dedent(block)
    for block in re.findall(r"^ *```\w+\n(.*?)^ *```", SECTION, flags=re.MULTILINE | re.DOTALL)
)
FOLDER = "/etc/kubernetes/lastgood"
ASK = """
import ssl, urllib.error, urllib.request
context = ssl._create_unverified_context()
for path, body in (("mutate", b"{}"), ("readyz", None)):
    try:
        request = urllib.request.Request("https://ADDRESS/" + path, body)
        print(urllib.request.urlopen(request, timeout=10, context=context).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


@pytest.fixture
def machine(settings: Settings) -> Machine:
    """Where the API server is a process."""
    found = here(settings)
    if found is None:
        pytest.skip("needs an API server that this machine can start with another configuration")
    return found


@pytest.fixture
def folder(installed: Provider, machine: Machine, tmp_path: Path) -> Iterator[Path]:
    """Has the API server's files; afterwards the chart is as before."""
    del installed, machine
    for line in SIGN.splitlines():
        subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True, capture_output=True)
    for name, text in (("webhooks.yaml", WEBHOOKS), ("admission.yaml", ADMISSION)):
        assert FOLDER in text
        (tmp_path / name).write_text(text.replace(FOLDER, str(tmp_path)), encoding="utf-8")
    yield tmp_path
    upgrade("--set=webhook.clientVerification.enabled=false")
    replaced()


@contextmanager
def _shown(machine: Machine, folder: Path) -> Iterator[None]:
    """The API server shows its certificate; afterwards it shows none."""
    flag = f"--admission-control-config-file={FOLDER}/admission.yaml"
    assert flag in SECTION
    machine.kill("apiserver")
    try:
        machine.start(flag.replace(FOLDER, str(folder)))
        yield
    finally:
        machine.kill("apiserver")
        machine.start()


def test_p13_only_an_api_server_with_its_certificate_is_answered(
    machine: Machine, folder: Path, load: AbstractContextManager[None], settings: Settings
) -> None:
    """P13: verification of the API server by its certificate, switched on by helm upgrade at 50
    admissions a second: none fails. A pod without one gets a 403, and so does an API server without
    one: opted-in pods are refused, others are admitted.
    """
    with _shown(machine, folder):
        with load:
            _tell(folder)
            replaced()
        stranger = PROVIDER.pods("aws")[0]["metadata"]["name"]
        for replica in SYSTEM.pods("lastgood-webhook"):
            script = ASK.replace("ADDRESS", f"{replica['status']['podIP']}:10250")
            assert PROVIDER.execute(stranger, "moto", script).split() == ["403", "200"]
    refused = TEAM.refused(pod("verified", app(settings), asking(db=DB)))
    assert 'failed calling webhook "pods.lastgood.dev"' in refused
    TEAM.create(pod("unverified", app(settings), {}))
    TEAM.kubectl("delete", "pod", "unverified", "--grace-period=1")


def _tell(folder: Path) -> None:
    """Step 4."""
    program, *words = shlex.split(TELL)
    assert program == "helm"
    paths = {"charts/lastgood": str(ROOT / "charts/lastgood")}
    file = "webhook.clientVerification.caBundle="
    paths[f"{file}ca.crt"] = f"{file}{folder / 'ca.crt'}"
    run_helm(*(paths.get(word, word) for word in words))

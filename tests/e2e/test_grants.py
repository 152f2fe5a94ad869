"""P14: a namespace grants the controller single Secrets by their names. The check at the
controller's start tells that from every other right to read.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from cli.secret_grants import Grant, documents
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.installed import SYSTEM
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.enforced import Server
    from tests.e2e.installed import Installed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
CONTROLLER = f"system:serviceaccount:{SYSTEM}:lastgood-controller"
EVERYWHERE = "lastgood-more"


def test_a_grant_in_one_namespace_lets_it_start_and_one_in_all_does_not(
    installed: Installed, server: Server
) -> None:
    """As the API server lists rights in a namespace."""
    installed.install()
    team = f"{installed.name}-grants"
    installed.kubectl("create", "namespace", team)
    try:
        for _, body in documents(Grant(team, "db"), SYSTEM):
            installed.kubectl("create", "-n", team, "-f", "-", stdin=json.dumps(body))
        asked = {"resource": "secrets", "verb": "get", "namespace": team}
        until("the grant", partial(server.may, CONTROLLER, **asked, name="db"), PATIENCE_S)
        assert not server.may(CONTROLLER, **asked)
        assert not server.may(CONTROLLER, **asked, name="other")
        installed.lead()
        assert not installed.said("controller.reads_elsewhere")
        installed.end()
        names = ("--verb=get", "--resource=secrets", "--resource-name=db")
        installed.kubectl("create", "clusterrole", EVERYWHERE, *names)
        account = f"--serviceaccount={SYSTEM}:lastgood-controller"
        role = f"--clusterrole={EVERYWHERE}"
        installed.kubectl("create", "clusterrolebinding", EVERYWHERE, role, account)
        elsewhere = {**asked, "namespace": "default"}
        until("the right", partial(server.may, CONTROLLER, **elsewhere, name="db"), PATIENCE_S)
        refused = installed.start("--report-reads-elsewhere")
        assert refused.wait(PATIENCE_S) == 1
        told = installed.logs[-1].read_text()
        assert "Secrets in the namespace default" in told
    finally:
        for kind in ("clusterrolebinding", "clusterrole"):
            installed.kubectl("delete", kind, EVERYWHERE, "--ignore-not-found")
        installed.kubectl("delete", "namespace", team, "--wait=false")

"""P13: what another namespace does or asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.snapshot import SECRET_TYPE
from tests.e2e.cluster import digest
from tests.e2e.install.kubectl import run
from tests.e2e.install.team import digests, read_by_all, refresh, snapshot
from tests.e2e.install.world import DB, OTHER, TEAM, app, deployment, pod
from tests.make import asking
from tests.make.embedded import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
MINE = "/e2e/tenant"
MISTAKEN = "/other/mistaken-"
MISTAKES = 30
"""Sources per pod that nobody has, in two pods."""


@pytest.fixture(scope="module")
def team(installed: Provider, settings: Settings, value: str) -> Provider:
    """A pod of the team's, with a snapshot of its own."""
    installed.put(MINE, value)
    TEAM.create(deployment("tenant", app(settings), asking(db=f"aws-sm:{MINE}")))
    TEAM.rolled_out("tenant")
    assert digests("tenant") == {digest(value)}
    return installed


def test_p13_another_namespace_gets_no_secret_of_the_teams(
    team: Provider, settings: Settings
) -> None:
    """P13: another namespace's pod may not ask for the team's secret, and a forged or squatted
    snapshot is refused there; each refusal says why.
    """
    del team
    said = OTHER.refused(pod("thief", app(settings), asking(db=DB)))
    assert "aws-sm:/other/*" in said, said
    name = snapshot(MINE)["metadata"]["name"]
    forged = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": SECRET_TYPE}
    assert "lastgood" in OTHER.refused(forged)
    user = f"system:serviceaccount:{OTHER.namespace}:default"
    for act in (("get", "secrets"), ("create", "pods"), ("get", "secretsnapshots")):
        words = ("auth", "can-i", *act, "--as", user, "-n", TEAM.namespace)
        assert run("sh", "-c", 'kubectl "$@" || true', "sh", *words).strip() == "no"


def test_p13_another_namespaces_mistakes_delay_no_rotation(
    team: Provider, settings: Settings, value: str, record_property: Record
) -> None:
    """P13: pods of another namespace ask for 60 secrets that nobody has; a rotation of the team's
    still reaches its pods in seconds.
    """
    mistaken = [f"mistaken-{number}" for number in range(2)]
    for number, name in enumerate(mistaken):
        missing = {f"s{index}": f"aws-sm:{MISTAKEN}{number}-{index}" for index in range(MISTAKES)}
        OTHER.create(pod(name, app(settings), asking(**missing)))
    until("all of them to be looked for", lambda: _looked_for() == 2 * MISTAKES, 30)
    second = value.replace("first", "second")
    team.put(MINE, second)
    refresh(MINE)
    record_property("after s", round(read_by_all(second, "tenant"), 1))
    OTHER.kubectl("delete", "pods", *mistaken, "--wait=false", "--grace-period=1")


def _looked_for() -> int:
    """How many of the sources that the other namespace's pods ask for by mistake have snapshots."""
    found = OTHER.items("secretsnapshots")
    return sum(it["spec"]["source"]["reference"].startswith(MISTAKEN) for it in found)

"""P10 and P11: pods are created while the chart goes, and while it comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import admissions, world
from tests.e2e.install.kubectl import run_helm
from tests.e2e.install.world import DB, NOTHING, SYSTEM, TEAM, app, deployment, pod
from tests.e2e.load import BARE
from tests.make import asking

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.e2e.enforced import Server
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider
    from tests.e2e.load import Failed, Load

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
HALF = admissions.RATE / 2


@pytest.fixture
def asked(installed: Provider, server: Server, settings: Settings) -> Load:
    """Opted-in pods, half of the fifty."""
    del installed
    return admissions.opted_in(server, settings, HALF)


@pytest.fixture
def others(
    server: Server, settings: Settings, record_property: Record
) -> AbstractContextManager[None]:
    """While its block lasts plain pods are created, as many, and none may fail."""
    plain = admissions.plain(server, settings, HALF)
    return admissions.none_fails(plain, record_property)


def refused(load: Load) -> list[Failed]:
    """The opted-in pods that were not let in; each was told that it is for lastgood."""
    found = [failed for failed in load.failed if failed.message != BARE]
    assert all("lastgood" in failed.message for failed in found), found
    return found


def test_p11_uninstall_stops_no_other_pod_and_leaves_nothing_that_blocks(
    settings: Settings, asked: Load, others: AbstractContextManager[None], record_property: Record
) -> None:
    """P11: helm uninstall at 50 admissions a second: no plain pod fails, an opted-in one is refused
    for a moment with a reason; then both start, running pods keep their files, snapshots stay.
    """
    asks = asking(db=DB)
    TEAM.create(deployment("staying", app(settings), asks))
    TEAM.rolled_out("staying")
    before = TEAM.told("staying")
    assert before
    with others, asked.running():
        run_helm("uninstall", "lastgood", "--namespace", SYSTEM.namespace, "--wait")
    assert asked.admitted
    record_property("opted-in refused", len(refused(asked)))
    for name, notes in (("after", {}), ("after-asking", asks)):
        TEAM.create(pod(name, app(settings, FOLDER=NOTHING), notes))
        TEAM.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    assert TEAM.told("staying") == before
    assert TEAM.kubectl("get", "secretsnapshots", "-o", "name")


def test_p10_install_stops_no_other_pod(
    installed: Provider,
    settings: Settings,
    asked: Load,
    others: AbstractContextManager[None],
    record_property: Record,
) -> None:
    """P10: helm install at 50 admissions a second: no plain pod fails; an opted-in one is refused
    with a reason while no webhook is ready, and none is or comes in bare when Helm has ended.
    """
    with others, asked.running():
        world.install(settings, installed)
        ended = asked.now
    record_property("opted-in refused", len(refused(asked)))
    assert asked.admitted
    assert all(failed.at <= ended for failed in asked.failed)

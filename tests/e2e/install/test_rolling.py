"""P11: what an operator does to the chart, and the loss of a replica, fails no admission of an
opted-in pod, at fifty a second through the API server; the bound where it does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.cluster import digest
from tests.e2e.install import admissions, machine
from tests.e2e.install.kubectl import run_helm
from tests.e2e.install.team import digests, names, restarts
from tests.e2e.install.world import DB, SYSTEM, TEAM, app, deployment, upgrade
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.e2e.enforced import Server
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
APP, WEBHOOK = "rolled", "lastgood-webhook"


@pytest.fixture(scope="module")
def running(installed: Provider, settings: Settings, value: str) -> None:
    """Two pods with a file."""
    del installed
    TEAM.create(deployment(APP, app(settings), asking(db=DB), replicas=2))
    TEAM.rolled_out(APP)
    assert digests(APP) == {digest(value)}


@pytest.fixture
def unchanged(running: None) -> Iterator[None]:
    """No file of a running app is lost or another one, not for a moment, and nothing restarts."""
    del running
    before = TEAM.told(APP)
    assert len(before) == 2
    yield
    assert TEAM.told(APP) == before
    assert {count for name in names(APP) for count in restarts(name).values()} == {0}


def _revision() -> str:
    shown = json.loads(run_helm("list", "-n", SYSTEM.namespace, "-o", "json"))
    revision: str = shown[0]["revision"]
    return revision


def _replicas() -> list[Json]:
    """The webhook's pods that are not on their way out."""
    found = SYSTEM.pods(WEBHOOK)
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def _uids() -> set[str]:
    return {pod["metadata"]["uid"] for pod in _replicas()}


@pytest.mark.usefixtures("unchanged")
def test_p11_upgrade_and_rollback_fail_no_admission(load: AbstractContextManager[None]) -> None:
    """P11: helm upgrade and rollback, each replacing all replicas, at 50 admissions a second: none
    fails, and running apps keep process, files and digests.
    """
    before, first = _revision(), _uids()
    with load:
        upgrade(
            "--set-string=webhook.podAnnotations.rolled=1",
            "--set-string=controller.podAnnotations.rolled=1",
        )
        second = _uids()
        words = ("-n", SYSTEM.namespace, "--wait", "--timeout=180s")
        run_helm("rollback", "lastgood", before, *words)
        assert not (first | _uids()) & second


def test_p11_a_rolling_restart_fails_no_admission(load: AbstractContextManager[None]) -> None:
    """P11: a rolling restart of the webhook at 50 admissions a second fails none."""
    first = _uids()
    with load:
        SYSTEM.kubectl("rollout", "restart", f"deployment/{WEBHOOK}")
        SYSTEM.rolled_out(WEBHOOK)
        assert not first & _uids()


@pytest.mark.parametrize(
    "how", [("--wait=true",), ("--grace-period=0", "--force")], ids=["deleted", "forced"]
)
def test_p11_the_loss_of_one_replica_fails_no_admission(
    load: AbstractContextManager[None], how: tuple[str, ...]
) -> None:
    """P11: one of two webhooks deleted at 50 admissions a second fails none."""
    lost = _replicas()[0]["metadata"]
    with load:
        SYSTEM.kubectl("delete", "pod", lost["name"], *how)
        until("its place to be taken", lambda: len(_uids() - {lost["uid"]}) == 2)
        SYSTEM.rolled_out(WEBHOOK)


def _is_back(name: str) -> bool:
    """Whether the webhook's container runs again, and is ready."""
    (found,) = SYSTEM.get("pod", name)["status"]["containerStatuses"]
    return bool(found["ready"] and found["restartCount"] == 1)


def test_p11_a_replica_that_is_killed_fails_what_was_under_way_there(
    installed: Provider, server: Server, settings: Settings, record_property: Record
) -> None:
    """P11: one of two webhooks killed by SIGKILL at 50 admissions a second: what was on its way
    there is refused with that reason, less than a second's worth; none is let in bare, and none
    fails when it is back.
    """
    del installed
    if machine.here(settings) is None:
        pytest.skip("the node is another machine")
    lost = _replicas()[0]
    asked = admissions.opted_in(server, settings)
    with asked.running():
        until("a load", lambda: asked.admitted > admissions.RATE)
        machine.kill_container(lost, "webhook")
        until("it to be back", lambda: _is_back(lost["metadata"]["name"]), 60)
        back, seen = asked.now, asked.admitted
        until("a load after that", lambda: asked.admitted > seen + 2 * admissions.RATE)
    admissions.tell(asked, record_property)
    assert len(asked.failed) < admissions.RATE
    for failed in asked.failed:
        assert 'failed calling webhook "pods.lastgood.dev"' in failed.message
        assert failed.at <= back
